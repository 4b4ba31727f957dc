package verdict

import (
	"cmp"
	"math"
	"slices"

	"pushpull/loadgen/result"
)

const (
	// Least is the ratio from which on two figures differ: nobody chooses a transport for less.
	Least = 1.05

	// LeastUnsure is the ratio from which on two timings differ that were measured in too few rounds for an
	// interval. The ratio of two windows, recorded on a shared machine, has a deviation of 17%, so noise
	// exceeds this in one case of 60.
	LeastUnsure = 1.5
)

// A Difference compares a figure of two rows.
type Difference struct {
	Known   bool    // both rows have the figure
	Ratio   float64 // of the first row's figure to the second's; 0 or infinite if one of them is 0
	Differs bool    // the figures differ by the ratio Least or more, and the rounds tell them apart
}

// Compare compares row a with row b of the same run in m. The rounds tell two figures apart if the 95%
// interval of their ratio, of which Fill describes the making, lies on one side of 1. Without an interval
// timings must differ by LeastUnsure; counts have no noise.
func Compare(m result.Metric, a, b result.Row) Difference { return compare(m, a, b, 0) }

// Across is Compare for rows of two runs, whose rounds have nothing to do with one another.
func Across(m result.Metric, a, b result.Row) Difference { return compare(m, a, b, 1) }

// compare compares each resample of a with the one of b that is shift further.
func compare(m result.Metric, a, b result.Row, shift int) Difference {
	x, okX := m.Value(a)
	y, okY := m.Value(b)
	switch {
	case !okX || !okY:
		return Difference{}
	case x == y:
		return Difference{Known: true, Ratio: 1}
	case x <= 0 || y <= 0:
		return Difference{Known: true, Ratio: x / y, Differs: true}
	}
	d := Difference{Known: true, Ratio: x / y}
	distance := max(d.Ratio, 1/d.Ratio)
	if distance < Least {
		return d
	}
	ratios, blocks := ratiosOf(m.Key, a, b, shift)
	if ratios == nil {
		d.Differs = m.Gate == result.Count || distance >= LeastUnsure
		return d
	}
	low, high := span(d.Ratio, ratios, blocks)
	d.Differs = low > 1 || high < 1
	return d
}

// ratiosOf returns the ratios of the figures of a and b in their resamples, and the number of blocks that
// the smaller of the two has; nil if one of them has no resamples.
func ratiosOf(key string, a, b result.Row, shift int) (ratios []float64, blocks int) {
	if a.Resampled == nil || b.Resampled == nil {
		return nil, 0
	}
	above, below := a.Resampled.Figures[key], b.Resampled.Figures[key]
	if len(above) == 0 || len(above) != len(below) {
		return nil, 0
	}
	for i, x := range above {
		y := below[(i+shift)%len(below)]
		if x <= 0 || y <= 0 {
			return nil, 0
		}
		ratios = append(ratios, x/y)
	}
	return ratios, min(a.Resampled.Blocks, b.Resampled.Blocks)
}

// A Place is where a row stands among others in one metric.
type Place int

const (
	Between Place = iota // neither of the others, or there is nothing to tell apart
	Best                 // no other row is better; several are Best if they don't differ
	Worst                // worse than every row that is Best, and no other row is worse; likewise
)

// Places returns the place of each row in m. Rows without the figure and rows with a fatal doubt are
// Between; so are all rows if m has no worse direction, or no two of them differ.
func Places(m result.Metric, rows []result.Row) []Place {
	places := make([]Place, len(rows))
	if m.Worse == result.Neither {
		return places
	}
	ranked := ranking(m, rows, believed(rows))
	if len(ranked) < 2 {
		return places
	}
	best, worst := ranked[0], ranked[len(ranked)-1]
	if !Compare(m, rows[worst], rows[best]).Differs {
		return places
	}
	for _, i := range ranked {
		switch {
		case !Compare(m, rows[i], rows[best]).Differs:
			places[i] = Best
		case !Compare(m, rows[i], rows[worst]).Differs:
			places[i] = Worst
		}
	}
	return places
}

// ranking returns those of the rows at indices that have the figure, the best first.
func ranking(m result.Metric, rows []result.Row, indices []int) []int {
	ranked := slices.DeleteFunc(slices.Clone(indices), func(i int) bool {
		_, ok := m.Value(rows[i])
		return !ok
	})
	slices.SortStableFunc(ranked, func(a, b int) int {
		x, _ := m.Value(rows[a])
		y, _ := m.Value(rows[b])
		if m.Worse == result.Lower {
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
	return ranked
}

// believed returns the indices of the rows that delivered messages and have no fatal doubt.
func believed(rows []result.Row) []int {
	var indices []int
	for i := range rows {
		if rows[i].Delivered > 0 && !result.Fatal(rows[i:i+1]) {
			indices = append(indices, i)
		}
	}
	return indices
}

// Order returns the indices of rows, the best first: the fastest; behind all others those with a fatal
// doubt, then those that delivered nothing, then those that were not measured.
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
	latency := func(i int) float64 {
		if x := rows[i].Latency.P50; !math.IsNaN(x) {
			return x
		}
		return math.Inf(1)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(latency(a), latency(b)))
	})
	return order
}
