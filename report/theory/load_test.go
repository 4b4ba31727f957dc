package theory_test

import (
	"math"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// basisOf returns the basis of a row of the recording, and the load of its windows.
func basisOf(t *testing.T, r *result.Result, row result.Row) (theory.Basis, theory.Load) {
	t.Helper()
	var windows []result.Window
	planned, seconds := 0, 0.
	for _, w := range r.Windows {
		if w.Transport == row.Transport {
			windows = append(windows, w)
			planned += w.Planned
			seconds += w.DurationS
		}
	}
	basis, ok := theory.NewBasis(r.Run, row, windows)
	if !ok {
		t.Fatalf("%s has no basis", row.Transport)
	}
	from := float64(r.Run.Scenario.Warmup)
	return basis, theory.Load{
		Users: float64(row.Users), Messages: float64(planned) / seconds, EveryS: row.Way.EveryS,
		FromS: from, ToS: from + seconds/float64(len(windows)),
	}
}

// TestBasisPredictsItsRow checks that the load of a row is predicted as Rows predicts it, in its windows.
func TestBasisPredictsItsRow(t *testing.T) {
	r := recorded(t, 10)
	for _, row := range theory.Rows(r) {
		basis, load := basisOf(t, r, row)
		rate := basis.Rate(load)
		same := func(what string, got, want float64) {
			t.Helper()
			if math.Abs(got/want-1) > 1e-6 {
				t.Errorf("%s: %v %s, Rows say %v", row.Transport, got, what, want)
			}
		}
		if row.Way.Class() == result.Timer || row.Way.Class() == result.Held {
			same("requests", rate.Requests*row.DurationS, row.Theory.Requests)
		} else if rate.Requests != 0 {
			t.Errorf("%s: %v requests a second without handshakes", row.Transport, rate.Requests)
		}
		same("reads", rate.Reads*row.DurationS, row.Theory.StoreReads)
		same("bytes", rate.Bytes*row.DurationS, *row.Theory.BytesPerDelivery*float64(row.Delivered))
		latency, known := basis.Latency(load)
		if !known {
			t.Fatalf("%s: the latency is unknown", row.Transport)
		}
		same("s of mean latency", latency.Mean(), *row.Theory.Mean/1e3)
		same("s at p99", latency.Quantile(.99), *row.Theory.P99/1e3)
	}
}

// TestSteadyRate checks the rates of users that have been there for long against the formulas, at another load.
func TestSteadyRate(t *testing.T) {
	r := recorded(t, 10)
	members := float64(r.Run.Scenario.RoomSize)
	for _, row := range theory.Rows(r) {
		basis, _ := basisOf(t, r, row)
		load := theory.Load{Users: 3000, Messages: 50, EveryS: 7}
		seen := load.Messages / load.Users * members // messages per second in each room
		rate := basis.Rate(load)
		near := func(what string, got, want float64) {
			t.Helper()
			if math.Abs(got/want-1) > .02 {
				t.Errorf("%s: %v %s a second, want %v", row.Transport, got, what, want)
			}
		}
		switch row.Way.Class() {
		case result.Timer:
			near("requests", rate.Requests, load.Users/7)
			near("reads", rate.Reads, load.Users/7)
			near("empty answers", rate.Vain, load.Users/7*math.Exp(-7*seen))
			twice := load
			twice.EveryS = 14
			near("requests half as often", basis.Rate(twice).Requests, load.Users/14)
		case result.Held: // the gap between two requests is a millisecond
			hold := row.Way.HoldS
			near("requests", rate.Requests, load.Users*seen/(1-math.Exp(-seen*hold)))
			near("ends of held requests", rate.Vain, load.Users*seen/(1-math.Exp(-seen*hold))*math.Exp(-seen*hold))
			near("reads", rate.Reads, load.Messages)
			young := load
			young.FromS, young.ToS = hold/30, hold/10
			if got := basis.Rate(young); got.Vain > rate.Vain/100 || got.Requests >= rate.Requests {
				t.Errorf("%s: before a request can have ended for its age, %+v", row.Transport, got)
			}
		default:
			near("reads", rate.Reads, load.Messages)
			if every := row.Way.HeartbeatS; every > 0 {
				near("heartbeats", rate.Vain, load.Users/every)
			} else if rate.Vain != 0 {
				t.Errorf("%s: %v in vain", row.Transport, rate.Vain)
			}
		}
		more := load
		more.Users, more.Messages = 2*load.Users, 2*load.Messages
		near("bytes of twice the load", basis.Rate(more).Bytes, 2*rate.Bytes)
	}
}

// TestNoBasis checks that a row without what theory needs has none.
func TestNoBasis(t *testing.T) {
	r := recorded(t, 1)
	row := theory.Rows(r)[0]
	silent := row
	silent.Delivered = 0
	for name, c := range map[string]struct {
		run     result.Run
		row     result.Row
		windows []result.Window
	}{
		"no windows":        {r.Run, row, nil},
		"no run":            {result.Run{}, row, r.Windows},
		"nothing delivered": {r.Run, silent, r.Windows},
		"no row":            {r.Run, result.Row{}, r.Windows},
	} {
		if _, ok := theory.NewBasis(c.run, c.row, c.windows); ok {
			t.Errorf("%s: there is a basis", name)
		}
	}
}

// TestQueue checks the wait against that of a fan-out to a single member, which is a service longer.
func TestQueue(t *testing.T) {
	const service = .003
	for _, busy := range []float64{.05, .4, .9} {
		wait := theory.Queue{Busy: busy, Service: service}.Wait()
		f := theory.FanOut{Members: 1, Writers: 1, Write: service, Rate: busy / service}
		for _, p := range levels {
			if got, want := wait.Quantile(p)+service, f.Distribution().Quantile(p); math.Abs(got/want-1) > 1e-3 {
				t.Errorf("load %v: p%v is %v, want %v", busy, 100*p, got, want)
			}
		}
		if got, want := wait.Mean(), f.Queue(); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("load %v: the mean is %v, want %v", busy, got, want)
		}
	}
	for _, busy := range []float64{1, 7, math.Inf(1)} {
		if got := (theory.Queue{Busy: busy, Service: service}).Wait().Quantile(.01); !math.IsInf(got, 1) {
			t.Errorf("load %v: the wait is %v", busy, got)
		}
	}
	for _, q := range []theory.Queue{{}, {Busy: .5}, {Service: 1}, {Busy: -1, Service: 1}} {
		if got := q.Wait().Quantile(.999); got != 0 {
			t.Errorf("%+v: the wait is %v", q, got)
		}
	}
}
