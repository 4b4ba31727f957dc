// Package search finds the largest load that holds: it says which load to measure next, judges the windows of
// that load, and draws the conclusion.
//
// It measures nothing, knows no clock and no chance, and writes no reports: the same windows give the same
// answer. It gives no capacity where a limit other than the servers' was met first, only a lower bound.
package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Options are the options of a search. Loads are in any unit, like users.
type Options struct {
	From  float64 // the first load, from Least to Most
	Least float64 // no smaller load is tried; more than 0
	Most  float64 // no larger one is
	Step  float64 // loads are multiples of it, like the members of a room; 0: numbers of three digits

	// Precision is by how much the smallest load that doesn't hold may exceed the largest one that does,
	// like .05. 0: 5%
	Precision float64

	// Repeat is how many windows in a row must hold so that a load does. A load doesn't hold once two of its
	// windows don't, as a single one may be noise; with a Repeat of 1, the first one counts. A window that can't be
	// judged is measured again: one more of them than that decides that the load can't be either. Where other
	// programs may be the reason, it takes twice as many. 0: 2
	Repeat int

	// Windows is how many windows the search takes at most. 0: as many as Options.Bound returns
	Windows int
}

func (o Options) withDefaults() Options {
	o.Precision = cmp.Or(o.Precision, .05)
	o.Repeat = max(1, cmp.Or(o.Repeat, 2))
	o.Windows = cmp.Or(o.Windows, o.Bound())
	return o
}

// Usual returns how many windows a search takes if the answer is somewhere between its bounds and no window
// is noise.
func (o Options) Usual() int {
	o.Precision, o.Repeat = cmp.Or(o.Precision, .05), max(1, cmp.Or(o.Repeat, 2))
	up := math.Log2(max(2, o.Most/o.From)) / 2
	return int(math.Ceil(up)) + o.fails() + int(math.Ceil(float64(o.halvings())*float64(o.Repeat+o.fails())/2)) + o.Repeat
}

// Bound returns a number of windows that only a search among much noise needs.
func (o Options) Bound() int {
	o.Precision, o.Repeat = cmp.Or(o.Precision, .05), max(1, cmp.Or(o.Repeat, 2))
	far := math.Log2(max(2, o.Most/o.From)) + math.Log2(max(2, o.From/o.Least))
	return 2*int(math.Ceil(far)) + 3*(o.halvings()+2)*(o.Repeat+1)
}

// halvings returns how many bisections lead from a factor of two to the precision.
func (o Options) halvings() int {
	return max(1, int(math.Ceil(math.Log2(math.Ln2/math.Log1p(o.Precision)))))
}

// fails returns how many windows that don't hold decide a load.
func (o Options) fails() int { return min(2, o.Repeat) }

// A Search is a search that is under way. It doubles the load, from a first one, until it doesn't hold, or halves
// it until it does, and then bisects. Call Next, measure a window of the load, and Report it, until Next
// returns false.
//
// While it doubles, one window that holds suffices to go on. The load of the answer is confirmed, and before the
// search ends it measures the smallest load that didn't hold once more, as a disturbance in an early window would
// hide all that is above it.
type Search struct {
	options Options
	tried   []*trial // by load
	last    *trial   // that of the last Report
	windows int
}

// New begins a search.
func New(o Options) *Search { return &Search{options: o.withDefaults()} }

// A trial is a load that was measured.
type trial struct {
	load    float64
	results []Judgement // since it was last measured anew
	before  []Judgement // that decided it, while it is measured again
	checked bool        // it was measured again, or is
}

// state returns what is known of the load. sure is false if it takes another window to confirm it, or to
// know anything. A window that can't be judged is measured again, and only several of them decide.
func (t *trial) state(o Options) (v Verdict, sure bool) {
	if t.before != nil {
		first, _ := (&trial{results: t.before}).state(o)
		again, sure := (&trial{results: t.results}).state(o)
		if len(t.results) == 0 || again != Holds { // the first decision stands
			return first, true
		}
		if !sure {
			return first, false
		}
		return Holds, true
	}
	holds, breaks, unknown := 0, 0, 0 // holds: in a row, at the end; the others by their weight
	for _, j := range t.results {
		switch {
		case j.Verdict == Holds:
			holds++
		case j.Certain:
			return Breaks, true
		case j.Verdict == Breaks:
			holds, breaks = 0, breaks+j.weight()
		default:
			holds, unknown = 0, unknown+j.weight()
		}
	}
	switch {
	case breaks >= 2*o.fails():
		return Breaks, true
	case unknown > 2*o.fails():
		return Unknown, true
	case holds >= o.Repeat:
		return Holds, true
	case breaks+unknown == 0 && holds > 0:
		return Holds, false
	case breaks > 0:
		return Breaks, false
	}
	return Unknown, false
}

// why returns the judgement that explains why a load doesn't hold, or why that can't be known: the first one.
func (t *trial) why(o Options) (first Judgement) {
	v, _ := t.state(o)
	for _, j := range slices.Concat(t.before, t.results) {
		if j.Verdict == v {
			return j
		}
	}
	return Judgement{}
}

// bounds returns the smallest load that doesn't hold, and the largest one below it that does; nil: there is none.
func (s *Search) bounds() (holds, fails *trial) {
	for _, t := range s.tried {
		if v, _ := t.state(s.options); v != Holds {
			return holds, t
		}
		holds = t
	}
	return holds, nil
}

