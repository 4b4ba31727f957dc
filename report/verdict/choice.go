package verdict

import (
	"math"
	"slices"

	"pushpull/loadgen/result"
)

// A Choice is what the rows of a run say about the choice of a transport. Rows are given by their indices.
type Choice struct {
	Ranked []int         // that can be chosen, the fastest first
	Cost   result.Metric // that decides besides the latency: server CPU, or bytes if it is unknown

	// The rows to choose: the first where messages have to arrive as early as possible, each further one
	// where they may take as long as it does, as it costs less than those before it. Empty without Ranked.
	Front  []int
	Either []int    // rows that are as good as Front[0]: they differ from it neither in latency nor in cost
	Beaten []Beaten // rows that are never the better choice
	Break  *Break   // nil if unknown
}

// A Beaten row is, in every figure of the main table, no better than another one, and worse in one of them.
type Beaten struct{ Row, By int }

// A Break is the poll interval from which on polling the same server costs less than Front[0], found from the costs of two or
// more intervals: the cost of a message is a + b/interval, as each poll costs the same. The interval may lie
// outside those measured.
type Break struct {
	EveryS  float64         // infinite: no interval is long enough
	Between result.Interval // 95%
	Longest float64         // interval that was measured, in seconds
}

// Choose returns the choice among rows, which Fill has filled in.
func Choose(rows []result.Row) Choice {
	p50, _ := result.MetricOf("p50")
	cost, _ := result.MetricOf("server-cpu")
	usable := believed(rows)
	if !slices.ContainsFunc(usable, func(i int) bool { _, ok := cost.Value(rows[i]); return ok }) {
		cost, _ = result.MetricOf("bytes")
	}
	c := Choice{Ranked: ranking(p50, rows, usable), Cost: cost}
	if len(c.Ranked) == 0 {
		return c
	}
	first := c.Ranked[0]
	var tied []int // as fast as the fastest
	for _, i := range c.Ranked {
		if i == first || !Compare(p50, rows[i], rows[first]).Differs {
			tied = append(tied, i)
		}
	}
	for _, i := range tied {
		slower := func(k int) bool { d := Compare(p50, rows[i], rows[k]); return d.Differs && d.Ratio > 1 } // than another one of those
		if cheaper(cost, rows[i], rows[first]) && !slices.ContainsFunc(tied, slower) {
			first = i
		}
	}
	c.Front = []int{first}
	for _, i := range tied {
		if d := Compare(cost, rows[i], rows[first]); i != first && d.Known && !d.Differs {
			c.Either = append(c.Either, i)
		}
	}
	for _, i := range c.Ranked {
		last := rows[c.Front[len(c.Front)-1]]
		if d := Compare(p50, rows[i], last); d.Differs && d.Ratio > 1 && cheaper(cost, rows[i], last) {
			c.Front = append(c.Front, i)
		}
	}
	for _, i := range c.Ranked {
		if slices.Contains(c.Front, i) || slices.Contains(c.Either, i) {
			continue
		}
		if by := slices.IndexFunc(c.Front, func(k int) bool { return beats(rows[k], rows[i]) }); by >= 0 {
			c.Beaten = append(c.Beaten, Beaten{i, c.Front[by]})
		}
	}
	c.Break = breakOf(cost, rows, c)
	return c
}

// cheaper reports whether a costs less than b.
func cheaper(cost result.Metric, a, b result.Row) bool {
	d := Compare(cost, a, b)
	return d.Differs && d.Ratio < 1
}

// Decisive returns the metrics that a choice depends on: those of a terminal's main table with a direction, but no
// faults, as rows with faults can't be chosen.
func Decisive() []result.Metric {
	return slices.DeleteFunc(result.MetricsIn(result.InGlance), func(m result.Metric) bool {
		return m.Worse != result.Higher || m.Gate == result.Fault
	})
}

// Reliable reports whether row has the figure, from as many samples as it needs.
func Reliable(m result.Metric, row result.Row) bool {
	_, ok := m.Value(row)
	return ok && row.Timed() >= m.Samples
}

// beats reports whether a is no worse than b in any decisive figure, and better in one.
func beats(a, b result.Row) bool {
	better := false
	for _, m := range Decisive() {
		if !Reliable(m, a) || !Reliable(m, b) {
			continue
		}
		d := Compare(m, a, b)
		if d.Differs && d.Ratio > 1 {
			return false
		}
		better = better || d.Differs
	}
	return better
}

// breakOf returns the break between polling and Front[0], if polls of its server at two or more intervals were
// measured and Front[0] does not poll.
func breakOf(cost result.Metric, rows []result.Row, c Choice) *Break {
	pushed := rows[c.Front[0]]
	if pushed.Way.Class() == result.Timer {
		return nil
	}
	var polled []result.Row
	b := Break{}
	for _, i := range c.Ranked {
		if rows[i].Way.Class() == result.Timer && rows[i].Way.Server == pushed.Way.Server {
			polled = append(polled, rows[i])
			b.Longest = max(b.Longest, rows[i].Way.EveryS)
		}
	}
	value := func(row result.Row) float64 { x, _ := cost.Value(row); return x }
	rate, ok := crossing(polled, pushed, value)
	if !ok {
		return nil
	}
	var drawn []float64
	blocks := 0
	for k := range resamples {
		complete := true
		one, ok := crossing(polled, pushed, func(row result.Row) float64 {
			if row.Resampled == nil || k >= len(row.Resampled.Figures[cost.Key]) {
				complete = false
				return 0
			}
			blocks = row.Resampled.Blocks
			return row.Resampled.Figures[cost.Key][k]
		})
		if !complete {
			return nil
		}
		if ok {
			drawn = append(drawn, one)
		}
	}
	if len(drawn) < 99*resamples/100 { // polls seem to cost nothing
		return nil
	}
	interval := func(rate float64) float64 {
		if rate <= 0 {
			return math.Inf(1)
		}
		return 1 / rate
	}
	slowest, fastest := span(rate, drawn, blocks)
	b.EveryS, b.Between = interval(rate), result.Interval{Low: interval(fastest), High: interval(slowest)}
	return &b
}

// crossing returns how many polls a second cost as much as pushing does: by the least squares line of cost over
// polls a second. It is 0 or less if polls cost more however rare they are. ok is false with fewer than two
// intervals, or if polls seem to cost nothing.
func crossing(polled []result.Row, pushed result.Row, value func(result.Row) float64) (rate float64, ok bool) {
	var n, sx, sy, sxx, sxy float64
	for _, row := range polled {
		x, y := 1/row.Way.EveryS, value(row)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	det := n*sxx - sx*sx
	if n < 2 || det <= 1e-9*sxx {
		return 0, false
	}
	each := (n*sxy - sx*sy) / det // of a poll a second
	fixed := (sy - each*sx) / n
	return (value(pushed) - fixed) / each, each > 0
}
