package theory_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// Every formula is compared with a simulation. It consists of independent parts, so that the scatter
// of the parts gives the standard error of their mean.
const (
	parts  = 64
	sigmas = 4
)

// A part is the outcome of one part of a simulation: counts by name, and waits in ascending order.
type part struct {
	seconds float64
	counts  map[string]float64
	waits   []float64
	wait    float64 // mean of the waits
}

// simulate runs the parts of a simulation, each with its own seed.
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

// estimate returns the mean of of over all parts, and its standard error.
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

// agrees fails t if want is further from the simulation than the sampling error explains, or if that
// error is too large for a meaningful test.
func agrees(t *testing.T, what string, want float64, all []part, of func(part) float64) {
	t.Helper()
	mean, se := estimate(all, of)
	t.Logf("%s: simulated %.6g ± %.2g%%, theory %+.2g%%", what, mean, 100*se/mean, 100*(want/mean-1))
	if !(math.Abs(want-mean) <= sigmas*se+1e-9*mean) {
		t.Errorf("%s is %v in theory, but %v ± %v simulated", what, want, mean, se)
	}
	if sigmas*se > .03*mean {
		t.Errorf("%s: the simulation is too short: its standard error is %v of %v", what, se, mean)
	}
}

// quantilesAgree fails t if the share of the waits below a p-quantile is not p. The quantile itself
// may be off by 0.1%, as there may be a jump right next to it.
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
			t.Errorf("p%v: the simulation is too short: the standard error of its share is %v", 100*p, se)
		}
	}
}

func meanWait(p part) float64 { return p.wait }

// shareBelow returns the share of the waits that are less than x.
func (p part) shareBelow(x float64) float64 {
	n, _ := slices.BinarySearch(p.waits, x)
	return float64(n) / float64(len(p.waits))
}

// perSecond returns the count of that name per second.
func perSecond(name string) func(part) float64 {
	return func(p part) float64 { return p.counts[name] / p.seconds }
}

// ratio returns the count called name per count called to.
func ratio(name, to string) func(part) float64 {
	return func(p part) float64 { return p.counts[name] / p.counts[to] }
}
