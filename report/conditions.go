package report

import (
	"cmp"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A condition is a result.Fact as the report shows it.
type condition struct {
	Name    string
	Values  []string // one for each run, "-" if unknown
	Differs bool
	setting bool // chosen for the run, not a property of the machine
}

// conditions returns the facts about runs in the order of result.Facts, without those that are unknown
// for every run.
func conditions(runs []Run) []condition {
	var results []*result.Result
	for _, run := range runs {
		results = append(results, run.Result)
	}
	var all []condition
	for _, f := range result.Facts(results...) {
		shown := condition{Name: text.Clean(f.Name), setting: f.Scope != result.Place}
		for _, value := range f.Values {
			shown.Values = append(shown.Values, cmp.Or(text.Clean(value), "-"))
		}
		shown.Differs = len(slices.Compact(slices.Clone(shown.Values))) > 1
		if shown.Differs || shown.Values[0] != "-" {
			all = append(all, shown)
		}
	}
	return all
}
