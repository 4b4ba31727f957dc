//go:build !linux

package alarm

import (
	"context"
	"errors"
	"time"
)

// An Alarm wakes one goroutine at given times, as exactly as Go's timers do.
type Alarm struct {
	timer  *time.Timer
	closed chan struct{}
}

// New returns an Alarm. The caller must close it.
func New() (*Alarm, error) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &Alarm{timer, make(chan struct{})}, nil
}

// Set makes the alarm ring at t, in place of the time that was set before. It may be called while Ring waits, but not
// after Close.
func (a *Alarm) Set(t time.Time) error {
	a.timer.Reset(time.Until(t))
	return nil
}

// Ring waits until the alarm rings. It returns an error once the alarm is closed.
func (a *Alarm) Ring() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.closed:
		return errors.New("waiting for a timer: it is closed")
	}
}

// Wait returns at t, or with the cause of ctx if that ends first. Once ctx has ended, the alarm can't be used again.
func (a *Alarm) Wait(ctx context.Context, t time.Time) error {
	a.timer.Reset(time.Until(t))
	select {
	case <-a.timer.C:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// Close ends a wait. Later ones return at once.
func (a *Alarm) Close() {
	a.timer.Stop()
	close(a.closed)
}
