// Package verdict decides between transports: how exact each figure of a row is, whether two rows differ in
// it, and which transport is to be chosen under which condition.
//
// It writes no words and draws nothing.
package verdict

import (
	"cmp"
	"slices"

	"pushpull/loadgen/result"
)

// A Place is where a row stands among others in one metric.
type Place int

const (
	Between Place = iota // neither of the others, or there is nothing to tell apart
	Best                 // no other row is better; several are Best if they don't differ
	Worst                // it differs from every row that is Best, and no other row is worse
)

// A Difference compares a figure of two rows.
type Difference struct {
	Ratio   float64 // of the first row's figure to the second's
	Differs bool    // the rounds tell them apart
	Known   bool    // both rows have the figure
}

// Compare compares a to b in m.
func Compare(m result.Metric, a, b result.Row) Difference {
	x, okX := m.Value(a)
	y, okY := m.Value(b)
	if !okX || !okY || y == 0 {
		return Difference{Known: okX && okY, Differs: okX && okY && x != y}
	}
	return Difference{Ratio: x / y, Known: true, Differs: x/y > 1.05 || x/y < 1/1.05}
}

// Places returns the place of each row in m. Rows without the figure, and rows with a fatal doubt, are
// Between; so are all rows if m has no direction, or there are none to compare.
func Places(m result.Metric, rows []result.Row) []Place {
	places := make([]Place, len(rows))
	if m.Worse == result.Neither {
		return places
	}
	var judged []int
	for i, row := range rows {
		if _, ok := m.Value(row); ok && !result.Fatal(rows[i:i+1]) {
			judged = append(judged, i)
		}
	}
	if len(judged) < 2 {
		return places
	}
	slices.SortStableFunc(judged, func(a, b int) int {
		x, _ := m.Value(rows[a])
		y, _ := m.Value(rows[b])
		if m.Worse == result.Lower {
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
	first, last := judged[0], judged[len(judged)-1]
	if !Compare(m, rows[last], rows[first]).Differs {
		return places
	}
	for _, i := range judged {
		switch {
		case i == first || !Compare(m, rows[i], rows[first]).Differs:
			places[i] = Best
		case i == last || !Compare(m, rows[i], rows[last]).Differs:
			places[i] = Worst
		}
	}
	return places
}

// Order returns the indices of rows, the best first: the fastest, then those with a fatal doubt, then those
// that were not measured.
func Order(rows []result.Row) []int {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	class := func(i int) int {
		switch {
		case !rows[i].Measured():
			return 3
		case rows[i].Delivered == 0:
			return 2
		case result.Fatal(rows[i : i+1]):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(rows[a].Latency.P50, rows[b].Latency.P50))
	})
	return order
}
