package loadgen

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/result"
)

// A room has more messages than one word of the ledger has bits: each counts once, and once more as a
// duplicate when it arrives again.
func TestLedgerOfManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		var sends []Send
		for i := range n {
			sends = append(sends, Send{At: s + time.Duration(i)*10*time.Millisecond, User: 0})
		}
		d := newDesk(sends...)
		d.until(4 * s)
		for i := range n {
			d.send(i)
			d.deliver(1, i)
			d.deliver(2, i)
		}
		want := counts{planned: n, sent: n, expected: 2 * n, delivered: 2 * n}
		if got := countsOf(d.window(d.plan.End, true)); got != want {
			t.Errorf("every message arrived once: %+v, want %+v", got, want)
		}
		for i := range n {
			d.deliver(1, i)
		}
		want.duplicated = n
		if got := countsOf(d.window(d.plan.End, true)); got != want {
			t.Errorf("every message reached one member again: %+v, want %+v", got, want)
		}
	})
}

// TestLedgerSoFar checks the counts that the progress shows during a window.
func TestLedgerSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(Send{At: s / 2, User: 0}, Send{At: 2 * s, User: 0}, Send{At: 3 * s, User: 3}, Send{At: 3 * s, User: 4})
		d.until(4 * s)
		check := func(what string, sent, expected, delivered int) {
			t.Helper()
			e, c := d.soFar()
			if got := int(d.sent.Load()); got != sent || e != expected || c != delivered {
				t.Errorf("%s: %d sent, %d of %d delivered; want %d, %d of %d", what, got, c, e, sent, delivered, expected)
			}
		}
		check("nothing happened", 0, 0, 0)
		d.send(0)
		check("a message of the warm-up is stored", 1, 0, 0)
		d.send(1)
		check("a message is stored", 2, 2, 0)
		d.deliver(1, 1)
		check("it has reached one member", 2, 2, 1)
		d.accepted(2, time.Now(), errors.New("refused"))
		check("another one is refused", 3, 2, 1)
		d.deliver(3, 3)
		check("a third one arrives before its acknowledgement", 3, 2, 2)
	})
}

// A send that fails is an error, unless the users leave early: then the message was under way.
func TestLedgerOfFailedSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(Send{At: 2 * s, User: 0}, Send{At: 3 * s, User: 1}, Send{At: 3 * s, User: 3})
		d.until(4 * s)
		d.accepted(0, time.Now(), errors.New("refused"))
		d.interrupted.Store(true)
		d.accepted(1, time.Now(), errors.New("cut off"))
		d.accepted(2, time.Now(), nil)
		if d.finished[1].Load() || d.stored[1].Load() || !d.stored[2].Load() {
			t.Error("a send that was cut off counts as ended, or one that was stored does not")
		}
		w := d.window(d.plan.End, false)
		if want := []result.Failure{{Text: "refused", Count: 1}}; fmt.Sprint(w.Errors) != fmt.Sprint(want) || w.FailedRequests != 1 {
			t.Errorf("errors %v, %d failed requests; want %v", w.Errors, w.FailedRequests, want)
		}
		if w.Planned != 2 || w.Sent != 1 {
			t.Errorf("%d of %d messages were sent, want 1 of 2", w.Sent, w.Planned)
		}
	})
}

// The same error on the connections of several users is counted as one, without their addresses.
func TestLedgerJoinsErrorsOfConnections(t *testing.T) {
	d := newDesk()
	for port := range 3 {
		op := &net.OpError{
			Op: "read", Net: "tcp", Addr: &net.TCPAddr{Port: port}, Err: errors.New("connection reset by peer"),
		}
		d.fail(fmt.Errorf("receiving: %w", op))
	}
	w := d.window(d.plan.End, true)
	if len(w.Errors) != 1 || w.Errors[0].Count != 3 || w.Errors[0].Text != "receiving: connection reset by peer" {
		t.Errorf("errors %v, want one that occurred three times", w.Errors)
	}
}

// Messages of one sender that were sent apart and come in one instant, more than once, have waited in a buffer on their way.
func TestBunched(t *testing.T) {
	begun := time.Now()
	at := func(ms float64) time.Time { return begun.Add(time.Duration(ms * float64(time.Millisecond))) }
	for _, c := range []struct {
		name  string
		came  []float64 // ms
		sent  []int     // ms
		count int
	}{
		{"as they were sent", []float64{1, 201, 401}, []int{0, 200, 400}, 0},
		{"sent together", []float64{1, 1.1, 1.2}, []int{0, 1, 50}, 0},
		{"held back by a pause", []float64{500, 500.1, 500.2, 500.3}, []int{0, 120, 240, 360}, 0},
		{"held back again and again", []float64{500, 500.1, 500.2, 1000, 1000.1, 1000.2, 1000.3}, []int{0, 120, 240, 500, 620, 740, 860}, 3},
		{"many that are close to the next", []float64{1, 1.1, 500, 500.1, 500.2, 500.3, 500.4}, []int{-200, 0, 10, 50, 90, 130, 170}, 2},
	} {
		var r receiver
		count := 0
		for i := range c.came {
			if r.bunched(at(c.came[i]), time.Duration(c.sent[i])*time.Millisecond) {
				count++
			}
		}
		if count != c.count {
			t.Errorf("%s: %d came in bunches, want %d", c.name, count, c.count)
		}
	}
}
