package check

import (
	"maps"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/theory"
)

// both is one transport in base and head.
type both struct {
	base, head result.Row // of all windows, for the faults
	rounds     []pair     // the rounds of which both sides have a complete window

	baseWhole, headWhole result.Row // of all complete windows of those rounds; if there are none, of each side's own
	basePlan, headPlan   int        // messages planned for them
	sameSeed             bool

	baseRounds, headRounds [][]result.Row // all rounds of each side with a complete window: a row for each window
	absent                 string         // the reason why there are no rounds; "" if there are
	lacks                  string         // the reason why head lacks a value that base has, if there are
}

// A pair is a round of base and the same round of head: a row for each window, as a round may have
// several.
type pair struct{ base, head []result.Row }

func bothSides(baseRow, headRow result.Row, base, head *result.Result) *both {
	s := &both{base: baseRow, head: headRow, sameSeed: base.Run.Scenario.Seed == head.Run.Scenario.Seed}
	inBase, inHead := whole(base, baseRow.Transport), whole(head, baseRow.Transport)
	s.baseRounds, s.headRounds = byRound(inBase), byRound(inHead)
	var shared []int
	for _, round := range slices.Sorted(maps.Keys(inBase)) {
		if inHead[round] != nil {
			shared = append(shared, round)
			s.rounds = append(s.rounds, pair{rowsOf(inBase[round]), rowsOf(inHead[round])})
		}
	}
	ofBase, ofHead := shared, shared
	if len(shared) == 0 {
		ofBase, ofHead = slices.Sorted(maps.Keys(inBase)), slices.Sorted(maps.Keys(inHead))
		switch {
		case headRow.Transport == "":
			s.absent = "not in head"
		case !headRow.Measured():
			s.absent = "not measured in head: " + reason(headRow)
		case !baseRow.Measured():
			s.absent = "not measured in base: " + reason(baseRow)
		case len(inHead) == 0:
			s.absent = "head has no window that was measured to its end"
		case len(inBase) == 0:
			s.absent = "base has no window that was measured to its end"
		default:
			s.absent = "base and head have no round in common"
		}
	}
	s.baseWhole, s.basePlan = together(base.Run, windowsOf(inBase, ofBase))
	s.headWhole, s.headPlan = together(head.Run, windowsOf(inHead, ofHead))
	s.lacks = "head has no value"
	if head.Run.Scenario.Target != "" && base.Run.Scenario.Target == "" {
		s.lacks += ", as pushpull did not start its server"
	}
	return s
}

// reason returns the first reason why a transport was not measured.
func reason(row result.Row) string {
	if row.Lacking != "" {
		return text.Clean(row.Lacking)
	}
	for _, d := range row.Doubts {
		if d.Code == result.CodeUnmeasured {
			return text.Clean(strings.TrimPrefix(d.Text, "not measured: "))
		}
	}
	return "unknown"
}

// complete reports whether a window was measured to its end.
func complete(w result.Window) bool { return !w.Interrupted && w.Failed == "" }

// byRound returns the rows of windows by round, in the order of the rounds.
func byRound(windows map[int][]result.Window) [][]result.Row {
	var all [][]result.Row
	for _, round := range slices.Sorted(maps.Keys(windows)) {
		all = append(all, rowsOf(windows[round]))
	}
	return all
}

// windowsOf returns the windows of some rounds.
func windowsOf(windows map[int][]result.Window, rounds []int) []result.Window {
	var all []result.Window
	for _, round := range rounds {
		all = append(all, windows[round]...)
	}
	return all
}

// whole returns the complete windows of a transport, by round.
func whole(r *result.Result, transport string) map[int][]result.Window {
	windows := map[int][]result.Window{}
	for _, w := range r.Windows {
		if w.Transport == transport && complete(w) {
			windows[w.Round] = append(windows[w.Round], w)
		}
	}
	return windows
}

// rowsOf returns a row for each window.
func rowsOf(windows []result.Window) []result.Row {
	rows := make([]result.Row, len(windows))
	for i := range windows {
		rows[i] = result.Rows(windows[i : i+1])[0]
	}
	return rows
}

// together merges windows of one transport into a row with theory, and returns how many messages were
// planned for them.
func together(run result.Run, windows []result.Window) (row result.Row, planned int) {
	if len(windows) == 0 {
		return result.Row{}, 0
	}
	for _, w := range windows {
		planned += w.Planned
	}
	return theory.Rows(&result.Result{Run: run, Windows: windows})[0], planned
}

// has reports whether any round has a value of the metric.
func has(rounds [][]result.Row, m result.Metric) bool {
	return slices.ContainsFunc(rounds, func(round []result.Row) bool {
		_, ok := middle(round, m)
		return ok
	})
}

// middleOf returns the median of a metric over the rounds that have it.
func middleOf(rounds [][]result.Row, m result.Metric) float64 {
	var values []float64
	for _, round := range rounds {
		if x, ok := middle(round, m); ok {
			values = append(values, x)
		}
	}
	slices.Sort(values)
	return median(values)
}

// middle returns the median of a metric over the windows of a round. It leaves out windows without the
// metric, and values of 0: they are below the resolution and have no ratio.
func middle(rows []result.Row, m result.Metric) (float64, bool) {
	var values []float64
	for _, row := range rows {
		if x, ok := m.Value(row); ok && x > 0 {
			values = append(values, x)
		}
	}
	slices.Sort(values)
	return median(values), len(values) > 0
}

func deliveriesOf(rows []result.Row) (n int) {
	for _, row := range rows {
		n += row.Timed()
	}
	return n
}
