package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// measured returns an error if no window of the result is complete.
func measured(side string, r *result.Result) error {
	if !slices.ContainsFunc(r.Windows, complete) {
		return fmt.Errorf("%s holds no window that was measured to its end: run it again", side)
	}
	return nil
}

// transports returns the transports of the windows of a result.
func transports(r *result.Result) []string {
	var all []string
	for _, w := range r.Windows {
		if !slices.Contains(all, w.Transport) {
			all = append(all, w.Transport)
		}
	}
	return all
}

// without returns the elements of all that are not in others.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

// differing returns the wanted facts in which base and head differ, as plain text like
// "users 200 | 500".
func differing(base, head *result.Result, wanted func(result.Fact) bool) []string {
	var all []string
	for _, f := range result.Facts(base, head) {
		if f.Differs() && wanted(f) {
			all = append(all, text.Clean(fmt.Sprintf("%s %s | %s", f.Name, stated(f.Values[0]), stated(f.Values[1]))))
		}
	}
	return all
}

func stated(s string) string { return cmp.Or(s, "unknown") }

// meaning selects the facts whose difference means d.
func meaning(d result.Difference) func(result.Fact) bool {
	return func(f result.Fact) bool { return f.Difference == d }
}

// load returns the differences between the loads. Results with different loads are not compared.
func load(base, head *result.Result) []string {
	return differing(base, head, func(f result.Fact) bool { return f.Scope == result.Load })
}

// setup returns the other differences that rule out a comparison. A fact that is unknown for one of the
// two may be the same.
func setup(base, head *result.Result) []string {
	return differing(base, head, func(f result.Fact) bool { return setUp(f) && f.Known() })
}

// unknownInHead returns the keys of the facts of that kind that base knows and head doesn't.
func unknownInHead(base, head *result.Result) []string {
	var all []string
	for _, f := range result.Facts(base, head) {
		if setUp(f) && f.Values[0] != "" && f.Values[1] == "" {
			all = append(all, f.Key())
		}
	}
	return all
}

// setUp selects the facts that setup and unknownInHead compare.
func setUp(f result.Fact) bool { return f.Scope != result.Load && f.Difference == result.Refused }

// machine returns the differences between machines that rule out gating timings.
func machine(base, head *result.Result) []string {
	return differing(base, head, meaning(result.Ungated))
}

// differences returns a warning for each other difference between the measurements, a line each.
func differences(base, head *result.Result) []string {
	var all []string
	if found := machine(base, head); len(found) > 0 {
		all = append(all, "base and head ran on different machines: timings are reported, not judged: "+strings.Join(found, ", "))
	}
	if found := differing(base, head, meaning(result.Redrawn)); len(found) > 0 {
		all = append(all, "base and head sent other messages at other times, so counts may differ by more: "+strings.Join(found, ", "))
	}
	noted := func(f result.Fact) bool {
		return f.Difference == result.Warned || f.Difference == result.Refused && !f.Known()
	}
	if found := differing(base, head, noted); len(found) > 0 {
		all = append(all, "base and head differ in "+strings.Join(found, ", "))
	}
	if a, b := rounds(base), rounds(head); !slices.Equal(a, b) {
		all = append(all, fmt.Sprintf("base holds %s, head %d: only those of both are compared", text.Plural(len(a), "round", "rounds"), len(b)))
	}
	return append(all, slices.Concat(added(base, head), stopped("base", base), stopped("head", head))...)
}

// rounds returns the sorted numbers of the rounds of a result.
func rounds(r *result.Result) []int {
	held := map[int]bool{}
	for _, w := range result.Measured(r.Windows) {
		held[w.Round] = true
	}
	return slices.Sorted(maps.Keys(held))
}

// added returns a warning for each transport that head has and base lacks.
func added(base, head *result.Result) []string {
	var all []string
	for _, transport := range without(transports(head), transports(base)) {
		all = append(all, text.Clean(transport)+" was measured in head alone, and is not compared")
	}
	return all
}

// stopped returns a warning for each interrupted window.
func stopped(side string, r *result.Result) []string {
	var all []string
	for _, w := range r.Windows {
		if w.Interrupted {
			all = append(all, fmt.Sprintf("%s, %s: round %d was stopped early: only the faults of that window count", side, text.Clean(w.Transport), w.Round))
		}
	}
	return all
}

// doubts returns the reasons not to believe the rows of a result. Faults are left out, as they are
// compared.
func doubts(side string, rows []result.Row) []string {
	var all []string
	for _, row := range rows {
		for _, d := range row.Doubts {
			if !row.Measured() && d.Code == result.CodeUnmeasured {
				continue // it is not judged
			}
			if d.Fatal && gateOf(d.Code) != result.Fault {
				all = append(all, fmt.Sprintf("%s, %s: %s", side, text.Clean(row.Transport), text.Clean(d.Text)))
			}
		}
	}
	return all
}

// measuredInTurns reports whether base and head are from one duet, or their windows overlap in time.
func measuredInTurns(base, head *result.Result) bool {
	if base.Run.Scenario.Slices > 0 && head.Run.Scenario.Slices > 0 && base.Run.Started.Equal(head.Run.Started) {
		return true
	}
	baseFirst, baseLast := stretch(base)
	headFirst, headLast := stretch(head)
	return !baseFirst.After(headLast) && !headFirst.After(baseLast)
}

// stretch returns the start times of the first and the last window.
func stretch(r *result.Result) (first, last time.Time) {
	byStart := func(a, b result.Window) int { return a.Started.Compare(b.Started) }
	windows := result.Measured(r.Windows)
	return slices.MinFunc(windows, byStart).Started, slices.MaxFunc(windows, byStart).Started
}
