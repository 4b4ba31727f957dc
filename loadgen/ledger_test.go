package loadgen

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/result"
)

// bySend makes a plan of two rooms with three members each, two of which send: users 0 and 1 in the
// first room, 3 and 4 in the second one. The warm-up takes a second, the measured part four.
func bySend(sends ...Send) *Plan {
	p := &Plan{
		Users: 6, RoomSize: 3, Talkers: 2, Warmup: time.Second, End: 5 * time.Second, Sends: sends,
		Phases: make([]float64, 6), byUser: make([][]int32, 6), inRoom: make([]int32, 2),
	}
	for i := range p.Sends {
		s := &p.Sends[i]
		s.Number = int32(len(p.byUser[s.User]))
		p.byUser[s.User] = append(p.byUser[s.User], int32(i))
		room := p.Room(int(s.User))
		s.Index = p.inRoom[room]
		p.inRoom[room]++
	}
	return p
}

// A desk records the events of a window in a ledger, one line of a test for each.
type desk struct{ *ledger }

func newDesk(sends ...Send) desk {
	l := newLedger(bySend(sends...))
	l.start = time.Now()
	return desk{l}
}

// until sleeps until a time from the start of the window.
func (d desk) until(at time.Duration) { time.Sleep(time.Until(d.start.Add(at))) }

func (d desk) body(i int) []byte {
	s := d.plan.Sends[i]
	return Stamp{int(s.User), int(s.Number), s.At, time.Since(d.start)}.appendTo(nil, minSize)
}

// send records messages that are sent and stored at once.
func (d desk) send(messages ...int) {
	for _, i := range messages {
		now := time.Now()
		d.sending(i, now, 0)
		d.accepted(i, now, nil)
	}
}

// deliver records messages that a user receives.
func (d desk) deliver(user int, messages ...int) {
	for _, i := range messages {
		d.received(user, d.body(i))
	}
}

func (d desk) window(end time.Duration, settle bool) result.Window {
	var w result.Window
	d.fill(&w, end, settle)
	return w
}

// counts are the counts of a window in a type that can be compared.
type counts struct{ planned, sent, expected, delivered, lost, duplicated, reordered, misdelivered int }

func countsOf(w result.Window) counts {
	return counts{w.Planned, w.Sent, w.Expected, w.Delivered, w.Lost, w.Duplicated, w.Reordered, w.Misdelivered}
}

const s = time.Second

