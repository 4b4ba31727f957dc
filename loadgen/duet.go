package loadgen

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"pushpull/loadgen/result"
)

// DuetOptions are the options of Duet.
type DuetOptions struct {
	Scenario   Scenario // Rounds is the number of pairs
	Base, Head Side
	Slices     int            // turns per pair and transport; 0: one
	First      int            // number of the first pair; pairs with other numbers have other plans; 0: 1
	Progress   func(Progress) // as in Options
}

// A turn is a window of each side, with one plan, measured one directly after the other.
type turn struct {
	transport string
	plan      *Plan
	spoiled   [2]int // times that the generator spoiled the window of base or head, and the turn was measured again
}

// spare returns how many of a number of turns may be measured again.
func spare(turns int) int { return (turns + 3) / 4 }

// Duet measures two servers pairwise. A pair consists of Slices turns on each transport. The two
// windows of a turn have the same plan and follow each other directly, and which side goes first is
// drawn for each pair, so that disturbances of the machine affect both sides alike.
//
// A turn in which the generator was late on either side (result.Window.GeneratorLate) is measured again
// at the end of its pair, both windows of it, and the former windows are dropped. At most a quarter of
// all turns is measured again; after that late windows are kept. Window.Spoiled counts the dropped ones,
// as a server that starves the generator spoils more windows than its counterpart.
//
// Duet hands each window to emit as its turn ends; its Round is the number of the pair. When ctx ends, emit
// fails or a window can't be measured, it behaves like Run, except that it ends once either side is down, or
// could not be measured at all in the first pair: there is nothing to compare.
//
// Either side may be a foreign server, with a Dialect. Its transports have plain names, like those of pushpull's own
// server, and those that it lacks are not measured on either side.
func Duet(ctx context.Context, o DuetOptions, emit func(head bool, w *result.Window) error) error {
	s, _, err := o.Resolved()
	if err != nil {
		return err
	}
	for _, side := range []*Side{&o.Base, &o.Head} {
		l := side.layout(nil)
		l.clients = side.client
		if err := CheckLimits(s, l); err != nil {
			return err
		}
	}
	sides, closePrograms, err := withPrograms(o.Base, o.Head)
	if err != nil {
		return err
	}
	defer closePrograms()
	slices, first := max(1, o.Slices), max(1, o.First)
	progress := o.Progress
	if progress != nil {
		progress = func(now Progress) {
			now.Round -= first - 1
			o.Progress(now)
		}
	}
	measured := s.Measured()
	turns := s.Rounds * slices * len(measured)
	at := Progress{Rounds: s.Rounds, Windows: 2 * turns, Users: s.Users}
	left := spare(turns)
	begun := time.Now()
	for pair := first; pair < first+s.Rounds; pair++ {
		random := rand.New(rand.NewPCG(s.Seed, ^uint64(pair)))
		headFirst := random.IntN(2) == 1
		var turns []turn
		for slice := range slices {
			plan := NewPlan(s, (pair-1)*slices+slice+1)
			for _, i := range random.Perm(len(measured)) {
				turns = append(turns, turn{transport: measured[i], plan: plan})
			}
		}
		measure := func(t turn, head bool) (*result.Window, error) {
			at.Window++
			at.Round, at.Transport, at.Head, at.Planned = pair, t.transport, head, len(t.plan.Sends)
			at.Left = rest(begun, at)
			side := sides[sideOf(head)]
			w, err := side.take(ctx, s, t.plan, at, progress)
			if end := cmp.Or(err, side.last); end != nil {
				if w != nil && w.Failed != "" && len(side.measured) == 0 {
					w = nil // there is no result of the side
				}
				return w, end
			}
			return w, nil
		}
		again := func() bool {
			if left == 0 {
				return false
			}
			left--
			at.Windows += 2
			return true
		}
		if err := takeTurns(turns, headFirst, measure, again, emit); err != nil {
			return err
		}
		for _, side := range sides {
			if len(side.measured) == 0 {
				return side.first
			}
		}
	}
	return nil
}

// takeTurns measures the turns of a pair, and those that the generator spoiled once more at the end, as
// long as again, which it calls before each, returns true. A turn of which a window failed is not comparable, and
// not measured again. An error ends the pair. What was measured
// until then is emitted.
func takeTurns(
	turns []turn, headFirst bool, measure func(t turn, head bool) (*result.Window, error),
	again func() bool, emit func(head bool, w *result.Window) error,
) error {
	for len(turns) > 0 {
		t := turns[0]
		turns = turns[1:]
		var windows [2]*result.Window // of base and head
		var err error
		late, failed := false, false
		for _, head := range []bool{headFirst, !headFirst} {
			i := sideOf(head)
			windows[i], err = measure(t, head)
			if err != nil {
				break
			}
			late, failed = late || windows[i].GeneratorLate(), failed || windows[i].Failed != ""
		}
		if err == nil && late && !failed && again() {
			for i, w := range windows {
				if w.GeneratorLate() {
					t.spoiled[i]++
				}
			}
			turns = append(turns, t)
			continue
		}
		var lost []error
		for _, head := range []bool{headFirst, !headFirst} {
			i := sideOf(head)
			if windows[i] == nil {
				continue
			}
			windows[i].Spoiled = t.spoiled[i]
			lost = append(lost, emit(head, windows[i]))
		}
		if err := cmp.Or(errors.Join(lost...), err); err != nil {
			return err
		}
	}
	return nil
}

// sideOf returns the index of a side: 0 for base, 1 for head.
func sideOf(head bool) int {
	if head {
		return 1
	}
	return 0
}

// rest estimates the time that the window at and those after it take, from the mean of those before.
func rest(begun time.Time, at Progress) time.Duration {
	const usual = 500 * time.Millisecond // guess for a window, until one has been measured
	done := at.Window - 1
	if done == 0 {
		return time.Duration(at.Windows) * usual
	}
	return time.Since(begun) / time.Duration(done) * time.Duration(at.Windows-done)
}
