package check

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pushpull/loadgen/result"
)

// A recording is a duet of a server with itself: for each gated timing of each transport, the values
// of the base's and the head's windows in each pair.
type recording struct {
	timings []recorded
	pairs   int
}

type recorded struct {
	transport string
	metric    result.Metric
	limit     float64
	windows   [][2][]float64 // by pair
}

func record(t *testing.T) recording {
	t.Helper()
	var sides [2]*result.Result
	for i, path := range []string{"base", "head"} {
		var err error
		if sides[i], err = result.Open("../../testdata/results/duet/" + path); err != nil {
			t.Fatal(err)
		}
	}
	var r recording
	rounds := rounds(sides[0])
	r.pairs = len(rounds)
	for _, transport := range transports(sides[0]) {
		for _, m := range result.Metrics() {
			gated, limit := Options{}.gated(m, true)
			if m.Gate != result.Timing || !gated {
				continue
			}
			one := recorded{transport: transport, metric: m, limit: limit}
			for _, round := range rounds {
				var pair [2][]float64
				for i, side := range sides {
					for _, row := range rowsOf(whole(side, transport)[round]) {
						if x, ok := m.Value(row); ok {
							pair[i] = append(pair[i], x)
						}
					}
				}
				one.windows = append(one.windows, pair)
			}
			r.timings = append(r.timings, one)
		}
	}
	return r
}

// draw resamples a duet of n pairs. Each is a random recorded pair with its sides exchanged or not,
// and as many random windows of it as it has. All timings use the same pairs and windows, as they
// come from the same machine. slow returns a factor for the head's values.
func (r recording) draw(random *rand.Rand, n int, slow func(m result.Metric, transport string) float64) *Report {
	type choice struct {
		pair, head int
		slices     [2][]int
	}
	choices := make([]choice, n)
	for i := range choices {
		c := choice{pair: random.IntN(r.pairs), head: random.IntN(2)}
		for side, values := range r.timings[0].windows[c.pair] {
			for range values {
				c.slices[side] = append(c.slices[side], random.IntN(len(values)))
			}
		}
		choices[i] = c
	}
	report := &Report{}
	for _, one := range r.timings {
		d := draft{Comparison: Comparison{Transport: one.transport, Metric: one.metric.Key, Gated: true, Limit: one.limit}}
		var bases, heads []float64
		for _, c := range choices {
			var middle [2]float64
			for side, values := range one.windows[c.pair] {
				var drawn []float64
				for _, i := range c.slices[side] {
					drawn = append(drawn, values[i])
				}
				slices.Sort(drawn)
				middle[side] = median(drawn)
			}
			base, head := middle[1-c.head], middle[c.head]*slow(one.metric, one.transport)
			bases, heads = append(bases, base), append(heads, head)
			d.logs = append(d.logs, math.Log(head/base))
		}
		d.describe(bases, heads)
		d.judge(significance / float64(len(r.timings)))
		report.Comparisons = append(report.Comparisons, d.Comparison)
	}
	return report
}

// decide returns the regressions of a whole decision: of a duet and, if it has any, of a second one
// that must confirm them.
func (r recording) decide(random *rand.Rand, slow func(result.Metric, string) float64) []Comparison {
	first := r.draw(random, r.pairs, slow)
	if len(first.Regressions()) == 0 {
		return nil
	}
	return Confirm(first, r.draw(random, r.pairs, slow)).Regressions()
}

// TestRecordedFalseAlarms resamples the noise of a real machine: at most one in a hundred decisions
// may be a false alarm.
func TestRecordedFalseAlarms(t *testing.T) {
	const decisions = 1000
	r := record(t)
	if len(r.timings) != 9 || r.pairs < 10 {
		t.Fatalf("%d timings in %d pairs were recorded", len(r.timings), r.pairs)
	}
	random := rand.New(rand.NewPCG(1, 1))
	alarms := 0
	for range decisions {
		if found := r.decide(random, func(result.Metric, string) float64 { return 1 }); len(found) > 0 {
			alarms++
		}
	}
	t.Logf("%d false alarms in %d decisions", alarms, decisions)
	if alarms > decisions/100 {
		t.Errorf("%d false alarms in %d decisions", alarms, decisions)
	}
}

// TestRecordedDetection adds 25% of CPU to the head's server on one transport, in the same noise.
// This regression must be found, and no other.
func TestRecordedDetection(t *testing.T) {
	const decisions = 200
	r := record(t)
	random := rand.New(rand.NewPCG(2, 1))
	found, elsewhere := 0, 0
	for range decisions {
		for _, c := range r.decide(random, func(m result.Metric, transport string) float64 {
			if m.Key == "server-cpu" && transport == "websocket" {
				return 1.25
			}
			return 1
		}) {
			if c.Metric == "server-cpu" && c.Transport == "websocket" {
				found++
			} else {
				elsewhere++
			}
		}
	}
	t.Logf("found %d times in %d, and elsewhere %d times", found, decisions, elsewhere)
	if found < decisions*9/10 || elsewhere > decisions/100 {
		t.Errorf("found %d times in %d, and elsewhere %d times", found, decisions, elsewhere)
	}
}
