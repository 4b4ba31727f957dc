package transports

import (
	"context"
	"time"
)

// Ticks are the times at which a user polls on a timer. A poll that takes longer than Every skips the ticks that
// it missed. It is not safe for concurrent use.
type Ticks struct {
	Every time.Duration // 0: the user polls again at once

	next  time.Time // zero: not started
	timer *time.Timer
}

// Start starts the timer with a tick now, or goes on after Stop with the ticks of the same timer.
func (t *Ticks) Start() {
	if t.Every == 0 {
		return
	}
	if t.next.IsZero() {
		t.next = time.Now()
	}
	t.timer = time.NewTimer(t.Every)
}

// Wait waits for the next tick, and returns false if ctx ends first.
func (t *Ticks) Wait(ctx context.Context) bool {
	if t.Every == 0 {
		return true
	}
	for now := time.Now(); !t.next.After(now); {
		t.next = t.next.Add(t.Every)
	}
	t.timer.Reset(time.Until(t.next))
	select {
	case <-ctx.Done():
		return false
	case <-t.timer.C:
		return true
	}
}

// Stop stops the timer. It must be called after Start.
func (t *Ticks) Stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}
