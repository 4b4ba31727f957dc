package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// Slowness makes a server slow on purpose, to prove that a check for regressions can fail.
type Slowness struct {
	Burn  time.Duration // CPU time for each write of a response or frame, burnt in the background so as not to delay it
	Delay time.Duration // sleep before each such write; waking up costs some CPU, too
}

// burnStep is the CPU time burnt at once. It is short enough that a short window gets its share
// and messages are hardly delayed, and long enough to be worth a goroutine.
const burnStep = 100 * time.Microsecond

// slowness applies a Slowness.
type slowness struct {
	Slowness
	owed    atomic.Int64 // nanoseconds of CPU still to burn
	burning sync.WaitGroup
}

// write must be called before each write to a connection.
func (s *slowness) write() {
	if s.Delay > 0 {
		time.Sleep(s.Delay) //nolint:forbidigo // a slow server stays slow when its client leaves
	}
	if s.Burn > 0 && s.owed.Add(int64(s.Burn)) >= int64(burnStep) {
		s.burning.Go(s.pay)
	}
}

// pay burns the CPU time owed.
func (s *slowness) pay() {
	owed := time.Duration(s.owed.Swap(0))
	for begun := time.Now(); time.Since(begun) < owed; {
	}
}
