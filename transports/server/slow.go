package server

import "time"

// Slowness makes a server slow on purpose: a check for regressions that has never failed proves
// nothing. Each of the two touches one thing that is measured, and the other as little as can be.
type Slowness struct {
	Burn  time.Duration // of CPU for each answer and each frame, after it was written: nobody waits for it
	Delay time.Duration // before each of them, asleep
}

func (s Slowness) before() {
	if s.Delay > 0 {
		time.Sleep(s.Delay) //nolint:forbidigo // a slow server does not hurry because somebody leaves
	}
}

func (s Slowness) after() {
	for begun := time.Now(); time.Since(begun) < s.Burn; {
	}
}
