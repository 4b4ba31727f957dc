package theory_test

import (
	"math"
	"testing"

	"pushpull/report/theory"
)

// levels are the quantiles that Distribution promises to be accurate.
var levels = []float64{.05, .1, .25, .5, .75, .9, .95, .99, .995, .999}

// exponential returns the exponential distribution with mean 1.
func exponential() theory.Distribution {
	return theory.Sample(func(p float64) float64 { return -math.Log1p(-p) })
}

// erlang returns the probability that the sum of n exponential times with mean 1 is at most x.
func erlang(n int, x float64) float64 {
	term, sum := 1.0, 0.0
	for k := range n {
		sum += term
		term *= x / float64(k+1)
	}
	return 1 - math.Exp(-x)*sum
}

// invert returns the x from lo to hi at which cdf reaches p.
func invert(cdf func(x float64) float64, p, lo, hi float64) float64 {
	for range 60 {
		if mid := (lo + hi) / 2; cdf(mid) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

func TestSums(t *testing.T) {
	uniform := theory.Uniform(0, 1)
	eight := exponential()
	for range 3 {
		eight = eight.Plus(eight)
	}
	points := make([]float64, 200)
	for i := range points {
		points[i] = 1e-3 * float64(200-i)
	}
	triangular := func(p float64) float64 {
		if p < .5 {
			return math.Sqrt(2 * p)
		}
		return 2 - math.Sqrt(2*(1-p))
	}
	for _, test := range []struct {
		name     string
		sum      theory.Distribution
		mean     float64
		quantile func(p float64) float64
	}{
		{"two uniform times", uniform.Plus(uniform), 1, triangular},
		{
			"two exponential times", exponential().Plus(exponential()), 2,
			func(p float64) float64 {
				return invert(func(x float64) float64 { return erlang(2, x) }, p, 0, 100)
			},
		},
		{
			"eight exponential times", eight, 8,
			func(p float64) float64 {
				return invert(func(x float64) float64 { return erlang(8, x) }, p, 0, 100)
			},
		},
		{
			"a long and a very short one", theory.Uniform(0, 5).Plus(theory.Uniform(1e-4, 3e-4)), 2.5002,
			func(p float64) float64 { return 5*p + 2e-4 },
		},
		{
			"a very short and a long one", theory.Uniform(1e-4, 3e-4).Plus(theory.Uniform(0, 5)), 2.5002,
			func(p float64) float64 { return 5*p + 2e-4 },
		},
		{
			"two of a hundred equally likely points", theory.Of(points...).Plus(theory.Of(points...)), .201,
			func(p float64) float64 { return .2*triangular(p) + .001 },
		},
		{"one shifted", uniform.Shift(2), 2.5, func(p float64) float64 { return 2 + p }},
		{"one and a constant", uniform.Plus(theory.Of(2)), 2.5, func(p float64) float64 { return 2 + p }},
		{"a constant and one", theory.Of(2).Plus(uniform), 2.5, func(p float64) float64 { return 2 + p }},
		{"one and nothing", uniform.Plus(theory.Distribution{}), .5, func(p float64) float64 { return p }},
		{
			"one of two", theory.Mixture(.3, theory.Uniform(1, 2), theory.Uniform(0, 1)), .3*1.5 + .7*.5,
			func(p float64) float64 {
				if p > .7 {
					return 1 + (p-.7)/.3
				}
				return p / .7
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.sum.Mean(); math.Abs(got/test.mean-1) > 1e-4 {
				t.Errorf("mean is %v, want %v", got, test.mean)
			}
			for _, p := range levels {
				got, want := test.sum.Quantile(p), test.quantile(p)
				if math.Abs(got/want-1) > 1e-3 {
					t.Errorf("p%v is %v, want %v", 100*p, got, want)
				}
			}
		})
	}
}

func TestEnds(t *testing.T) {
	for _, test := range []struct {
		name      string
		d         theory.Distribution
		low, high float64
	}{
		{"zero value", theory.Distribution{}, 0, 0},
		{"no points", theory.Of(), 0, 0},
		{"a point", theory.Of(.3), .3, .3},
		{"two points", theory.Of(5, 2), 2, 5},
		{"a sum of two points each", theory.Of(5, 2).Plus(theory.Of(1, 0)), 2, 6},
		{"infinite", theory.Of(math.Inf(1)), math.Inf(1), math.Inf(1)},
		{"infinite sum", theory.Of(math.Inf(1)).Plus(theory.Uniform(0, 1)), math.Inf(1), math.Inf(1)},
	} {
		if low, high := test.d.Quantile(0), test.d.Quantile(1); !near(low, test.low) || !near(high, test.high) {
			t.Errorf("%s: from %v to %v, want %v to %v", test.name, low, high, test.low, test.high)
		}
	}
}

func near(got, want float64) bool { return got == want || math.Abs(got-want) <= 1e-9*want }

func BenchmarkPlus(b *testing.B) {
	d, e := exponential(), theory.Uniform(0, 5)
	for b.Loop() {
		d.Plus(e)
	}
}
