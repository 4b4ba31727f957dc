package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pushpull/report/theory"
)

// pushServer simulates a server that writes each message to every member; each write goes to the
// writer that is free first.
func pushServer(f theory.FanOut, messages int) func(random *rand.Rand) part {
	return func(random *rand.Rand) part {
		p := part{counts: map[string]float64{}, waits: make([]float64, 0, messages*f.Members)}
		free := make([]float64, f.Writers)
		stored := 0.0
		for i := range messages {
			stored += random.ExpFloat64() / f.Rate
			for range f.Members {
				first := slices.Index(free, slices.Min(free))
				free[first] = max(free[first], stored) + f.Write
				if i >= messages/20 { // the queue has forgotten that it was empty
					p.waits = append(p.waits, free[first]-stored)
				}
			}
		}
		p.seconds = stored
		p.counts["busy"] = float64(messages*f.Members) * f.Write / float64(f.Writers)
		return p
	}
}

// queueing returns the simulated mean wait in the queue: the mean without the message's own writes.
func queueing(f theory.FanOut) func(part) float64 {
	alone := f
	alone.Rate = 0
	return func(p part) float64 { return meanWait(p) - alone.Mean() }
}

// fanOut returns a server with that load.
func fanOut(members, writers int, busy float64) theory.FanOut {
	f := theory.FanOut{Members: members, Writers: writers, Write: 20e-6}
	f.Rate = busy * float64(writers) / (float64(members) * f.Write)
	return f
}

func TestFanOut(t *testing.T) {
	for _, f := range []theory.FanOut{
		fanOut(3, 1, .5), fanOut(4, 2, .1), fanOut(4, 2, .5),
	} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			all := simulate(pushServer(f, 6000))
			agrees(t, "mean", f.Mean(), all, meanWait)
			d := f.Distribution()
			agrees(t, "mean of the distribution", d.Mean(), all, meanWait)
			quantilesAgree(t, d.Quantile, all)
			agrees(t, "queue", f.Queue(), all, queueing(f))
			agrees(t, "load", f.Busy(), all, perSecond("busy"))
		})
	}
}

// If Writers does not divide Members, the mean is within the errors documented at FanOut.
func TestFanOutApproximately(t *testing.T) {
	for _, test := range []struct {
		f         theory.FanOut
		low, high float64 // relative error of the mean
	}{
		{fanOut(1, 2, .1), 0, .08},
		{fanOut(1, 2, .5), 0, .08},
		{fanOut(2, 8, .5), 0, .08},
		{fanOut(7, 8, .1), -.02, 0},
		{fanOut(7, 8, .5), -.02, 0},
		{fanOut(3, 2, .1), -.01, .01},
		{fanOut(3, 2, .5), -.01, .01},
		{fanOut(9, 8, .5), -.01, .01},
	} {
		t.Run(fmt.Sprintf("%+v", test.f), func(t *testing.T) {
			mean, se := estimate(simulate(pushServer(test.f, 1500)), meanWait)
			off, bound := test.f.Mean()/mean-1, sigmas*se/mean
			t.Logf("mean %+.3f%% ± %.2g%%", 100*off, 100*bound)
			if off < test.low-bound || off > test.high+bound || bound > .03 {
				t.Errorf("the mean is off by %v ± %v, not by %v to %v", off, bound, test.low, test.high)
			}
		})
	}
}

// One writer and one member form an M/D/1 queue, whose wait Erlang found in 1909: the probability of
// at most t is (1-ρ) Σ (λ(kS-t))^k/k! e^(-λ(kS-t)) for k from 0 to t/S.
func TestFanOutQueue(t *testing.T) {
	for _, test := range []struct{ busy, off float64 }{{.12, 1e-3}, {.45, 1e-3}, {.8, 3e-3}} {
		busy := test.busy
		f := theory.FanOut{Members: 1, Writers: 1, Write: 1, Rate: busy}
		atMost := func(x float64) float64 {
			sum, factorial := 0.0, 1.0
			for k := 0.0; k <= x; k++ {
				factorial *= max(k, 1)
				sum += math.Pow(busy*(k-x), k) / factorial * math.Exp(busy*(x-k))
			}
			return (1 - busy) * sum
		}
		d := f.Distribution()
		for _, p := range levels {
			want := 1.0
			if p > 1-busy {
				want += invert(atMost, p, 0, 20) // beyond 20 the terms cancel and lose all digits
			}
			if got := d.Quantile(p); math.Abs(got/want-1) > test.off {
				t.Errorf("load %v: p%v is %v, want %v", busy, 100*p, got, want)
			}
		}
	}
	for _, busy := range []float64{0, .01, .9} {
		f := theory.FanOut{Members: 7, Writers: 2, Write: 1, Rate: busy * 2 / 7}
		if got, want := f.Distribution().Mean(), f.Mean(); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("load %v: mean of the distribution is %v, want %v", busy, got, want)
		}
	}
}

func TestFanOutOverloaded(t *testing.T) {
	for _, busy := range []float64{1, 1.5} {
		f := theory.FanOut{Members: 1, Writers: 1, Write: 1, Rate: 1}
		f.Rate *= busy
		for what, got := range map[string]float64{
			"queue": f.Queue(), "mean": f.Mean(), "mean of the distribution": f.Distribution().Mean(), "p50": f.Distribution().Quantile(.5),
		} {
			if !math.IsInf(got, 1) {
				t.Errorf("load %v: %s is %v", busy, what, got)
			}
		}
	}
}

func BenchmarkFanOut(b *testing.B) {
	f := fanOut(100, 2, .5)
	for b.Loop() {
		f.Distribution()
	}
}
