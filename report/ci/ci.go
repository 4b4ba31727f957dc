// Package ci writes results and checks in formats of CI systems: JUnit XML, Markdown for a job summary,
// Go benchmark text for benchstat, and the JSON of github-action-benchmark.
//
// It judges nothing and opens no files: a failure in JUnit is a fatal doubt, a regression that package check
// found, or what it could not judge.
package ci

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"pushpull/loadgen/result"
	"pushpull/report/check"
)

// An Outcome is the result of a run, or of a check of two runs.
type Outcome struct {
	Words []string      // the conclusion, in paragraphs of one line
	Sides []Side        // of a run: one, or one for each store; of a check: base, then head
	Check *check.Report // nil for a run
}

// A Side is a result and its rows. The caller makes the rows, as they may have doubts of theory too.
type Side struct {
	Name   string // like "base"; "" for a run
	Result *result.Result
	Rows   []result.Row
}

// missing returns the transports of the scenario without a row.
func (s Side) missing() []string {
	measured := map[string]bool{}
	for _, row := range s.Rows {
		measured[row.Transport] = true
	}
	var names []string
	for _, name := range s.Result.Run.Scenario.Transports {
		if !measured[name] {
			names = append(names, name)
		}
	}
	return names
}

// omissions returns what the numbers of a side lack, a line each: in a check what its head, the last side,
// was not judged on, in a run the transports that were not measured.
func (o Outcome) omissions(side Side) []string {
	var texts []string
	switch {
	case o.Check == nil:
		for _, name := range side.missing() {
			texts = append(texts, "not measured: "+line(name))
		}
	case side.Name == o.Sides[len(o.Sides)-1].Name:
		for _, gap := range o.Check.Gaps(o.Check.Unjudged()) {
			texts = append(texts, "not judged: "+line(gap))
		}
	}
	return texts
}

// windows returns a row for each window of a transport.
func (s Side) windows(transport string) []result.Row {
	var rows []result.Row
	for _, w := range s.Result.Windows {
		if w.Transport == transport && w.Failed == "" {
			rows = append(rows, result.Rows([]result.Window{w})...)
		}
	}
	return rows
}

// history returns the metrics that CI systems track over time.
func history() []result.Metric { return result.MetricsIn(result.InHistory) }

// tracked returns the value of a metric for tracking over time. It has none for a row without
// deliveries, or with too few for a quantile, which would be their maximum.
func tracked(m result.Metric, row result.Row) (float64, bool) {
	value, ok := m.Value(row)
	return value, ok && row.Timed() > 0 && row.Timed() >= m.Samples
}

// fatal returns the reasons not to believe a row, a line each.
func fatal(row result.Row) []string { return doubts(row, true) }

// doubts returns the doubts that are fatal, or those that are not, a line each.
func doubts(row result.Row, fatal bool) []string {
	var texts []string
	for _, d := range row.Doubts {
		if d.Fatal == fatal {
			texts = append(texts, line(d.Text))
		}
	}
	return texts
}

// line returns s as one line without control characters, which XML can't represent. s may be anything:
// names come from files and flags, errors from the server under test.
func line(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsGraphic(r):
			return r
		}
		return unicode.ReplacementChar
	}, s)), " ")
}

// digits is the number of significant digits in text for people.
const digits = 3

// round rounds x to that many significant digits, but keeps all digits before the point.
func round(x float64, digits int) float64 {
	if math.Abs(x) >= math.Pow10(digits) {
		return math.Round(x)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64) // always parses
	return rounded
}

// number writes x rounded, without an exponent.
func number(x float64, digits int) string {
	return strconv.FormatFloat(round(x, digits), 'f', -1, 64)
}

// change writes a ratio as a relative change, like "+25.1 %"; "-" for 0, which is no ratio.
func change(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	percent := math.Round(1000*(ratio-1)) / 10
	sign := ""
	if percent > 0 {
		sign = "+"
	}
	return sign + strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}

// distrust returns the reasons not to believe a check, a line each.
func distrust(rep *check.Report) []string {
	var reasons []string
	for _, text := range rep.Warnings[:rep.Doubts] {
		reasons = append(reasons, line(text))
	}
	return reasons
}
