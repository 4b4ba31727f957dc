// Package check is the regression check: it compares two results, the base and the head, and says
// of each metric on each transport whether the head is worse, and what could have been seen.
//
// It measures nothing and exits nothing. Counts are gated hard, timings by pairs of windows: see
// Compare for the rule.
package check

import (
	"fmt"
	"slices"
	"strconv"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A Kind says how a metric is judged.
type Kind int

const (
	Fault  Kind = iota // must be 0
	Count              // what the plan and the transport determine: within Tolerance of the base
	Timing             // what the machine's noise is in: judged by pairs of windows
)

// A Metric is something of a row that can get worse. Smaller is better.
type Metric struct {
	Name string // on the command line, like "p50"
	Unit string // like "ms"; "" for a plain count
	Per  string // what it is shared among, like "message", that is, delivery; "" for nothing
	Kind Kind
	Of   func(result.Row) (value float64, ok bool) // false: the row doesn't tell
}

// A Verdict is what is to be said about one metric of one transport.
type Verdict string

const (
	Same    Verdict = "same"    // no difference that could be told from noise, or one too small to matter
	Better  Verdict = "better"  // smaller, for certain
	Worse   Verdict = "worse"   // larger, for certain: a regression where the metric is gated
	Unsure  Verdict = "unsure"  // worse at first, and not again in the fresh run
	TooFew  Verdict = "too few" // too few pairs for a verdict
	Unknown Verdict = "unknown" // one of the two doesn't tell
)

// A Comparison is one metric of one transport in base and head.
type Comparison struct {
	Transport  string  `json:"transport"`
	Metric     string  `json:"metric"`
	Unit       string  `json:"unit,omitempty"`
	Base       float64 `json:"base"`       // Fault and Count: of all windows together; Timing: the median of the pairs
	Head       float64 `json:"head"`       // likewise
	Ratio      float64 `json:"ratio"`      // head to base; Timing: Hodges-Lehmann; 0 where base is 0
	Low        float64 `json:"low"`        // Timing: 95% confidence interval of Ratio; 0 where there is none
	High       float64 `json:"high"`       // likewise
	P          float64 `json:"p"`          // Timing: Wilcoxon signed-rank, one-sided for "head is larger"; 1 where there is none
	Pairs      int     `json:"pairs"`      // Timing: of windows or of medians of slices
	Detectable float64 `json:"detectable"` // Timing: the smallest ratio that could have been seen; 0 where there is none
	Limit      float64 `json:"limit"`      // the ratio that is still allowed; 0 for a Fault
	Gated      bool    `json:"gated"`      // Worse here is a regression
	Verdict    Verdict `json:"verdict"`
	Note       string  `json:"note,omitempty"` // why, where the numbers don't say it
}

// Regression says whether the comparison fails the check.
func (c Comparison) Regression() bool { return c.Gated && c.Verdict == Worse }

// String is the comparison in a few words, fit to be shown: "p50 of websocket 0.270 -> 0.410 ms
// (x1.52)".
func (c Comparison) String() string {
	s := fmt.Sprintf("%s of %s %s -> %s", c.Metric, text.Clean(c.Transport), c.value(c.Base), c.value(c.Head))
	if c.Unit != "" {
		s += " " + c.Unit
	}
	if c.Ratio > 0 {
		s += " (x" + ratio(c.Ratio) + ")"
	}
	return s
}

// value writes Base or Head without its unit.
func (c Comparison) value(x float64) string {
	if m, ok := named(c.Metric); ok && m.Kind == Fault {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return text.Number(x, 3)
}

// A Report is what a check found.
type Report struct {
	Scenario    result.Scenario `json:"scenario"`
	Comparisons []Comparison    `json:"comparisons"` // by transport, and within it in the order of the metrics
	Warnings    []string        `json:"warnings"`    // what a reader must know, a line each
	Doubts      int             `json:"doubts"`      // how many of the warnings, the first ones, say that the numbers are not to be believed
}

// Regressions returns the comparisons that fail the check.
func (r *Report) Regressions() []Comparison {
	var failed []Comparison
	for _, c := range r.Comparisons {
		if c.Regression() {
			failed = append(failed, c)
		}
	}
	return failed
}

// Suspects returns the transports with a timing that fails: what a fresh run has to confirm.
func (r *Report) Suspects() []string {
	var suspects []string
	for _, c := range r.Regressions() {
		if m, _ := named(c.Metric); m.Kind == Timing && !slices.Contains(suspects, c.Transport) {
			suspects = append(suspects, c.Transport)
		}
	}
	return suspects
}
