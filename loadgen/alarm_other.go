//go:build !linux

package loadgen

import (
	"context"
	"time"
)

// An alarm wakes one goroutine at given times, as exactly as Go's timers do.
type alarm struct {
	timer *time.Timer
}

func newAlarm() (*alarm, error) { return &alarm{time.NewTimer(0)}, nil }

// wait returns at t, or with the cause of ctx if that ends first.
func (a *alarm) wait(ctx context.Context, t time.Time) error {
	a.timer.Reset(time.Until(t))
	select {
	case <-a.timer.C:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

func (a *alarm) close() { a.timer.Stop() }
