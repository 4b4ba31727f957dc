package agent

import (
	"context"
	"fmt"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A load is how busy a machine is, as a process on it finds.
type load struct {
	CPU  float64       `json:"cpu"`     // share of the CPU that all programs used in loadSpan, 0 to 1; 0: unknown
	Late time.Duration `json:"late_ns"` // most that the process was late in that time
}

const loadTick, loadSpan = 250 * time.Millisecond, time.Second

// watchLoad calls note with the load of each loadSpan, until ctx ends.
func watchLoad(ctx context.Context, read func() (loadgen.CPUTime, error), note func(load)) {
	ticker := time.NewTicker(loadTick)
	defer ticker.Stop()
	last := time.Now()
	begun := last
	from, err := read()
	var l load
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		l.Late = max(l.Late, now.Sub(last)-loadTick)
		last = now
		if now.Sub(begun) < loadSpan {
			continue
		}
		to, failed := read()
		if err == nil && failed == nil {
			l.CPU = to.Busy(from)
		}
		note(l)
		begun, from, err, l = now, to, failed, load{}
	}
}

// checked returns l, or the zero load if no process can have it.
func (l load) checked() load {
	if l.CPU < 0 || l.CPU > 1 || l.Late < 0 {
		return load{}
	}
	return l
}

// short says what had too little CPU for an agent to answer; "" if nothing is known to have. Of this machine this
// process knows itself; of another one that counts which was heard last, from any agent there: others may answer when
// one is silent.
func (t *Team) short(m *member) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, machine := range []string{m.machine, t.machine} {
		latest, at := t.heard(machine)
		switch {
		case latest.CPU <= result.MaxCPUShare:
		case at.After(m.seen):
			return fmt.Sprintf("%s uses %.0f%% of its CPU", machine, 100*latest.CPU)
		default:
			return fmt.Sprintf("%s used %.0f%% of its CPU when it last did", machine, 100*latest.CPU)
		}
	}
	if late := m.status.Load.Late; late > answerTime {
		return fmt.Sprintf("it ran %v late when it last did", late.Round(100*time.Millisecond))
	}
	return ""
}

// heard returns the latest load of a machine, and when it was known. The caller has locked mu.
func (t *Team) heard(machine string) (latest load, at time.Time) {
	if machine == t.machine {
		return t.load, t.loadAt
	}
	for _, m := range t.members {
		if m.machine == machine && m.seen.After(at) {
			latest, at = m.status.Load, m.seen
		}
	}
	return latest, at
}

// silence says that an agent has not answered for too long, and what is known of the reason.
func (t *Team) silence(m *member) string {
	if !t.conn.IsConnected() {
		return fmt.Sprintf("NATS at %s has been out of reach for %v", withoutUser(t.conn.Opts.Url), t.options.silence)
	}
	why := "it has ended, hangs, or can't reach NATS"
	if t.knows(m) {
		why = "its process has not ended, so it hangs, or can't reach NATS"
	}
	if short := t.short(m); short != "" {
		why = short + ": use fewer users, or more machines"
	}
	return fmt.Sprintf("%s has not answered for %v: %s", m, t.options.silence, why)
}
