package report

import (
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// setup returns the servers, the store and the network of r, like "3 servers, store postgres".
func (r Run) setup() string {
	words := "a server that someone else started"
	if n := r.Servers(); n > 0 {
		words = text.Plural(n, "server", "servers")
	}
	if store := text.Name(r.Run.Scenario.StoreKind()); store != "" {
		words += ", store " + store
	}
	if version := text.Name(r.Run.Scenario.HTTP); version != "" {
		words += ", over HTTP/" + version
	}
	if p := r.Run.Scenario.Network; !p.IsNone() {
		words += ", network " + text.Clean(p.Words())
	}
	if r.Run.Scenario.TLS {
		words += ", over TLS"
	}
	if via := text.Name(r.Run.Scenario.Via); via != "" {
		words += ", through " + via + " (whose CPU and memory are in no figure)"
	}
	reported := slices.ContainsFunc(r.Windows, func(w result.Window) bool { return w.Server != nil })
	if r.Servers() > 1 && reported {
		words += " (CPU and memory are those of all servers together)"
	}
	return words
}

// setups returns the setup of runs: one line if they share it, otherwise one for each. It returns nil if
// each run has one server with the default store, no network, TLS nor proxy, over HTTP/1.1, or an unknown setup.
func setups(runs []Run) []string {
	var lines []string
	notable := false
	for _, run := range runs {
		s := run.Run.Scenario
		notable = notable || run.Servers() > 1 || s.NotableStore() != "" || !s.Network.IsNone() || s.TLS || s.Via != "" || s.HTTP != ""
		lines = append(lines, run.setup())
	}
	if !notable {
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
