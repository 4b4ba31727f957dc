package check

import (
	"math"
	"math/rand/v2"
	"testing"
)

// simulated is what a check says of gated timings with these logarithms of ratios.
func simulated(timings ...[]float64) *Report {
	r := &Report{}
	for i, logs := range timings {
		d := draft{Comparison: Comparison{Transport: string(rune('a' + i)), Metric: "p50", Gated: true, Limit: Tolerance}, logs: logs}
		d.describe(make([]float64, len(logs)), make([]float64, len(logs)))
		d.judge(significance / float64(len(timings)))
		r.Comparisons = append(r.Comparisons, d.Comparison)
	}
	return r
}

// alarms returns how often the recorded noise fails a check of n pairs and four gated timings, as
// two transports have, of which one has an effect: at once, and after it was confirmed.
func alarms(random *rand.Rand, draws, n int, effect float64) (once, confirmed float64) {
	draw := func() *Report {
		return simulated(noise(random, n, math.Log(effect)), noise(random, n, 0), noise(random, n, 0), noise(random, n, 0))
	}
	for range draws {
		first := draw()
		if len(first.Regressions()) == 0 {
			continue
		}
		once++
		if len(Confirm(first, draw()).Regressions()) > 0 {
			confirmed++
		}
	}
	return once / float64(draws), confirmed / float64(draws)
}

// TestFalseAlarms draws base against itself.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 1))
	for _, n := range []int{7, 10, 20} {
		once, confirmed := alarms(random, 2000, n, 1)
		t.Logf("%d pairs: %.2f%% false alarms, %.3f%% after they were confirmed", n, 100*once, 100*confirmed)
		if once > significance || confirmed > .002 {
			t.Errorf("%d pairs: %.2f%% false alarms, %.3f%% after they were confirmed", n, 100*once, 100*confirmed)
		}
	}
}

func TestDetection(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 1))
	for _, c := range []struct {
		n      int
		effect float64
		least  float64
	}{{10, 1.25, .7}, {10, 1.5, .99}, {20, 1.10, .2}, {20, 1.25, .99}, {20, 1.5, .999}} {
		once, confirmed := alarms(random, 500, c.n, c.effect)
		t.Logf("%d pairs, x%v: %.1f%% found, %.1f%% after they were confirmed", c.n, c.effect, 100*once, 100*confirmed)
		if confirmed < c.least {
			t.Errorf("%d pairs, x%v: %.1f%% found, want %.1f%%", c.n, c.effect, 100*confirmed, 100*c.least)
		}
	}
}

// TestNoPlainRatio draws noise in which the plain ratio of two medians cries wolf.
func TestNoPlainRatio(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	const draws, n = 3000, 10
	plain, rule := 0, 0
	for range draws {
		// A slow machine is slow for both sides of a pair; a block has it for itself.
		baseBlock, headBlock := .17*random.NormFloat64(), .17*random.NormFloat64()
		if math.Exp(headBlock-baseBlock) > 1.10 {
			plain++
		}
		if len(simulated(noise(random, n, 0)).Regressions()) > 0 {
			rule++
		}
	}
	t.Logf("false alarms: %.1f%% of a plain ratio of blocks, %.2f%% of the rule, not yet confirmed", 100*float64(plain)/draws, 100*float64(rule)/draws)
	if plain < draws/5 || rule > plain/6 {
		t.Errorf("false alarms: %d of a plain ratio, %d of the rule", plain, rule)
	}
}

// TestOneSlowRound has a mean of 1.4 and a total of 1.4, and is no regression.
func TestOneSlowRound(t *testing.T) {
	logs := make([]float64, 10)
	for i := range logs {
		logs[i] = .01 * float64(i%3-1)
	}
	logs[4] = math.Log(5)
	if got := simulated(logs).Comparisons[0]; got.Verdict != Same {
		t.Errorf("one slow round of ten: %+v", got)
	}
}
