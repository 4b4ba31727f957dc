package loadgen

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, wait := range []time.Duration{-time.Second, 0, time.Microsecond, time.Millisecond, 30 * time.Millisecond} {
		at := time.Now().Add(wait)
		if err := a.wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(at); late < 0 || wait > 0 && late > soon {
			t.Errorf("an alarm in %v was %v late", wait, late)
		}
	}
}

// TestAlarmCancelled ends ctx during a long wait. Later waits return at once.
func TestAlarmCancelled(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.wait(ctx, time.Now().Add(time.Hour)) }()
	cancel(errGone)
	within(t, done, func(err error) {
		if !errors.Is(err, errGone) {
			t.Errorf("got %v, want the cause of ctx", err)
		}
	})
	for _, wait := range []time.Duration{-time.Hour, time.Hour} {
		if err := a.wait(ctx, time.Now().Add(wait)); !errors.Is(err, errGone) {
			t.Errorf("after ctx ended: %v, want its cause", err)
		}
	}
}
