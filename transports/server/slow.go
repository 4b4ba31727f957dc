package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// Slowness makes a server slow on purpose: a check for regressions that has never failed proves
// nothing.
type Slowness struct {
	Burn  time.Duration // of CPU for each answer and each frame, aside, so that no message is later for it
	Delay time.Duration // before each of them, asleep; to wake up costs CPU, too
}

// burnStep is how much is owed before it is burnt: little enough for a short window to hold its
// share and no message to be much later for it, and enough to be worth a goroutine.
const burnStep = 100 * time.Microsecond

// slowness is a Slowness at work.
type slowness struct {
	Slowness
	owed    atomic.Int64 // nanoseconds of CPU
	burning sync.WaitGroup
}

// write is called before each answer and each frame.
func (s *slowness) write() {
	if s.Delay > 0 {
		time.Sleep(s.Delay) //nolint:forbidigo // a slow server does not hurry because somebody leaves
	}
	if s.Burn > 0 && s.owed.Add(int64(s.Burn)) >= int64(burnStep) {
		s.burning.Go(s.pay)
	}
}

// pay burns what is owed.
func (s *slowness) pay() {
	owed := time.Duration(s.owed.Swap(0))
	for begun := time.Now(); time.Since(begun) < owed; {
	}
}