func TestLedger(t *testing.T) {
	errRefused := errors.New("refused")
	for _, c := range []struct {
		name    string
		sends   []Send
		happens func(d desk)
		end     time.Duration // 0: the plan's
		under   bool          // the window was interrupted: messages under way are not lost
		want    counts
		latency int64 // number of samples
	}{
		{
			name:  "everything comes",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 4}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 0)
				d.deliver(2, 0)
				d.deliver(3, 1)
				d.deliver(5, 1)
			},
			want:    counts{planned: 2, sent: 2, expected: 4, delivered: 4},
			latency: 4,
		},
		{
			name:  "one member misses a message",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 0, 1)
				d.deliver(2, 1)
			},
			want:    counts{planned: 2, sent: 2, expected: 4, delivered: 3, lost: 1},
			latency: 3,
		},
		{
			name:    "no member gets a message",
			sends:   []Send{{At: 2 * s, User: 0}},
			happens: func(d desk) { d.send(0) },
			want:    counts{planned: 1, sent: 1, expected: 2, lost: 2},
		},
		{
			name:  "own messages are not deliveries",
			sends: []Send{{At: 2 * s, User: 0}},
			happens: func(d desk) {
				d.send(0)
				d.deliver(0, 0, 0)
				d.deliver(1, 0)
				d.deliver(2, 0)
			},
			want:    counts{planned: 1, sent: 1, expected: 2, delivered: 2},
			latency: 2,
		},
		{
			name:  "a message comes three times",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 0, 0, 1, 0)
				d.deliver(2, 0, 1)
			},
			want:    counts{planned: 2, sent: 2, expected: 4, delivered: 4, duplicated: 2},
			latency: 4,
		},
		{
			name:  "one copy twice and another one never",
			sends: []Send{{At: 2 * s, User: 0}},
			happens: func(d desk) {
				d.send(0)
				d.deliver(1, 0, 0)
			},
			want:    counts{planned: 1, sent: 1, expected: 2, delivered: 1, lost: 1, duplicated: 1},
			latency: 1,
		},
		{
			name:  "order counts per sender and receiver",
			sends: []Send{{At: 2 * s, User: 0}, {At: 2 * s, User: 1}, {At: 3 * s, User: 0}, {At: 3 * s, User: 1}},
			happens: func(d desk) {
				d.send(0, 1, 2, 3)
				d.deliver(0, 1, 3)
				d.deliver(1, 0, 2)
				d.deliver(2, 1, 3, 0, 2) // each sender's are in order
			},
			want:    counts{planned: 4, sent: 4, expected: 8, delivered: 8},
			latency: 8,
		},
		{
			name:  "two of three come after the last one",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}, {At: 4 * s, User: 0}},
			happens: func(d desk) {
				d.send(0, 1, 2)
				d.deliver(1, 2, 0, 1)
				d.deliver(2, 0, 1, 2)
			},
			want:    counts{planned: 3, sent: 3, expected: 6, delivered: 6, reordered: 2},
			latency: 6,
		},
		{
			name:  "a message of the warm-up comes late",
			sends: []Send{{At: s / 2, User: 0}, {At: 2 * s, User: 0}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 1, 0, 0)
				d.deliver(2, 1)
			},
			want:    counts{planned: 1, sent: 1, expected: 2, delivered: 2},
			latency: 2,
		},
		{
			name:  "a message overtakes one of the warm-up",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}, {At: s / 2, User: 1}},
			happens: func(d desk) {
				d.send(0, 1, 2)
				d.deliver(1, 1, 0)
				d.deliver(2, 0, 1)
				d.deliver(2, 2)
			},
			want:    counts{planned: 2, sent: 2, expected: 4, delivered: 4, reordered: 1},
			latency: 4,
		},
		{
			name:  "what was never sent to the room",
			sends: []Send{{At: 2 * s, User: 0}, {At: 2 * s, User: 3}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 0, 1) // 1 is the other room's
				d.deliver(2, 0)
				d.deliver(4, 1)
				d.deliver(5, 1)
				d.received(1, []byte("hello"))
				d.received(1, nil)
				for _, foreign := range []Stamp{
					{0, 1, 2 * s, 2 * s},             // user 0 has one message
					{2, 0, 2 * s, 2 * s},             // user 2 doesn't send
					{6, 0, 2 * s, 2 * s},             // there is no user 6
					{math.MaxInt, math.MaxInt, 0, 0}, // nor that many
					{0, 0, 2*s + 1, 2 * s},           // another window planned it at that time
				} {
					d.received(1, foreign.appendTo(nil, minSize))
				}
			},
			want:    counts{planned: 2, sent: 2, expected: 4, delivered: 4, misdelivered: 8},
			latency: 4,
		},
		{
			name:  "a message that was not stored is not lost",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}},
			happens: func(d desk) {
				d.accepted(0, time.Now(), errRefused)
				d.send(1)
				d.deliver(1, 1)
				d.deliver(2, 1)
			},
			want:    counts{planned: 2, sent: 1, expected: 2, delivered: 2},
			latency: 2,
		},
		{
			name:  "a message that arrived was stored, whatever the server answered",
			sends: []Send{{At: 2 * s, User: 0}},
			happens: func(d desk) {
				d.accepted(0, time.Now(), errRefused)
				d.deliver(1, 0)
			},
			want:    counts{planned: 1, sent: 1, expected: 2, delivered: 1, lost: 1},
			latency: 1,
		},
		{
			name:    "a message that was never sent",
			sends:   []Send{{At: 2 * s, User: 0}},
			happens: func(desk) {},
			want:    counts{planned: 1},
		},
		{
			name:  "an interrupt counts nothing that is under way",
			sends: []Send{{At: 2 * s, User: 0}, {At: 2 * s, User: 1}, {At: 2 * s, User: 3}, {At: 2 * s, User: 4}, {At: 4 * s, User: 3}},
			happens: func(d desk) {
				d.send(0, 1)
				d.deliver(1, 0)
				d.deliver(2, 0)
				d.deliver(0, 1) // and 2 has not got it yet
				d.sending(2, time.Now(), 0)
				d.accepted(3, time.Now(), errRefused)
			},
			end:     3 * s,
			under:   true,
			want:    counts{planned: 3, sent: 2, expected: 3, delivered: 3},
			latency: 3,
		},
		{
			name:  "what was planned after the end",
			sends: []Send{{At: 2 * s, User: 0}, {At: 3 * s, User: 0}},
			happens: func(d desk) {
				d.send(0)
				d.deliver(1, 0)
				d.deliver(2, 0)
			},
			end:     3 * s,
			want:    counts{planned: 1, sent: 1, expected: 2, delivered: 2},
			latency: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(c.sends...)
				d.until(4 * s)
				c.happens(d)
				end := c.end
				if end == 0 {
					end = d.plan.End
				}
				w := d.window(end, !c.under)
				if got := countsOf(w); got != c.want {
					t.Errorf("got  %+v\nwant %+v", got, c.want)
				}
				if got := w.Latency.Count(); got != c.latency {
					t.Errorf("%d latencies, want %d", got, c.latency)
				}
				var sliced int64
				for _, slice := range w.Slices {
					sliced += slice.Latency.Count()
				}
				if sliced != c.latency {
					t.Errorf("%d latencies in slices, want %d", sliced, c.latency)
				}
			})
		})
	}
}

