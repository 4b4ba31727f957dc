package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// measured says whether a result holds a window that was measured to its end.
func measured(side string, r *result.Result) error {
	if !slices.ContainsFunc(r.Windows, func(w result.Window) bool { return !w.Interrupted }) {
		return fmt.Errorf("%s holds no window that was measured to its end: run it again", side)
	}
	return nil
}

// transports returns the transports that a result holds windows of.
func transports(r *result.Result) []string {
	var all []string
	for _, w := range r.Windows {
		if !slices.Contains(all, w.Transport) {
			all = append(all, w.Transport)
		}
	}
	return all
}

// without returns what is in all and not in others.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

// A fact is a property of a run that two runs may differ in.
type fact struct {
	name string
	of   func(result.Run) string
}

// differing writes each fact in which the two differ, like "users 200 | 500", fit to be shown.
func differing(base, head *result.Result, facts []fact) []string {
	var all []string
	for _, f := range facts {
		if a, b := f.of(base.Run), f.of(head.Run); a != b {
			all = append(all, text.Clean(fmt.Sprintf("%s %s | %s", f.name, stated(a), stated(b))))
		}
	}
	return all
}

func stated(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// load returns in what the users differ: such results measure different things.
func load(base, head *result.Result) []string {
	count := func(of func(result.Scenario) int) func(result.Run) string {
		return func(r result.Run) string { return strconv.Itoa(of(r.Scenario)) }
	}
	amount := func(unit string, of func(result.Scenario) float64) func(result.Run) string {
		return func(r result.Run) string { return strconv.FormatFloat(of(r.Scenario), 'f', -1, 64) + unit }
	}
	return differing(base, head, []fact{
		{"users", count(func(s result.Scenario) int { return s.Users })},
		{"room size", count(func(s result.Scenario) int { return s.RoomSize })},
		{"senders", count(func(s result.Scenario) int { return s.Senders })},
		{"rate", amount("/s", func(s result.Scenario) float64 { return s.Rate })},
		{"size", count(func(s result.Scenario) int { return s.Size })},
		{"warm-up", amount(" s", func(s result.Scenario) float64 { return s.WarmupS })},
		{"duration", amount(" s", func(s result.Scenario) float64 { return s.DurationS })},
	})
}

// setup returns in what the servers differ: such results measure different things, too. A store that
// is not known is taken for the same one.
func setup(base, head *result.Result) []string {
	facts := []fact{{"servers", func(r result.Run) string { return strconv.Itoa(max(1, r.Scenario.Servers)) }}}
	if store(base.Run) != "" && store(head.Run) != "" {
		facts = append(facts, fact{"store", store})
	}
	return differing(base, head, facts)
}

func store(r result.Run) string { return r.Scenario.StoreKind() }

// machine returns in what the machines differ: timings of such results are not compared.
func machine(base, head *result.Result) []string {
	return differing(base, head, []fact{
		{"CPU", func(r result.Run) string { return r.Environment.CPU }},
		{"cores", func(r result.Run) string { return strconv.Itoa(r.Environment.Cores) }},
		{"architecture", func(r result.Run) string { return r.Environment.Arch }},
	})
}

// differences returns what else a reader must know of how the two were measured, a line each.
func differences(base, head *result.Result) []string {
	var all []string
	if found := machine(base, head); len(found) > 0 {
		all = append(all, "base and head ran on different machines: timings are told, not gated: "+strings.Join(found, ", "))
	}
	seed := []fact{{"seed", func(r result.Run) string { return strconv.FormatUint(r.Scenario.Seed, 10) }}}
	if found := differing(base, head, seed); len(found) > 0 {
		all = append(all, "base and head sent other messages at other times, so counts may differ by more: "+found[0])
	}
	if found := differing(base, head, environment(base, head)); len(found) > 0 {
		all = append(all, "base and head differ in "+strings.Join(found, ", "))
	}
	if a, b := rounds(base), rounds(head); !slices.Equal(a, b) {
		all = append(all, fmt.Sprintf("base holds %s, head %d: only those of both are compared", text.Plural(len(a), "round", "rounds"), len(b)))
	}
	return append(all, slices.Concat(onlyIn("base", base, head), onlyIn("head", head, base), stopped("base", base), stopped("head", head))...)
}

func environment(base, head *result.Result) []fact {
	facts := []fact{
		{"scenario", func(r result.Run) string { return r.Scenario.Name }},
		{"drain limit", func(r result.Run) string { return strconv.FormatFloat(r.Scenario.DrainS, 'f', -1, 64) + " s" }},
		{"store", store}, // where one of the two is not known
		{"OS", func(r result.Run) string { return r.Environment.OS }},
		{"kernel", func(r result.Run) string { return r.Environment.Kernel }},
		{"Go", func(r result.Run) string { return r.Environment.Go }},
		{"pushpull", func(r result.Run) string { return r.Environment.Pushpull }},
	}
	modules := map[string]bool{}
	for _, run := range []result.Run{base.Run, head.Run} {
		for name := range run.Environment.Modules {
			modules[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		facts = append(facts, fact{name, func(r result.Run) string { return r.Environment.Modules[name] }})
	}
	return facts
}

// rounds returns the numbers of the rounds that a result holds.
func rounds(r *result.Result) []int {
	held := map[int]bool{}
	for _, w := range r.Windows {
		held[w.Round] = true
	}
	return slices.Sorted(maps.Keys(held))
}

func onlyIn(side string, r, other *result.Result) []string {
	var all []string
	for _, transport := range without(transports(r), transports(other)) {
		all = append(all, fmt.Sprintf("%s was measured in %s alone, and is not compared", text.Clean(transport), side))
	}
	return all
}

func stopped(side string, r *result.Result) []string {
	var all []string
	for _, w := range r.Windows {
		if w.Interrupted {
			all = append(all, fmt.Sprintf("%s, %s: round %d was stopped early: of that window only the faults count", side, text.Clean(w.Transport), w.Round))
		}
	}
	return all
}

// doubts returns why the rows of a result are not to be believed, but for the faults, which are compared.
func doubts(side string, rows []result.Row) []string {
	var all []string
	for _, row := range rows {
		for _, d := range row.Doubts {
			if m, ok := named(d.Code); d.Fatal && !(ok && m.Kind == Fault) {
				all = append(all, fmt.Sprintf("%s, %s: %s", side, text.Clean(row.Transport), text.Clean(d.Text)))
			}
		}
	}
	return all
}

// measuredInTurns says whether base and head are of one duet, or their windows lie in one stretch of
// time.
func measuredInTurns(base, head *result.Result) bool {
	if base.Run.Scenario.Slices > 0 && head.Run.Scenario.Slices > 0 && base.Run.Started.Equal(head.Run.Started) {
		return true
	}
	baseFirst, baseLast := stretch(base)
	headFirst, headLast := stretch(head)
	return !baseFirst.After(headLast) && !headFirst.After(baseLast)
}

// stretch returns when the first and the last window of a result began.
func stretch(r *result.Result) (first, last time.Time) {
	byStart := func(a, b result.Window) int { return a.Started.Compare(b.Started) }
	return slices.MinFunc(r.Windows, byStart).Started, slices.MaxFunc(r.Windows, byStart).Started
}
