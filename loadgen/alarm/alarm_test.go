package alarm

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errGone = errors.New("gone")

// soon is much longer than an alarm may be late on a busy machine.
const soon = 10 * time.Second

func within[T any](t *testing.T, from <-chan T, check func(T)) {
	t.Helper()
	select {
	case got := <-from:
		check(got)
	case <-time.After(soon):
		t.Fatal("it took too long")
	}
}

func TestAlarm(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, wait := range []time.Duration{-time.Second, 0, time.Microsecond, time.Millisecond, 30 * time.Millisecond} {
		at := time.Now().Add(wait)
		if err := a.Wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(at); late < 0 || wait > 0 && late > soon {
			t.Errorf("an alarm in %v was %v late", wait, late)
		}
	}
}

// TestAlarmCancelled ends ctx during a long wait. Later waits return at once.
func TestAlarmCancelled(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Wait(ctx, time.Now().Add(time.Hour)) }()
	cancel(errGone)
	within(t, done, func(err error) {
		if !errors.Is(err, errGone) {
			t.Errorf("got %v, want the cause of ctx", err)
		}
	})
	for _, wait := range []time.Duration{-time.Hour, time.Hour} {
		if err := a.Wait(ctx, time.Now().Add(wait)); !errors.Is(err, errGone) {
			t.Errorf("after ctx ended: %v, want its cause", err)
		}
	}
}

// TestSet moves the time of an alarm for which a goroutine waits already, and then closes it.
func TestSet(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	rang := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			err := a.Ring()
			rang <- err
			if err != nil {
				return
			}
		}
	}()
	for _, at := range []time.Time{time.Now().Add(time.Hour), time.Now(), time.Now().Add(-time.Hour)} {
		if err := a.Set(at); err != nil {
			t.Fatal(err)
		}
		if time.Until(at) > soon {
			continue
		}
		within(t, rang, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	a.Close()
	within(t, rang, func(err error) {
		if err == nil {
			t.Error("a closed alarm rang")
		}
	})
	<-ended
}
