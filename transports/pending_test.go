package transports_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
)

// TestPending acknowledges messages in order and out of order, each once.
func TestPending(t *testing.T) {
	p := transports.Pending{Overdue: func() {}}
	var got []uint64
	for n := uint64(1); n <= 4; n++ {
		if err := p.Add(n, time.Minute, func(error) { got = append(got, n) }); err != nil {
			t.Fatal(err)
		}
	}
	p.Take(3)(nil)
	p.Oldest()(nil)
	if p.Take(3) != nil || p.Take(9) != nil {
		t.Error("a message was acknowledged twice, or one that was not sent")
	}
	why := errors.New("the link broke")
	rest, reason := p.End(why)
	for _, stored := range rest {
		stored(reason)
	}
	if reason != why || len(got) != 4 || got[0] != 3 || got[1] != 1 || got[2] != 2 || got[3] != 4 {
		t.Errorf("%v, ended by %v", got, reason)
	}
	if rest, again := p.End(errors.New("another one")); again != why || len(rest) > 0 || p.Add(5, time.Minute, nil) != why || p.Oldest() != nil {
		t.Errorf("ended again by %v, with %d messages", again, len(rest))
	}
}

// TestPendingOverdue notices a message that is not acknowledged in time, and sets a timer only while one waits.
func TestPendingOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan time.Time, 9)
		p := transports.Pending{Overdue: func() { late <- time.Now() }}
		add := func() {
			if err := p.Add(1, transports.AnswerTime, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			add()
			time.Sleep(transports.AnswerTime - time.Nanosecond)
			p.Oldest()(nil)
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		add()
		time.Sleep(3 * time.Second)
		add()
		p.Oldest()(nil)
		time.Sleep(time.Hour)
		if n := len(late); n != 1 {
			t.Fatalf("overdue %d times, want once", n)
		}
		if after := (<-late).Sub(begun); after != 3*time.Second+transports.AnswerTime {
			t.Errorf("overdue after %v, want 10 s after the second message", after)
		}
	})
}
