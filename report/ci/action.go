package ci

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"pushpull/loadgen/result"
)

// A bench is an entry of customSmallerIsBetter, see
// https://github.com/benchmark-action/github-action-benchmark.
type bench struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range,omitempty"`
	Extra string  `json:"extra,omitempty"`
}

// BenchmarkAction writes o for github-action-benchmark, as customSmallerIsBetter. The action keeps
// the numbers of every commit and compares with the last one itself, so of a check it gets those
// of the head, under the names that a run gives them.
func BenchmarkAction(w io.Writer, o Outcome) error {
	benches := []bench{} // none is an array, too
	for _, side := range o.Sides[max(0, len(o.Sides)-1):] {
		for _, row := range side.Rows {
			windows := side.windows(row.Transport)
			for _, m := range measures() {
				if value, ok := m.of(row); ok {
					benches = append(benches, bench{
						Name: line(row.Transport) + " " + m.name, Unit: m.unit, Value: round(value, 6),
						Range: spread(m, windows), Extra: extra(side.Result.Run, row),
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

// spread is half the way from the lowest to the highest of the windows; "" where there are not two.
func spread(m measure, windows []result.Row) string {
	low, high, n := math.Inf(1), math.Inf(-1), 0
	for _, window := range windows {
		if value, ok := m.of(window); ok {
			low, high, n = min(low, value), max(high, value), n+1
		}
	}
	if n < 2 {
		return ""
	}
	return "± " + number((high-low)/2, digits)
}

// extra is what the action shows beside a number.
func extra(run result.Run, row result.Row) string {
	lines := []string{fmt.Sprintf("%s: %s, %d deliveries in %s", line(run.Scenario.Name),
		plural(row.Users, "user"), row.Delivered, plural(row.Rounds, "round")) + servers(run.Scenario)}
	for _, text := range fatal(row) {
		lines = append(lines, "not to be believed: "+text)
	}
	return strings.Join(lines, "\n")
}
