package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// windows lets a search measure a server whose windows are judged by a function, and returns the loads in
// the order in which they were measured.
func windows(t *testing.T, s *Search, judge func(load float64) Judgement) (loads []float64) {
	t.Helper()
	for load, ok := s.Next(); ok; load, ok = s.Next() {
		if len(loads) > 1000 {
			t.Fatalf("the search doesn't end: %v", loads[:50])
		}
		loads = append(loads, load)
		s.Report(load, judge(load))
	}
	return loads
}

var (
	good = Judgement{Verdict: Holds}
	bad  = Judgement{Verdict: Breaks, Broke: P99, Limit: ServerCPU}
	lost = Judgement{Verdict: Breaks, Certain: true, Broke: Loss}
	late = Judgement{Verdict: Unknown, Broke: Generator, Limit: GeneratorCPU}

	waits     = Judgement{Verdict: Breaks, Disturbed: true, Broke: P99, Limit: Waiting}
	disturbed = Judgement{Verdict: Unknown, Disturbed: true, Broke: Generator}
)

// upTo judges the windows of a server with that capacity.
func upTo(capacity float64, beyond Judgement) func(float64) Judgement {
	return func(load float64) Judgement {
		if load > capacity {
			return beyond
		}
		return good
	}
}

// TestSearch finds capacities without noise, over the whole range and with each kind of steps.
func TestSearch(t *testing.T) {
	for _, step := range []float64{0, 1, 2, 10} {
		for capacity := 20.0; capacity < 90_000; capacity *= 1.37 {
			o := Options{From: 1000, Least: 10, Most: 100_000, Step: step}
			s := New(o)
			loads := windows(t, s, upTo(capacity, bad))
			a := s.Answer()
			if a.Holds > capacity || a.Breaks <= capacity || !a.Confirmed || !a.Complete || a.AtLeast {
				t.Errorf("steps of %v, capacity %.1f: %+v", step, capacity, a)
			}
			if a.Breaks > 1.05*a.Holds && a.Breaks-a.Holds > max(1.01*step, .011*a.Holds) {
				t.Errorf("steps of %v, capacity %.1f: holds %v, breaks %v, which is not within 5%%", step, capacity, a.Holds, a.Breaks)
			}
			if a.Why.Broke != P99 || a.Windows != len(loads) || len(loads) > o.Bound() {
				t.Errorf("steps of %v, capacity %.1f: %d windows, at most %d, %+v", step, capacity, len(loads), o.Bound(), a)
			}
			for _, load := range loads {
				if load < o.Least || load > o.Most || step > 0 && math.Abs(load/step-math.Round(load/step)) > 1e-9 {
					t.Errorf("steps of %v, capacity %.1f: measured %v", step, capacity, load)
				}
			}
		}
	}
}

// TestOrder pins down the order of a search: doubling with one window each, then bisection with two of each.
func TestOrder(t *testing.T) {
	s := New(Options{From: 100, Least: 1, Most: 10_000, Step: 1, Precision: .2})
	got := windows(t, s, upTo(555, bad))
	want := []float64{100, 200, 400, 800, 800, 566, 566, 476, 476, 566} // the last one looks again at what broke
	if !slices.Equal(got, want) {
		t.Errorf("the loads were %v, want %v", got, want)
	}
	if a := s.Answer(); a.Holds != 476 || a.Breaks != 566 {
		t.Errorf("%+v", a)
	}
}