// TestLedgerTimes sends a message late, acknowledges it later, and delivers it later still.
func TestLedgerTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(Send{At: s / 2, User: 1}, Send{At: 2 * s, User: 0})
		d.until(2*s + 3*time.Millisecond)
		sent := time.Now()
		d.sending(0, sent, s) // a message of the warm-up counts nowhere
		d.sending(1, sent, time.Millisecond)
		d.until(2*s + 10*time.Millisecond)
		d.accepted(0, sent, nil)
		d.accepted(1, sent, nil)
		d.until(2*s + 200*time.Millisecond)
		d.deliver(1, 1)
		d.deliver(2, 0, 1)
		w := d.window(d.plan.End, true)
		for _, c := range []struct {
			what  string
			h     *result.Histogram
			count int64
			want  time.Duration
		}{
			{"latency, from the intended time", w.Latency, 2, 200 * time.Millisecond},
			{"send delay", w.SendDelay, 1, 3 * time.Millisecond},
			{"accept", w.Accept, 1, 7 * time.Millisecond},
			{"late", w.Late, 1, time.Millisecond},
		} {
			if got := c.h.Quantile(.5); c.h.Count() != c.count || (got-c.want).Abs() > c.want/500 {
				t.Errorf("%s: %d samples of %v, want %d of %v", c.what, c.h.Count(), got, c.count, c.want)
			}
		}
		if !d.last.Equal(d.start.Add(2*s + 200*time.Millisecond)) {
			t.Errorf("the last delivery was at %v", d.last.Sub(d.start))
		}
	})
}

