package report

import (
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// servers returns how many servers shared the users of r; 0: someone else's, who doesn't tell.
func (r Run) servers() int {
	n := r.Run.Scenario.Servers
	for _, w := range r.Windows {
		n = max(n, w.Servers)
	}
	if r.Run.Scenario.Target != "" && n <= 1 {
		return 0
	}
	return max(1, n)
}

// store returns the kind of the store of r, fit to be shown; "" where it isn't known.
func (r Run) store() string {
	return text.Clean(r.Run.Scenario.StoreKind())
}

// setup says on what r was measured, like "3 servers, store postgres".
func (r Run) setup() string {
	words := "a server that someone else started"
	if n := r.servers(); n > 0 {
		words = text.Plural(n, "server", "servers")
	}
	if store := r.store(); store != "" {
		words += ", store " + store
	}
	told := slices.ContainsFunc(r.Windows, func(w result.Window) bool { return w.Server != nil })
	if r.servers() > 1 && told {
		words += " (CPU and memory are those of all servers together)"
	}
	return words
}

// setups returns the setup of runs, one line for all or, where they differ, one of each. There is
// none to tell of one server with its store in memory.
func setups(runs []Run) []string {
	var lines []string
	notable := false
	for _, run := range runs {
		notable = notable || run.servers() > 1 || run.store() != "memory" && run.store() != ""
		lines = append(lines, run.setup())
	}
	if !notable {
		return nil
	}
	if len(slices.Compact(slices.Clone(lines))) == 1 {
		return lines[:1]
	}
	for i, run := range runs {
		lines[i] = run.name() + ": " + lines[i]
	}
	return lines
}

// several says whether a series was measured on more than one server.
func several(all []series) bool {
	return slices.ContainsFunc(all, func(s series) bool { return s.Servers > 1 })
}