// TestLimits ends searches at their bounds, and at limits that are none of the servers'.
func TestLimits(t *testing.T) {
	o := Options{From: 100, Least: 10, Most: 1003, Step: 10}
	for name, c := range map[string]struct {
		judge         func(float64) Judgement
		holds, breaks float64
		atLeast       bool
		what          string
	}{
		"no load breaks":         {upTo(1e9, bad), 1000, 0, true, ""},
		"no load holds":          {upTo(0, bad), 0, 10, false, P99},
		"the generator is late":  {upTo(500, late), 500, 520, true, Generator},
		"always late":            {upTo(0, late), 0, 10, true, Generator},
		"the most is just right": {upTo(1000, bad), 1000, 0, true, ""},
		"the first holds":        {upTo(100, bad), 100, 110, false, P99},
		"messages are lost":      {upTo(200, lost), 200, 210, false, Loss},
		"late, and beyond it lost": {func(load float64) Judgement {
			if load > 700 {
				return lost
			}
			return upTo(300, late)(load)
		}, 300, 310, true, Generator},
	} {
		s := New(o)
		windows(t, s, c.judge)
		a := s.Answer()
		if a.Holds != c.holds || a.Breaks != c.breaks || a.AtLeast != c.atLeast || a.Why.Broke != c.what || !a.Complete {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestState plays the windows of one load.
func TestState(t *testing.T) {
	for _, c := range []struct {
		results []Judgement
		repeat  int
		want    Verdict
		sure    bool
	}{
		{[]Judgement{good}, 2, Holds, false},
		{[]Judgement{good, good}, 2, Holds, true},
		{[]Judgement{bad}, 2, Breaks, false},
		{[]Judgement{bad, bad}, 2, Breaks, true},
		{[]Judgement{good, bad}, 2, Breaks, false},
		{[]Judgement{good, bad, good}, 2, Breaks, false},
		{[]Judgement{good, bad, good, good}, 2, Holds, true},
		{[]Judgement{good, bad, good, bad}, 2, Breaks, true},
		{[]Judgement{bad, good, good}, 2, Holds, true},
		{[]Judgement{waits, waits, waits}, 2, Breaks, false},
		{[]Judgement{waits, waits, good, waits, waits}, 2, Breaks, true},
		{[]Judgement{waits}, 1, Breaks, false},
		{[]Judgement{waits, bad}, 1, Breaks, true},
		{[]Judgement{lost}, 2, Breaks, true},
		{[]Judgement{good, good, lost}, 2, Breaks, true},
		{[]Judgement{bad, late}, 2, Breaks, false},
		{[]Judgement{bad, late, bad}, 2, Breaks, true},
		{[]Judgement{late}, 2, Unknown, false},
		{[]Judgement{late, late}, 2, Unknown, false},
		{[]Judgement{late, late, late}, 2, Unknown, true},
		{[]Judgement{late, good, good}, 2, Holds, true},
		{[]Judgement{good, late, good}, 2, Unknown, false},
		{[]Judgement{late}, 1, Unknown, false},
		{[]Judgement{late, good}, 1, Holds, true},
		{[]Judgement{late, late}, 1, Unknown, true},
		{[]Judgement{disturbed, disturbed}, 1, Unknown, false},
		{[]Judgement{disturbed, disturbed, disturbed}, 1, Unknown, true},
		{[]Judgement{disturbed, disturbed, disturbed, disturbed, good, good}, 2, Holds, true},
		{[]Judgement{disturbed, disturbed, disturbed, disturbed, disturbed}, 2, Unknown, true},
		{[]Judgement{good}, 1, Holds, true},
		{[]Judgement{bad}, 1, Breaks, true},
		{[]Judgement{good, good}, 3, Holds, false},
		{[]Judgement{good, good, bad, good, good, good}, 3, Holds, true},
	} {
		tried := trial{results: c.results}
		if got, sure := tried.state(Options{Repeat: c.repeat}); got != c.want || sure != c.sure {
			t.Errorf("%v, repeated %d times: %v, %t", c.results, c.repeat, got, sure)
		}
	}
}

// TestDisturbed has a disturbance in early windows, which hides all that is above them until the end.
func TestDisturbed(t *testing.T) {
	s, n := New(Options{From: 100, Least: 10, Most: 100_000, Step: 1}), 0
	windows(t, s, func(load float64) Judgement {
		if n++; n == 3 || n == 4 { // of 400
			return bad
		}
		return upTo(3000, bad)(load)
	})
	if a := s.Answer(); a.Holds < 2850 || a.Holds > 3000 || !slices.Equal(a.Revised, []float64{400}) || len(a.Above) > 0 {
		t.Errorf("%+v", a)
	}
}

// TestNotMonotonic reports loads that hold above one that doesn't, in several orders: the load that doesn't hold
// may be the last one measured.
func TestNotMonotonic(t *testing.T) {
	judgement := map[float64]Judgement{100: good, 104: bad, 400: good, 800: bad}
	for _, order := range [][]float64{{100, 104, 400, 800}, {100, 400, 800, 104}, {800, 400, 104, 100}, {104, 800, 100, 400}} {
		s := New(Options{From: 100, Least: 10, Most: 1000, Step: 1, Repeat: 1})
		for _, load := range order {
			s.Report(load, judgement[load])
		}
		if a := s.Answer(); a.Holds != 100 || a.Breaks != 104 || !slices.Equal(a.Above, []float64{400}) {
			t.Errorf("%v: %+v", order, a)
		}
		windows(t, s, upTo(500, bad)) // 104 holds when it is measured again
		if a := s.Answer(); a.Holds < 475 || a.Holds > 500 || !slices.Equal(a.Revised, []float64{104}) || len(a.Above) > 0 {
			t.Errorf("%v, once it was measured again: %+v", order, a)
		}
	}
}

// TestApart lists the windows that don't count.
func TestApart(t *testing.T) {
	s := New(Options{From: 100, Least: 10, Most: 1000, Step: 1})
	for _, r := range []struct {
		load float64
		j    Judgement
	}{{100, good}, {200, late}, {200, good}, {200, good}, {400, bad}, {400, good}, {400, bad}, {800, bad}} {
		s.Report(r.load, r.j)
	}
	a := s.Answer()
	if want := []Apart{{200, 1}, {400, 2}}; !slices.Equal(a.Apart, want) || a.Noise != 1 {
		t.Errorf("%+v, want %v apart", a, want)
	}
}

// TestInterrupted asks for the answer after each window.
func TestInterrupted(t *testing.T) {
	s := New(Options{From: 100, Least: 10, Most: 100_000, Step: 1})
	if a := s.Answer(); a.Holds != 0 || a.Breaks != 0 || a.Complete {
		t.Errorf("before the first window: %+v", a)
	}
	for load, ok := s.Next(); ok; load, ok = s.Next() {
		if s.Answer().Complete {
			t.Fatalf("after %d windows: %+v", s.windows, s.Answer())
		}
		s.Report(load, upTo(3000, bad)(load))
		if a := s.Answer(); a.Holds > 3000 || a.Breaks > 0 && a.Breaks <= 3000 {
			t.Fatalf("%+v", a)
		}
	}
	if !s.Answer().Complete {
		t.Errorf("%+v", s.Answer())
	}
}

// TestNoise searches among noise: the closer a load is to the capacity, the likelier a window is to deceive,
// and one window in 30 is disturbed by something else. Two searches must agree.
func TestNoise(t *testing.T) {
	const searches, capacity = 2000, 4321.0
	r := rand.New(rand.NewPCG(1, 2))
	off, apart, most := 0, 0, 0
	before := capacity
	for range searches {
		o := Options{From: 400, Least: 10, Most: 100_000, Step: 2}
		s := New(o)
		windows(t, s, func(load float64) Judgement {
			// The sd of a window's capacity is 4%, as p99 varies; disturbances make it fail.
			if r.Float64() < 1./30 || load > capacity*(1+.04*r.NormFloat64()) {
				return bad
			}
			return good
		})
		a := s.Answer()
		if a.Holds < .9*capacity || a.Holds > 1.1*capacity {
			off++
		}
		if ratio := a.Holds / before; ratio > 1.15 || ratio < 1/1.15 {
			apart++
		}
		before, most = a.Holds, max(most, a.Windows)
		if !a.Confirmed || a.Windows > o.Bound() {
			t.Fatalf("%+v", a)
		}
	}
	t.Logf("%.1f%% are off by more than 10%%, %.1f%% of two in a row differ by more than 15%%; at most %d windows",
		100*float64(off)/searches, 100*float64(apart)/searches, most)
	if off > searches/50 || apart > searches/50 {
		t.Errorf("%d of %d searches are off by more than 10%%, %d of two in a row differ by more than 15%%", off, searches, apart)
	}
}

// TestWindows ends a search after the given number of windows.
func TestWindows(t *testing.T) {
	s := New(Options{From: 100, Least: 10, Most: 1e6, Windows: 5})
	if n := len(windows(t, s, upTo(1e9, bad))); n != 5 || s.Answer().Complete {
		t.Errorf("%d windows, %+v", n, s.Answer())
	}
	usual, bound := Options{From: 1000, Least: 10, Most: 20_000}.Usual(), Options{From: 1000, Least: 10, Most: 20_000}.Bound()
	n := len(windows(t, New(Options{From: 1000, Least: 10, Most: 20_000}), upTo(5000, bad)))
	if usual < n-4 || usual > n+4 || bound < n {
		t.Errorf("%d windows, and %d are usual and %d the most", n, usual, bound)
	}
}
