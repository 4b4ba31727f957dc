package loadgen

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/result"
)

// A ledger knows of every planned message whether it was stored, and of every member of a room
// which messages came: what is lost, came twice or out of order is known exactly. It is safe for
// concurrent use, as long as each receiver is one goroutine.
type ledger struct {
	plan  *Plan
	start time.Time // of the window

	// Per planned message.
	finished []atomic.Bool  // the send has ended, one way or the other
	stored   []atomic.Bool  // the server said so
	copies   []atomic.Int32 // members other than the sender who have it

	receivers []receiver

	interrupted atomic.Bool // the users are leaving early: sends that fail from now on were under way

	owed, came                          atomic.Int64 // measured copies: of what is stored, and those that came
	duplicated, reordered, misdelivered atomic.Int64
	sent                                atomic.Int64 // every send that ended, the warm-up's too: for the progress

	mu                           sync.Mutex
	latency, delay, accept, late *result.Histogram
	slices                       []*result.Histogram
	width                        time.Duration // of a slice
	last                         time.Time     // when the last measured delivery came
	failures                     map[string]int
	failed                       []string // the keys of failures, as they came
}

// A receiver is what one member of a room has seen. Only its own goroutine touches it.
type receiver struct {
	seen    []uint64 // a bit for each of the room's messages
	highest []int32  // per member who talks, one more than the highest number that came from it
}

// slicesPerWindow bounds how finely latency over time is kept.
const slicesPerWindow = 30

func newLedger(plan *Plan) *ledger {
	l := &ledger{
		plan:      plan,
		finished:  make([]atomic.Bool, len(plan.Sends)),
		stored:    make([]atomic.Bool, len(plan.Sends)),
		copies:    make([]atomic.Int32, len(plan.Sends)),
		receivers: make([]receiver, plan.Users),
		latency:   result.NewHistogram(), delay: result.NewHistogram(),
		accept: result.NewHistogram(), late: result.NewHistogram(),
		failures: map[string]int{},
	}
	for user := range l.receivers {
		words := (int(plan.inRoom[plan.Room(user)]) + 63) / 64
		l.receivers[user] = receiver{seen: make([]uint64, words), highest: make([]int32, plan.Talkers)}
	}
	measured := plan.End - plan.Warmup
	l.width = max(time.Second, (measured / slicesPerWindow).Round(time.Second))
	l.slices = make([]*result.Histogram, (measured+l.width-1)/l.width)
	return l
}

// sending notes that a message is handed to the transport. late is what the generator itself
// added to its intended time.
func (l *ledger) sending(i int, at time.Time, late time.Duration) {
	send := l.plan.Sends[i]
	if !l.plan.Measured(send) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay.Record(at.Sub(l.start) - send.At)
	l.late.Record(late)
}

// accepted notes how a send ended that was handed over at the given time.
func (l *ledger) accepted(i int, at time.Time, err error) {
	if err != nil && l.interrupted.Load() {
		return
	}
	send := l.plan.Sends[i]
	if err == nil {
		l.stored[i].Store(true) // before it is finished: settled would not wait for its copies
	} else {
		l.fail(err)
	}
	l.finished[i].Store(true)
	l.sent.Add(1)
	if !l.plan.Measured(send) {
		return
	}
	if err == nil {
		l.owed.Add(int64(l.plan.RoomSize - 1))
		took := time.Since(at)
		l.mu.Lock()
		l.accept.Record(took)
		l.mu.Unlock()
	}
}

