package loadgen

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at given times. Go's own timers are rounded up to the next millisecond
// if nothing else runs; half a millisecond, on average, would be part of every latency. A timerfd is
// about 0.04 ms late (BenchmarkAlarm).
type alarm struct {
	fd   int
	file *os.File
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating a timer: %w", err)
	}
	return &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timer")}, nil
}

// wait returns at t, or with the cause of ctx if that ends first.
func (a *alarm) wait(ctx context.Context, t time.Time) error {
	left := time.Until(t)
	if left <= 0 {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { a.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
	if err := unix.TimerfdSettime(a.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("setting a timer: %w", err)
	}
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil && ctx.Err() == nil {
		return fmt.Errorf("waiting for a timer: %w", err)
	}
	return context.Cause(ctx)
}

func (a *alarm) close() { a.file.Close() }
