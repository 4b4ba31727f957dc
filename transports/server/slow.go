package server

import (
	"context"
	"sync/atomic"
	"time"
)

// Slowness makes a server slow on purpose: a check for regressions that has never failed proves
// nothing.
type Slowness struct {
	Burn  time.Duration // of CPU for each answer and each frame, aside, so that no message is later for it
	Delay time.Duration // before each of them, asleep; to wake up costs CPU, too
}

// burnStep is how often a server burns what it owes: often enough for a short window to hold its
// share, and seldom enough for few messages to meet a processor that is busy with it.
const burnStep = 10 * time.Millisecond

// slowness is a Slowness at work.
type slowness struct {
	Slowness
	owed atomic.Int64 // nanoseconds of CPU
}

// write is called before each answer and each frame.
func (s *slowness) write() {
	if s.Delay > 0 {
		time.Sleep(s.Delay) //nolint:forbidigo // a slow server does not hurry because somebody leaves
	}
	if s.Burn > 0 {
		s.owed.Add(int64(s.Burn))
	}
}

// burn burns what is owed, until ctx ends.
func (s *slowness) burn(ctx context.Context) {
	ticker := time.NewTicker(burnStep)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.pay()
	}
}

// pay burns what is owed now.
func (s *slowness) pay() {
	owed := time.Duration(s.owed.Swap(0))
	for begun := time.Now(); time.Since(begun) < owed; {
	}
}
