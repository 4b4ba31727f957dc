package theory_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// Every formula is held against a simulation of what it is about: parts that are independent of
// each other, each the length of a run, so that what they scatter is the error of their mean.
const (
	parts  = 64
	sigmas = 4
)

// A part is what one part of a simulation saw: counts by name, and waits in rising order.
type part struct {
	seconds float64
	counts  map[string]float64
	waits   []float64
	wait    float64 // mean of the waits
}

// simulate runs the parts of a simulation, each with a seed of its own.
func simulate(run func(random *rand.Rand) part) []part {
	all := make([]part, parts)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			p := run(rand.New(rand.NewPCG(1, uint64(i))))
			for _, w := range p.waits {
				p.wait += w / float64(len(p.waits))
			}
			slices.Sort(p.waits)
			all[i] = p
		})
	}
	wg.Wait()
	return all
}

// estimate returns the mean of what of tells of each part, and its standard error.
func estimate(all []part, of func(part) float64) (mean, se float64) {
	values := make([]float64, len(all))
	n := float64(len(all))
	for i, p := range all {
		values[i] = of(p)
		mean += values[i] / n
	}
	for _, v := range values {
		se += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(se / (n - 1) / n)
}

// agrees fails t when want is further from what was simulated than its sampling error explains, or
// when that error is too large for the test to mean anything.
func agrees(t *testing.T, what string, want float64, all []part, of func(part) float64) {
	t.Helper()
	mean, se := estimate(all, of)
	t.Logf("%s: simulated %.6g ± %.2g%%, theory %+.2g%%", what, mean, 100*se/mean, 100*(want/mean-1))
	if !(math.Abs(want-mean) <= sigmas*se+1e-9*mean) {
		t.Errorf("%s is %v in theory, but %v ± %v simulated", what, want, mean, se)
	}
	if sigmas*se > .03*mean {
		t.Errorf("%s: the simulation is too short: it is only known to %v of %v", what, se, mean)
	}
}

// quantilesAgree fails t when the share of the waits below a quantile isn't p. The quantile itself
// may be off by 0.1%: there may be a jump right beside it.
func quantilesAgree(t *testing.T, quantile func(p float64) float64, all []part) {
	t.Helper()
	for _, p := range levels {
		want := quantile(p)
		below, belowSE := estimate(all, func(s part) float64 { return s.shareBelow(want * (1 - 1e-3)) })
		upTo, upToSE := estimate(all, func(s part) float64 { return s.shareBelow(math.Nextafter(want*(1+1e-3), math.Inf(1))) })
		t.Logf("p%v: %.5g, simulated for p%.4g ± %.2g to p%.4g ± %.2g", 100*p, want, 100*below, 100*belowSE, 100*upTo, 100*upToSE)
		if below > p+sigmas*belowSE || upTo < p-sigmas*upToSE {
			t.Errorf("p%v is %v in theory, but a share of %v to %v is below when simulated", 100*p, want, below, upTo)
		}
		if se := max(belowSE, upToSE); sigmas*se > .6*(1-p) {
			t.Errorf("p%v: the simulation is too short: its share is only known to %v", 100*p, se)
		}
	}
}

func meanWait(p part) float64 { return p.wait }

// shareBelow returns the share of the waits that are less than x.
func (p part) shareBelow(x float64) float64 {
	n, _ := slices.BinarySearch(p.waits, x)
	return float64(n) / float64(len(p.waits))
}

// perSecond returns how often something was counted in a second.
func perSecond(name string) func(part) float64 {
	return func(p part) float64 { return p.counts[name] / p.seconds }
}

// ratio returns how often something was counted for each time that something else was.
func ratio(name, to string) func(part) float64 {
	return func(p part) float64 { return p.counts[name] / p.counts[to] }
}
