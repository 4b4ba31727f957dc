package verdict

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"pushpull/loadgen/result"
)

const (
	resamples    = 499
	middle       = .95 // share of the resamples that an interval spans
	fewestRounds = 3   // two would widen an interval ninefold
)

// Fill fills in the intervals of rows, which were merged from windows.
//
// They come from a bootstrap over rounds: as many rounds as were measured are drawn from them with
// replacement, a row is merged from the windows of the drawn rounds, and the interval spans the middle 95%
// of its figures in 499 such draws. As few rounds show too little of the variance between rounds, the
// interval is widened by t/z * sqrt(n/(n-1)) for n rounds, where t is the 97.5% quantile of Student's
// distribution with n-1 degrees of freedom and z that of the normal one. The factor applies to logarithms,
// as noise multiplies times. All rows draw the same rounds: the transports take turns in each, so whatever
// disturbs a round disturbs all of them.
//
// A. C. Cameron, J. B. Gelbach, D. L. Miller, Bootstrap-based improvements for inference with clustered
// errors, The Review of Economics and Statistics 90 (2008).
//
// A row of fewer than three rounds has intervals of its latency alone, from a bootstrap over the slices of its
// windows. What differs between rounds is not in them.
func Fill(rows []result.Row, windows []result.Window) {
	windows = result.Measured(windows)
	for i := range rows {
		row := &rows[i]
		blocks, from := blocksOf(row.Transport, windows)
		if len(blocks) < 2 || row.Delivered == 0 {
			continue
		}
		row.Resampled = resample(row, blocks, from == slicesOf)
		row.IntervalsFrom = fmt.Sprintf("%d %s", len(blocks), from)
		row.Intervals = map[string]result.Interval{}
		for key, figures := range row.Resampled.Figures {
			m, _ := result.MetricOf(key)
			x, _ := m.Value(*row)
			low, high := span(x, figures, len(blocks))
			row.Intervals[key] = result.Interval{Low: low, High: high}
		}
	}
}

// What blocks are.
const (
	roundsOf = "rounds"
	slicesOf = "slices"
)

// A block is drawn as a whole.
type block struct {
	windows   []result.Window // none if the block is a slice
	latencies []*result.Histogram
}

// blocksOf returns the rounds of a transport, or the slices of its windows if there are too few rounds.
func blocksOf(transport string, windows []result.Window) (blocks []block, what string) {
	by := map[int]*block{}
	var rounds []int
	for _, w := range windows {
		if w.Transport != transport {
			continue
		}
		if by[w.Round] == nil {
			by[w.Round] = &block{}
			rounds = append(rounds, w.Round)
		}
		b := by[w.Round]
		b.windows = append(b.windows, w)
		b.latencies = append(b.latencies, w.Latency)
	}
	slices.Sort(rounds)
	if len(rounds) < fewestRounds {
		for _, round := range rounds {
			for _, w := range by[round].windows {
				for _, s := range w.Slices {
					blocks = append(blocks, block{latencies: []*result.Histogram{s.Latency}})
				}
			}
		}
		return blocks, slicesOf
	}
	for _, round := range rounds {
		blocks = append(blocks, *by[round])
	}
	return blocks, roundsOf
}

// resample returns the figures of row in each resample of blocks.
func resample(row *result.Row, blocks []block, latencyOnly bool) *result.Resampled {
	var metrics []result.Metric
	for _, m := range result.Metrics() {
		if _, ok := m.Value(*row); ok && estimated(m) && (m.Quantile > 0 || !latencyOnly) {
			metrics = append(metrics, m)
		}
	}
	r := &result.Resampled{Blocks: len(blocks), Figures: map[string][]float64{}}
	latency := newMixture(blocks)
	drawn := rand.New(rand.NewPCG(1, uint64(len(blocks)))) // the same draws in each row
	times := make([]int, len(blocks))
	var windows []result.Window
	for range resamples {
		clear(times)
		windows = windows[:0]
		for range blocks {
			i := drawn.IntN(len(blocks))
			times[i]++
			windows = append(windows, blocks[i].windows...)
		}
		again := result.Row{}
		if len(windows) > 0 {
			again = result.Totals(windows)
		}
		again.Latency, again.Delivered = latency.quantiles(times)
		for _, m := range metrics {
			if x, ok := m.Value(again); ok {
				r.Figures[m.Key] = append(r.Figures[m.Key], x)
			}
		}
	}
	for key, figures := range r.Figures {
		if len(figures) < resamples { // some draws lack the figure, so it stands on single rounds
			delete(r.Figures, key)
		}
	}
	return r
}

// estimated reports whether a metric has an interval: those that are judged or drawn, but neither faults,
// of which each one counts, nor plain totals.
func estimated(m result.Metric) bool {
	return m.Quantile > 0 || m.Chart != nil || m.Gate == result.Count || m.Gate == result.Timing
}

// A mixture is the latencies of several blocks, of which a resample takes some several times.
type mixture struct {
	bars  []bar // ascending
	count []int // of each block
}

type bar struct {
	ms    float64
	block int
	count int
}

func newMixture(blocks []block) mixture {
	m := mixture{count: make([]int, len(blocks))}
	for i, b := range blocks {
		for _, h := range b.latencies {
			if h == nil {
				continue
			}
			for _, one := range h.Bars() {
				m.bars = append(m.bars, bar{float64(one.Longest) / 1e6, i, int(one.Count)})
				m.count[i] += int(one.Count)
			}
		}
	}
	slices.SortStableFunc(m.bars, func(a, b bar) int { return cmp.Compare(a.ms, b.ms) })
	return m
}

// quantiles returns the quantiles of the latencies, and their number, if each block is taken so many times.
func (m mixture) quantiles(times []int) (q result.Quantiles, n int) {
	for i, count := range m.count {
		n += times[i] * count
	}
	var p999 float64
	wanted := []struct {
		share float64
		to    *float64
	}{{.5, &q.P50}, {.9, &q.P90}, {.95, &q.P95}, {.99, &q.P99}, {.999, &p999}}
	reached, next := 0, 0
	for _, b := range m.bars {
		reached += times[b.block] * b.count
		for next < len(wanted) && float64(reached) >= wanted[next].share*float64(n) {
			*wanted[next].to = b.ms
			next++
		}
		if next == len(wanted) {
			break
		}
	}
	q.P999 = &p999
	return q, n
}

// span returns the interval of x, the figure of n blocks, from its figures in the resamples.
func span(x float64, figures []float64, n int) (low, high float64) {
	sorted := slices.Sorted(slices.Values(figures))
	at := func(p float64) float64 { return sorted[int(math.Round(p*float64(len(sorted)-1)))] }
	low, high = at((1-middle)/2), at((1+middle)/2)
	factor := widening(n)
	if low <= 0 || x <= 0 {
		return min(x, x+factor*(low-x)), max(x, x+factor*(high-x))
	}
	return min(x, x*math.Pow(low/x, factor)), max(x, x*math.Pow(high/x, factor))
}

// widening is the factor by which an interval from n blocks is widened.
func widening(n int) float64 {
	p := (1 + middle) / 2
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile(p)
	return t / distuv.UnitNormal.Quantile(p) * math.Sqrt(float64(n)/float64(n-1))
}