// TestLedgerSlices delivers messages together that have different intended times.
func TestLedgerSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(Send{At: s, User: 0}, Send{At: 2*s - 1, User: 0}, Send{At: 2 * s, User: 0}, Send{At: 5*s - 1, User: 0})
		d.until(6 * s)
		d.send(0, 1, 2, 3)
		d.deliver(1, 0, 1, 2, 3)
		got := map[float64]int64{}
		for _, slice := range d.window(d.plan.End, true).Slices {
			got[slice.AtS] = slice.Latency.Count()
			if slice.WidthS != 1 {
				t.Errorf("the slice at %v s is %v s wide, want 1", slice.AtS, slice.WidthS)
			}
		}
		if want := (map[float64]int64{0: 2, 1: 1, 3: 1}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v by start", got, want)
		}
	})
}

// TestLedgerSlicesOfOddWindows checks the number of slices and the end of the last one.
func TestLedgerSlicesOfOddWindows(t *testing.T) {
	for _, measured := range []time.Duration{100 * time.Millisecond, s, 1500 * time.Millisecond, 44500 * time.Millisecond, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			plan := bySend(Send{At: s, User: 0}, Send{At: s + measured - 1, User: 0})
			plan.End = s + measured
			d := desk{newLedger(plan)}
			d.start = time.Now()
			d.until(plan.End)
			d.send(0, 1)
			d.deliver(1, 0, 1)
			slices := d.window(plan.End, true).Slices
			last := slices[len(slices)-1]
			if end := last.AtS + last.WidthS; math.Abs(end-measured.Seconds()) > 1e-9 {
				t.Errorf("the last slice of a window of %v ends at %v s", measured, end)
			}
			if n := len(d.slices); n > 2*slicesPerWindow {
				t.Errorf("a window of %v has %d slices", measured, n)
			}
		})
	}
}

func TestLedgerSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(Send{At: s / 2, User: 0}, Send{At: 2 * s, User: 0}, Send{At: 3 * s, User: 1}, Send{At: 4 * s, User: 3})
		end := 4 * s // the last one is not waited for
		for _, step := range []struct {
			what    string
			happens func()
			want    bool
		}{
			{"nothing is sent", func() {}, false},
			{"one is under way", func() { d.send(1); d.deliver(1, 1) }, false},
			{"one reached one member twice and the other not yet", func() { d.deliver(1, 1) }, false},
			{"one is delivered, one is not sent", func() { d.deliver(2, 1) }, false},
			{"one is delivered, one is being sent", func() { d.sending(2, time.Now(), 0) }, false},
			{"one is delivered, one has failed", func() { d.accepted(2, time.Now(), errors.New("refused")) }, true},
		} {
			step.happens()
			if got := d.settled(end); got != step.want {
				t.Errorf("%s: settled is %t", step.what, got)
			}
		}
		if d.settled(d.plan.End) {
			t.Error("settled, before the last message was sent")
		}
	})
}

// TestLedgerShortensErrors has a server that answers with a page, each time another one.
func TestLedgerShortensErrors(t *testing.T) {
	d := newDesk()
	for i := range 3 {
		d.fail(errors.New(strings.Repeat("<p>", 10_000) + fmt.Sprint(i)))
	}
	if w := d.window(d.plan.End, true); len(w.Errors) != 1 || w.Errors[0].Count != 3 || len(w.Errors[0].Text) > 500 {
		t.Errorf("%d errors: %.1000v", len(w.Errors), w.Errors)
	}
}

func TestLedgerKeepsErrorsApart(t *testing.T) {
	d := newDesk()
	for i := range 30 {
		for range i + 1 {
			d.fail(fmt.Errorf("error %d", i))
		}
	}
	w := d.window(d.plan.End, true)
	total := 0
	for i, f := range w.Errors {
		total += f.Count
		if want := fmt.Sprintf("error %d", i); i < 20 && (f.Text != want || f.Count != i+1) {
			t.Errorf("error %d is reported as %d times %q", i, f.Count, f.Text)
		}
	}
	last := w.Errors[len(w.Errors)-1]
	if len(w.Errors) != 21 || last.Text != "other errors" || total != 30*31/2 {
		t.Errorf("%d errors in %d lines, the last one %q; want %d in 21, the last one for all others", total, len(w.Errors), last.Text, 30*31/2)
	}
}
