package alarm

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An Alarm wakes one goroutine at given times.
type Alarm struct {
	fd   int
	file *os.File
}

// New returns an Alarm. The caller must close it.
func New() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating a timer: %w", err)
	}
	return &Alarm{fd: fd, file: os.NewFile(uintptr(fd), "timer")}, nil
}

// Set makes the alarm ring at t, in place of the time that was set before. It may be called while Ring waits, but not
// after Close.
func (a *Alarm) Set(t time.Time) error {
	left := max(1, time.Until(t)) // 0 would stop the timer
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
	if err := unix.TimerfdSettime(a.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("setting a timer: %w", err)
	}
	return nil
}

// Ring waits until the alarm rings. It returns an error once the alarm is closed.
func (a *Alarm) Ring() error {
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil {
		return fmt.Errorf("waiting for a timer: %w", err)
	}
	return nil
}

// Wait returns at t, or with the cause of ctx if that ends first. Once ctx has ended, the alarm can't be used again.
func (a *Alarm) Wait(ctx context.Context, t time.Time) error {
	if time.Until(t) <= 0 {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { a.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := a.Set(t); err != nil {
		return err
	}
	if err := a.Ring(); err != nil && ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// Close ends a wait. Later ones return at once.
func (a *Alarm) Close() { a.file.Close() }
