package check

import (
	"math"
	"math/rand/v2"
	"testing"
)

// simulated returns the report of a check of gated timings with these logarithms of ratios.
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

// alarms returns the share of checks that fail, before and after confirmation. Each has n pairs with
// the recorded noise and the four gated timings of two transports, one of which has an effect.
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

// TestFalseAlarms compares a server with itself.
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

// TestNoPlainRatio draws noise in which a plain ratio of two medians has many false alarms, and the
// rule has few.
func TestNoPlainRatio(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	const draws, n = 3000, 10
	plain, rule := 0, 0
	for range draws {
		// A slow phase of the machine affects both sides of a pair, but only one of two long blocks.
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

// TestOneSlowRound has one slow round of ten, which changes the mean to 1.4 but is no regression.
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

// TestJudgeAtLimits has timings at the limits of the rule: p must be below alpha, and the ratio
// beyond the limit, whichever way.
func TestJudgeAtLimits(t *testing.T) {
	const alpha = 1. / 128
	up := []float64{1, 2, 3, 4, 5, 6, 7, 8}        // p is 1/256, of the opposite 1
	nearlyUp := []float64{-1, 2, 3, 4, 5, 6, 7, 8} // p is 2/256
	mixed := []float64{1, -2, 3, -4, 5, -6, 7, -8} // p says nothing
	for _, c := range []struct {
		logs  []float64
		ratio float64
		want  Verdict
	}{
		{up, 1.2500001, Worse},
		{up, 1.25, Same},
		{nearlyUp, 2, Same},
		{mixed, 2, Same},
		{negated(up), .7999999, Better},
		{negated(up), .8, Same},
		{negated(up), .99, Same},
		{negated(nearlyUp), .5, Same},
		{mixed, .5, Same},
		{up[:7], 2, TooFew},
	} {
		d := draft{Comparison: Comparison{P: Wilcoxon(c.logs), Ratio: c.ratio, Limit: 1.25, Pairs: len(c.logs), Gated: true}, logs: c.logs}
		if d.judge(alpha); d.Verdict != c.want || d.Gated != (c.want != TooFew) {
			t.Errorf("pairs %v, ratio %v: %s, want %s", c.logs, c.ratio, d.Verdict, c.want)
		}
	}
}

// TestRounds has options and numbers of transports that it takes another round to judge.
func TestRounds(t *testing.T) {
	for _, c := range []struct {
		o          Options
		transports int
		want       int
	}{
		{Options{}, 0, 7},
		{Options{}, 2, 7},
		{Options{}, 3, 8},
		{Options{}, 4, 8},
		{Options{}, 5, 9},
		{Options{Gate: []string{"p99"}}, 6, 7},
		{Options{Gate: []string{"p50"}}, 4, 8},
	} {
		if got := c.o.Rounds(c.transports); got != c.want {
			t.Errorf("%q on %d transports: %d rounds, want %d", c.o.Gate, c.transports, got, c.want)
		}
	}
}

// TestRoundsFor has probabilities just above and exactly at what a number of pairs can reach.
func TestRoundsFor(t *testing.T) {
	for _, c := range []struct {
		alpha float64
		want  int
	}{{.05, 7}, {1. / 127, 7}, {1. / 128, 8}, {1. / 255, 8}, {1. / 256, 9}} {
		if got := roundsFor(c.alpha); got != c.want {
			t.Errorf("%d pairs for a p below %v, want %d", got, c.alpha, c.want)
		}
	}
}
