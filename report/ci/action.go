package ci

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"pushpull/loadgen/result"
)

// A bench is an entry of the format customSmallerIsBetter, which
// https://github.com/benchmark-action/github-action-benchmark defines.
type bench struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range,omitempty"`
	Extra string  `json:"extra,omitempty"`
}

// BenchmarkAction writes o as JSON for github-action-benchmark, in its format customSmallerIsBetter. The
// action stores the numbers of every commit and compares each with the one before. So for a check only
// the head is written, under the same names as a run. It overlooks a number that is no longer there, so a
// check also has the number of comparisons that were not judged, which fails it like any that grows.
func BenchmarkAction(w io.Writer, o Outcome) error {
	benches := []bench{} // not nil, which would be written as null
	if o.Check != nil {
		benches = append(benches, bench{
			Name: "not judged", Unit: "comparisons", Value: float64(len(o.Check.Unjudged())),
			Extra: strings.Join(o.Check.Gaps(o.Check.Unjudged()), "\n"),
		})
	}
	for _, side := range o.Sides[max(0, len(o.Sides)-1):] {
		for _, row := range side.Rows {
			windows := side.windows(row.Transport)
			for _, m := range history() {
				if value, ok := tracked(m, row); ok {
					benches = append(benches, bench{
						Name: line(row.Transport) + " " + m.Key, Unit: unit(m), Value: round(value, 6),
						Range: spread(m, windows), Extra: extra(side.Result, row),
					})
				}
			}
		}
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(benches)
}

// unit returns the measure of m. The action requires one, so a plain number gets the key as its unit.
func unit(m result.Metric) string {
	if m.Unit == "" {
		return m.Labelled(m.Key)
	}
	return m.Measure()
}

// spread returns half the distance between the lowest and the highest value of the windows; "" for fewer
// than two.
func spread(m result.Metric, windows []result.Row) string {
	low, high, n := math.Inf(1), math.Inf(-1), 0
	for _, window := range windows {
		if value, ok := tracked(m, window); ok {
			low, high, n = min(low, value), max(high, value), n+1
		}
	}
	if n < 2 {
		return ""
	}
	return "± " + number((high-low)/2, digits)
}

// extra returns the details that the action shows next to a number.
func extra(res *result.Result, row result.Row) string {
	lines := []string{fmt.Sprintf("%s: %s, %d deliveries in %s", line(res.Run.Scenario.Name),
		plural(row.Users, "user"), row.Delivered, plural(row.Rounds, "round")) + setup(res)}
	for _, text := range fatal(row) {
		lines = append(lines, "not to be believed: "+text)
	}
	return strings.Join(lines, "\n")
}
