package loadgen

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"pushpull/loadgen/result"
)

// DuetOptions say how two servers are measured as a pair.
type DuetOptions struct {
	Scenario   Scenario // its rounds are the pairs
	Base, Head Side
	Slices     int            // windows that each pair takes of each transport on each side; 0: one
	First      int            // number of the first pair, so that a fresh run draws plans of its own; 0: 1
	Progress   func(Progress) // as in Options
}

// Duet measures two servers pairwise: in each pair it takes, in turns, Slices short windows of
// both sides on each transport. Both get the same plan at the same time of the run, and which of
// them goes first is drawn for each pair: whatever the machine does meanwhile, it does to both.
// Windows are handed to emit as they end; their Round is the number of the pair. For the rest it
// is like Run.
func Duet(ctx context.Context, o DuetOptions, emit func(head bool, w *result.Window) error) error {
	s := o.Scenario
	if err := errors.Join(s.Validate(), Fit(s)); err != nil {
		return err
	}
	slices, first := max(1, o.Slices), max(1, o.First)
	progress := o.Progress
	if progress != nil {
		progress = func(now Progress) {
			now.Round -= first - 1
			o.Progress(now)
		}
	}
	at := Progress{Rounds: s.Rounds, Windows: s.Rounds * slices * len(s.Transports) * 2, Users: s.Users}
	begun := time.Now()
	for pair := first; pair < first+s.Rounds; pair++ {
		random := rand.New(rand.NewPCG(s.Seed, ^uint64(pair)))
		headFirst := random.IntN(2) == 1
		for slice := range slices {
			plan := NewPlan(s, (pair-1)*slices+slice+1)
			for _, i := range random.Perm(len(s.Transports)) {
				for turn := range 2 {
					head := headFirst == (turn == 0)
					side := o.Base
					if head {
						side = o.Head
					}
					at.Window++
					at.Round, at.Transport, at.Head, at.Planned = pair, s.Transports[i], head, len(plan.Sends)
					at.Left = rest(begun, at)
					err := side.take(ctx, s, plan, at, progress, func(w *result.Window) error { return emit(head, w) })
					if err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// rest returns about how long the windows from at on take: as long as those before, on average.
// Of the first one nothing is known yet but its usual length.
func rest(begun time.Time, at Progress) time.Duration {
	const usual = 500 * time.Millisecond
	done := at.Window - 1
	if done == 0 {
		return time.Duration(at.Windows) * usual
	}
	return time.Since(begun) / time.Duration(done) * time.Duration(at.Windows-done)
}
