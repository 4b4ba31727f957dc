package report

import (
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// setup returns the servers, the store and the network of r, like "3 servers, store postgres".
func (r Run) setup() string {
	words := setupOf(r.Run.Scenario, r.Servers())
	reported := slices.ContainsFunc(r.Windows, func(w result.Window) bool { return w.Server != nil })
	if r.Servers() > 1 && reported {
		words += " (CPU and memory are those of all servers together)"
	}
	if a := r.AgentsOf(); a != nil {
		words += ", " + agents(a)
	}
	return words
}

// agents says how many agents had the users, on which machines, like "6 agents on vm, which began at most 0.3 ms apart".
func agents(a *result.Agents) string {
	var machines []string
	for _, name := range a.Machines {
		machines = append(machines, text.Name(name))
	}
	words := text.Plural(a.Number, "agent", "agents") + " on "
	if n := len(machines); n > mostMachines {
		words += fmt.Sprintf("%d machines", n)
	} else {
		words += strings.Join(machines, ", ")
	}
	if a.Number > 1 && a.SkewMS > 0 {
		words += ", which began at most " + text.Duration(a.SkewMS, 2) + " apart"
	}
	return words
}

// mostMachines is how many machines are named.
const mostMachines = 5

// setupOf returns the servers of a scenario, their store, and how users reach them; of 0 servers nothing is known.
func setupOf(s result.Scenario, servers int) string {
	words := "a server that someone else started"
	if servers > 0 {
		words = text.Plural(servers, "server", "servers")
	}
	if s.Target != "" && servers > 0 {
		words += " that someone else started"
	}
	if spread := text.Name(s.Spread); spread == result.SpreadRooms {
		words += ", each room on one of them"
	} else if spread != "" {
		words += ", spread by " + spread
	}
	if store := text.Name(s.StoreKind()); store != "" {
		words += ", store " + store
	}
	if s.Heartbeat > 0 {
		words += ", heartbeats every " + s.Heartbeat.String()
	}
	if version := text.Name(s.HTTP); version != "" {
		words += ", over HTTP/" + version
	}
	if p := s.Network; !p.IsNone() {
		words += ", network " + text.Clean(p.Words())
	}
	if s.TLS {
		words += ", over TLS"
	}
	if via := text.Name(s.Via); via != "" {
		words += ", through " + via + " (whose CPU and memory are in no figure)"
	}
	return words
}

// notable reports whether a setup differs from one server with the default store, to which users connect in the usual
// way.
func notable(s result.Scenario, servers int) bool {
	return servers > 1 || s.NotableStore() != "" || s.Heartbeat > 0 || !s.Network.IsNone() || s.TLS || s.Via != "" || s.HTTP != ""
}

// setupOfAll returns the setup of several results that share it, as an index has it; "" if it is the usual one.
func setupOfAll(s result.Scenario) string {
	servers := max(1, s.Servers)
	if !notable(s, servers) {
		return ""
	}
	return setupOf(s, servers)
}

// setup returns what all points of the set have in common: the deliveries and the agents, and the setup as setupOfAll
// says it; "" if it is the usual one.
func (s *Set) setup() string {
	var words []string
	if d := s.Index.DeliveriesPerS; d > 0 {
		words = append(words, exact(d)+" deliveries per second in all")
	}
	switch agents := text.Name(s.Index.Agents); agents {
	case "":
	case "1":
		words = append(words, "1 agent")
	case result.AgentsAuto:
		if s.Index.Scenario.Servers > 1 {
			words = append(words, "as many agents as it takes")
		} else {
			words = append(words, "as many agents and servers as it takes")
		}
	default:
		words = append(words, agents+" agents")
	}
	if setup := setupOfAll(s.Index.Scenario); setup != "" {
		words = append(words, setup)
	}
	return strings.Join(words, ", ")
}

// setups returns the setup of runs: one line if they share it, otherwise one for each. It returns nil if
// each run has one server with the default store, no network, TLS, proxy nor agents, over HTTP/1.1, or an unknown setup.
func setups(runs []Run) []string {
	var lines []string
	special := false
	for _, run := range runs {
		special = special || notable(run.Run.Scenario, run.Servers()) || run.AgentsOf() != nil
		lines = append(lines, run.setup())
	}
	if !special {
		return nil
	}
	if len(slices.Compact(slices.Clone(lines))) == 1 {
		return lines[:1]
	}
	_, labels := namesOf(runs)
	for i, label := range labels {
		lines[i] = label + ": " + lines[i]
	}
	return lines
}

// foreign returns a line for each foreign server of runs; with several runs, each begins with the name of its run,
// unless all runs have the same lines.
func foreign(runs []Run) []string {
	var lines []string
	_, labels := namesOf(runs)
	same := true
	first := text.Foreign(runs[0].Run, runs[0].Rows)
	for i, run := range runs {
		of := text.Foreign(run.Run, run.Rows)
		same = same && slices.Equal(of, first)
		for _, line := range of {
			lines = append(lines, labels[i]+": "+line)
		}
	}
	if same {
		return first
	}
	return lines
}

// several reports whether any series was measured on more than one server.
func several(all []series) bool {
	return slices.ContainsFunc(all, func(s series) bool { return s.Servers > 1 })
}
