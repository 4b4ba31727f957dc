package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An Agent is a generator that measured a part of a window, in a process of its own.
type Agent struct {
	Name       string  `json:"name"`
	Machine    string  `json:"machine"`       // the name of its host
	PID        int     `json:"pid,omitempty"` // on the machine of the run; 0: it ran on another one
	Users      int     `json:"users"`
	Cores      int     `json:"cores"`        // that it could use
	LateP99S   float64 `json:"late_p99_s"`   // seconds, of the delay that it added to the intended send times
	RoundTripS float64 `json:"round_trip_s"` // seconds, of telling it to begin: the agents began at most as long apart
	Process    Process `json:"process"`
}

// Agents are the agents of a row.
type Agents struct {
	Number   int      `json:"number"` // that measured at the same time
	Machines []string `json:"machines"`
	SkewMS   float64  `json:"skew_ms"` // milliseconds, by which they began apart at most: the longest round trip of telling one to begin
}

// agentsOf returns the agents of measured windows; nil: one process had all users, or there are no windows.
func agentsOf(windows []Window) *Agents {
	var a *Agents
	for _, w := range windows {
		if len(w.Agents) == 0 {
			continue
		}
		if a == nil {
			a = &Agents{Machines: []string{}}
		}
		a.Number = max(a.Number, len(w.Agents))
		for _, agent := range w.Agents {
			a.SkewMS = max(a.SkewMS, 1000*agent.RoundTripS)
			if !slices.Contains(a.Machines, agent.Machine) {
				a.Machines = append(a.Machines, agent.Machine)
			}
		}
	}
	if a != nil {
		slices.Sort(a.Machines)
	}
	return a
}

// AgentsOf returns the agents that measured the windows of a result; nil: one process had all users.
func (r *Result) AgentsOf() *Agents { return agentsOf(Measured(r.Windows)) }

// compare orders agents by their machines and names.
func (a Agent) compare(b Agent) int {
	return cmp.Or(strings.Compare(a.Machine, b.Machine), strings.Compare(a.Name, b.Name), cmp.Compare(a.PID, b.PID))
}

// String names the agent.
func (a Agent) String() string { return fmt.Sprintf("agent %s on %s", a.Name, a.Machine) }

// lateAgents adds a doubt about agents that sent late, in any window: in the sum of all, one bad agent would hide. It
// reports whether it did. limit is in milliseconds.
func lateAgents(windows []Window, limit float64, add func(fatal bool, code, format string, args ...any)) bool {
	var worst Agent
	late, all := map[string]bool{}, map[string]bool{}
	for _, w := range windows {
		for _, a := range w.Agents {
			all[a.String()] = true
			if 1000*a.LateP99S <= limit {
				continue
			}
			late[a.String()] = true
			if a.LateP99S > worst.LateP99S {
				worst = a
			}
		}
	}
	who := worst.String()
	switch len(late) {
	case 0:
		return false
	case 1:
	default:
		who = fmt.Sprintf("%d of %d agents sent late, the worst, %s,", len(late), len(all), who)
	}
	add(true, "generator-late", "%s sent up to %.1f ms late (p99), more than the %.1f ms that can be tolerated: use fewer users, or more or faster machines", who, 1000*worst.LateP99S, limit)
	return true
}

// busyAgents adds a doubt about the machine, or the agent, that used the largest share of its cores, if that is too large.
func busyAgents(windows []Window, add func(fatal bool, code, format string, args ...any)) {
	busiest, text := MaxCPUShare, ""
	note := func(cpuS, durationS float64, cores int, who string) {
		if durationS <= 0 || cores <= 0 {
			return
		}
		if share := cpuS / durationS / float64(cores); share > busiest {
			busiest = share
			text = fmt.Sprintf("%s used %.0f%% of the machine's %d cores: use fewer users, or more or faster machines", who, 100*share, cores)
		}
	}
	for _, w := range windows {
		type machine struct {
			cpuS          float64
			agents, cores int
		}
		on := map[string]machine{}
		for _, a := range w.Agents {
			m := on[a.Machine]
			on[a.Machine] = machine{m.cpuS + a.Process.CPUS, m.agents + 1, max(m.cores, a.Cores)}
			note(a.Process.CPUS, w.DurationS, a.Cores, a.String())
		}
		for name, m := range on {
			if m.agents > 1 {
				note(m.cpuS, w.DurationS, m.cores, fmt.Sprintf("the %d agents on %s", m.agents, name))
			}
		}
	}
	if text != "" {
		add(true, "generator-cpu", "%s", text)
	}
}