// Next returns the load to measure next, or false if the search is over.
func (s *Search) Next() (load float64, ok bool) {
	o := s.options
	if s.windows >= o.Windows {
		return 0, false
	}
	if len(s.tried) == 0 {
		return s.round(o.From), true
	}
	for _, t := range s.tried { // one that some windows don't decide
		if v, sure := t.state(o); !sure && v != Holds {
			return t.load, true
		}
	}
	holds, fails := s.bounds()
	switch {
	case fails == nil:
		if next := s.round(2 * holds.load); next > holds.load {
			return next, true
		}
		return s.confirm(holds, nil)
	case holds == nil:
		if next := s.round(fails.load / 2); next < fails.load {
			return next, true
		}
		return s.confirm(nil, fails)
	case fails.load <= holds.load*(1+o.Precision):
		return s.confirm(holds, fails)
	}
	middle := s.round(math.Sqrt(holds.load * fails.load))
	if middle <= holds.load && o.Step > 0 {
		middle = holds.load + o.Step
	}
	if middle <= holds.load || middle >= fails.load {
		return s.confirm(holds, fails)
	}
	if v, sure := holds.state(o); v == Holds && !sure && holds == s.last {
		return holds.load, true // found by bisection: each of these steps is confirmed
	}
	return middle, true
}

// confirm returns the bound that must be measured again before the search may end. A bound that doesn't hold
// counts at once if it was measured last, unless a larger load holds.
func (s *Search) confirm(holds, fails *trial) (load float64, ok bool) {
	if holds != nil {
		if _, sure := holds.state(s.options); !sure {
			return holds.load, true
		}
	}
	if fails != nil && (fails != s.last || s.holdsAbove(fails)) && !fails.checked && !fails.why(s.options).Certain {
		return fails.load, true
	}
	return 0, false
}

// holdsAbove reports whether a larger load than that of t holds.
func (s *Search) holdsAbove(t *trial) bool {
	return slices.ContainsFunc(s.tried, func(above *trial) bool {
		v, _ := above.state(s.options)
		return above.load > t.load && v == Holds
	})
}

// round returns the nearest load that can be measured.
func (s *Search) round(load float64) float64 {
	o := s.options
	whole := func(x float64, up bool) float64 {
		step := o.Step
		if step == 0 {
			step = math.Pow10(int(math.Floor(math.Log10(x))) - 2)
		}
		steps := math.Floor(x/step + 1e-9)
		if up {
			steps = math.Ceil(x/step - 1e-9)
		}
		if o.Step > 0 {
			return steps * step
		}
		plain, _ := strconv.ParseFloat(strconv.FormatFloat(steps*step, 'g', 6, 64), 64) // always parses; .3, not .30000000000000004
		return plain
	}
	switch {
	case load <= o.Least:
		return whole(o.Least, true)
	case load >= o.Most:
		return whole(o.Most, false)
	}
	below, above := whole(load, false), whole(load, true)
	if load-below <= above-load && below >= o.Least || above > o.Most {
		return below
	}
	return above
}

// Report adds the judgement of a window of a load, which need not be that of Next.
func (s *Search) Report(load float64, j Judgement) {
	i, found := slices.BinarySearchFunc(s.tried, load, func(t *trial, load float64) int { return cmp.Compare(t.load, load) })
	if !found {
		s.tried = slices.Insert(s.tried, i, &trial{load: load})
	}
	t := s.tried[i]
	if v, sure := t.state(s.options); found && sure && v != Holds && !t.checked {
		t.before, t.results, t.checked = t.results, nil, true
	}
	t.results = append(t.results, j)
	s.last = t
	s.windows++
}

// An Answer is what a search has found so far.
type Answer struct {
	Holds     float64   // the largest load below Breaks that holds; 0: none does
	Confirmed bool      // as many windows of it as asked for
	Breaks    float64   // the smallest load that doesn't hold, or of which that can't be known; 0: none was tried
	Why       Judgement // of Breaks; zero if there is none
	AtLeast   bool      // Holds is no capacity: the limit met above it is not the servers'
	Complete  bool      // the two are as close as asked for, or there is nothing left to try

	Noise   int       // windows that didn't hold, of loads that do
	Apart   []Apart   // windows that say something else than the others of their load
	Revised []float64 // loads that didn't hold, or couldn't be judged, and did hold when they were measured again
	Above   []float64 // loads above Breaks that hold nevertheless
	Windows int       // measured
}

// An Apart is a window that doesn't count, as those of its load that decide say something else.
type Apart struct {
	Load   float64
	Window int // of those of the load, in the order of Report, from 1
}

// Answer returns what was found so far.
func (s *Search) Answer() Answer {
	a := Answer{Windows: s.windows}
	holds, fails := s.bounds()
	if holds != nil {
		a.Holds = holds.load
		_, a.Confirmed = holds.state(s.options)
	}
	if fails != nil {
		a.Breaks, a.Why = fails.load, fails.why(s.options)
		v, _ := fails.state(s.options)
		a.AtLeast = v != Breaks
	} else {
		a.AtLeast = true
	}
	for _, t := range s.tried {
		v, sure := t.state(s.options)
		for i, j := range slices.Concat(t.before, t.results) {
			if j.Verdict != v {
				a.Apart = append(a.Apart, Apart{t.load, i + 1})
			}
		}
		if v != Holds {
			continue
		}
		if fails != nil && t.load > fails.load {
			a.Above = append(a.Above, t.load)
		}
		if sure && t.before != nil {
			a.Revised = append(a.Revised, t.load)
		}
		for _, j := range slices.Concat(t.before, t.results) {
			if j.Verdict != Holds {
				a.Noise++
			}
		}
	}
	_, more := s.Next()
	a.Complete = !more && s.windows < s.options.Windows
	return a
}
