// Package check is the regression check. It compares two results, base and head, and returns a verdict
// on each metric of each transport, together with the smallest change that it could have detected.
// Compare documents the rules. What base gates and head can't be judged on is no success: see
// Report.Unjudged.
//
// It measures nothing, reads no files and does not end the program.
package check

import (
	"fmt"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A Verdict is the outcome of the comparison of one metric on one transport.
type Verdict string

const (
	Same    Verdict = "same"    // the difference is within noise, or too small to matter
	Better  Verdict = "better"  // certainly smaller
	Worse   Verdict = "worse"   // certainly larger, or a fault in head: a regression if the metric is gated
	Unsure  Verdict = "unsure"  // worse at first, but not in the fresh run
	TooFew  Verdict = "too few" // too few rounds or deliveries for a verdict
	Missing Verdict = "missing" // base has a value, head has none to compare with it
	Unknown Verdict = "unknown" // base has no value
)

// A Comparison is one metric of one transport in base and head.
type Comparison struct {
	Transport  string  `json:"transport"`
	Metric     string  `json:"metric"`         // its key
	Unit       string  `json:"unit,omitempty"` // like "ms", "us/message" or "/message"
	Base       float64 `json:"base"`           // Fault and Count: over all windows together; Timing: median of the pairs
	Head       float64 `json:"head"`           // likewise
	Ratio      float64 `json:"ratio"`          // head/base; Timing: Hodges-Lehmann estimate; 0 if base is 0
	Low        float64 `json:"low"`            // Timing: 95% confidence interval of Ratio; 0: none
	High       float64 `json:"high"`           // likewise
	P          float64 `json:"p"`              // one-sided for "head is larger"; Timing: Wilcoxon signed-rank; Chance: sign test; 1: none
	Pairs      int     `json:"pairs"`          // Timing and Chance: number of pairs, one for each round
	Detectable float64 `json:"detectable"`     // Timing: the smallest ratio that could have been detected; 0: none
	Limit      float64 `json:"limit"`          // largest allowed ratio; 0 for a Fault, and for Chance
	Gated      bool    `json:"gated"`          // a verdict of Worse is a regression
	Unjudged   bool    `json:"unjudged"`       // the gate needs a verdict, and there is none to rely on: Note says why
	Allowed    bool    `json:"allowed"`        // Unjudged is intended: Options.AllowMissing names it
	Verdict    Verdict `json:"verdict"`
	Note       string  `json:"note,omitempty"` // the reason for the verdict, if the numbers don't show it
}

// Regression reports whether the comparison fails the check.
func (c Comparison) Regression() bool { return c.Gated && c.Verdict == Worse }

// Omission reports whether the check can't pass as the comparison was not judged and nobody allowed that.
func (c Comparison) Omission() bool { return c.Unjudged && !c.Allowed }

// Of returns the metric that was compared. One that this version doesn't have gets its key and unit only.
func (c Comparison) Of() result.Metric {
	if m, ok := result.MetricOf(c.Metric); ok {
		return m
	}
	return result.Metric{Key: c.Metric, Unit: c.Unit}
}

// String returns the comparison as one line of plain text: "p50 of websocket 0.270 -> 0.410 ms
// (x1.52)".
func (c Comparison) String() string {
	s := fmt.Sprintf("%s of %s %s -> %s", c.Metric, text.Clean(c.Transport), text.Value(c.Of(), c.Base), text.Quantity(c.Of().Typeset(), c.Head))
	if c.Ratio > 0 {
		s += " (x" + ratio(c.Ratio) + ")"
	}
	return s
}

// A Report is the result of a check.
type Report struct {
	Scenario    result.Scenario `json:"scenario"`
	Comparisons []Comparison    `json:"comparisons"` // by transport, then in the order faults, counts, timings
	Warnings    []string        `json:"warnings"`    // what weakens the comparison, a line each
	Doubts      int             `json:"doubts"`      // number of warnings, from the first, that are reasons not to believe the numbers
}

// Regressions returns the comparisons that fail the check.
func (r *Report) Regressions() []Comparison { return r.those(Comparison.Regression) }

// Unjudged returns the comparisons that base gates, on which head could not be judged, and of which
// Options.AllowMissing names none. As long as there are any, no regression is no success.
func (r *Report) Unjudged() []Comparison { return r.those(Comparison.Omission) }

// Allowed returns the comparisons that were not judged, as Options.AllowMissing allows.
func (r *Report) Allowed() []Comparison {
	return r.those(func(c Comparison) bool { return c.Unjudged && c.Allowed })
}

func (r *Report) those(are func(Comparison) bool) []Comparison {
	var all []Comparison
	for _, c := range r.Comparisons {
		if are(c) {
			all = append(all, c)
		}
	}
	return all
}

// Suspects returns the transports that fail in something that has noise, a Timing or Chance. A fresh run
// should confirm it: see Confirm.
func (r *Report) Suspects() []string {
	var suspects []string
	for _, c := range r.Regressions() {
		if noisy(c.Metric) && !slices.Contains(suspects, c.Transport) {
			suspects = append(suspects, c.Transport)
		}
	}
	return suspects
}