// received notes a message that user holds decoded.
func (l *ledger) received(user int, body []byte) {
	now := time.Now()
	s, ok := ParseStamp(body)
	i, found := l.plan.Find(s.User, s.Number)
	if !ok || !found || l.plan.Room(s.User) != l.plan.Room(user) || l.plan.Sends[i].At != s.Intended {
		l.misdelivered.Add(1)
		return
	}
	if s.User == user {
		return // members read their own messages too; those are no deliveries
	}
	send, r := l.plan.Sends[i], &l.receivers[user]
	word, bit := send.Index/64, uint64(1)<<(send.Index%64)
	again := r.seen[word]&bit != 0
	r.seen[word] |= bit
	member := s.User % l.plan.RoomSize
	late := send.Number < r.highest[member]
	r.highest[member] = max(r.highest[member], send.Number+1)
	if !l.plan.Measured(send) {
		return
	}
	switch {
	case again:
		l.duplicated.Add(1)
		return
	case late:
		l.reordered.Add(1)
	}
	l.copies[i].Add(1)
	l.came.Add(1)
	latency := now.Sub(l.start) - send.At
	slice := int((send.At - l.plan.Warmup) / l.width)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency.Record(latency)
	if l.slices[slice] == nil {
		l.slices[slice] = result.NewHistogram()
	}
	l.slices[slice].Record(latency)
	if now.After(l.last) {
		l.last = now
	}
}

// fail counts an error that a user met, without the addresses that tell one user's from another's.
func (l *ledger) fail(err error) {
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		text = strings.Replace(text, op.Error(), op.Err.Error(), 1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures[text] == 0 {
		if len(l.failed) >= 20 {
			text = "other errors"
		}
		if l.failures[text] == 0 {
			l.failed = append(l.failed, text)
		}
	}
	l.failures[text]++
}

// soFar returns how many measured copies are to come of what is stored, and how many came.
func (l *ledger) soFar() (expected, delivered int) {
	delivered = int(l.came.Load())
	return max(delivered, int(l.owed.Load())), delivered // a copy may come before the word that it is stored
}

// quantiles returns those of the latency of what came so far, 0 of nothing. It holds up whoever takes
// note of a message for some us: see BenchmarkQuantiles.
func (l *ledger) quantiles() (p50, p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latency.Quantile(.5), l.latency.Quantile(.99)
}

// settled says whether everything measured that was planned before end has ended and come.
func (l *ledger) settled(end time.Duration) bool {
	if l.came.Load() < l.owed.Load() {
		return false
	}
	for i, send := range l.plan.Sends {
		if send.At >= end {
			break
		}
		if l.plan.Measured(send) && (!l.finished[i].Load() || l.stored[i].Load() && int(l.copies[i].Load()) < l.plan.RoomSize-1) {
			return false
		}
	}
	return true
}

// fill writes what the ledger knows into w, for the messages planned before end. settle says that
// what is still under way is lost; without it, it counts nowhere.
func (l *ledger) fill(w *result.Window, end time.Duration, settle bool) {
	for i, send := range l.plan.Sends {
		if send.At >= end {
			break
		}
		if !l.plan.Measured(send) {
			continue
		}
		if !settle && !l.finished[i].Load() {
			continue
		}
		w.Planned++
		copies := int(l.copies[i].Load())
		if !l.stored[i].Load() && copies == 0 {
			continue // not stored, as far as anyone can tell
		}
		w.Sent++
		w.Delivered += copies
		if settle {
			w.Expected += l.plan.RoomSize - 1
		} else {
			w.Expected += copies
		}
	}
	w.Lost = w.Expected - w.Delivered
	w.Duplicated = int(l.duplicated.Load())
	w.Reordered = int(l.reordered.Load())
	w.Misdelivered = int(l.misdelivered.Load())
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Latency, w.SendDelay, w.Accept, w.Late = l.latency, l.delay, l.accept, l.late
	for i, h := range l.slices {
		if h != nil {
			at := time.Duration(i) * l.width
			width := min(l.width, l.plan.End-l.plan.Warmup-at)
			w.Slices = append(w.Slices, result.Slice{AtS: at.Seconds(), WidthS: width.Seconds(), Latency: h})
		}
	}
	for _, text := range l.failed {
		w.Errors = append(w.Errors, result.Failure{Text: text, Count: l.failures[text]})
		w.FailedRequests += l.failures[text]
	}
}
