package loadgen

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/fault"
	"pushpull/loadgen/result"
	"pushpull/transports"
)

// A ledger keeps for every planned message whether it was stored, and for every member of a room
// which messages arrived, so that lost, duplicated and reordered messages are known exactly. It is
// safe for concurrent use if each user receives in one goroutine only.
type ledger struct {
	plan    *Plan
	start   time.Time           // of the window
	secrets *transports.Secrets // of the server's address, which its answers may repeat

	// Per planned message.
	begun    []bool         // it was handed to the transport; read once the users have left
	finished []atomic.Bool  // the send has ended, with or without an error
	stored   []atomic.Bool  // the server has acknowledged it
	copies   []atomic.Int32 // members that have it, other than the sender

	receivers []receiver

	history *fault.History // of what users see while something breaks; nil: nothing is made to break

	interrupted atomic.Bool // the users leave early: sends that fail from now on were under way

	owed, came                          atomic.Int64 // copies of measured messages: expected of the stored ones, and arrived
	duplicated, reordered, misdelivered atomic.Int64
	untimed                             atomic.Int64 // deliveries of messages that another generator has sent
	bunched                             atomic.Int64 // deliveries that came together with one that was sent at another time
	sent                                atomic.Int64 // all sends that ended, warm-up included: for the progress
	limited                             atomic.Int64 // requests that the server refused for now

	mu                           sync.Mutex
	latency, delay, accept, late *result.Histogram
	slices                       []*result.Histogram
	width                        time.Duration // of a slice
	last                         time.Time     // of the last measured delivery
	failures                     map[string]int
	failed                       []string // the keys of failures, in the order of their first occurrence
}

// A receiver keeps what one member of a room has seen. Only the member's goroutine uses it.
type receiver struct {
	seen    []uint64 // a bit for each of the room's messages
	highest []int32  // per member that sends, one more than the highest number received from it
	waits   bool     // its first poll was not answered before it left

	// Of the messages that have come in one instant.
	came    time.Time     // when the latest came
	first   time.Duration // when the first of them was sent
	counted bool          // they are a bunch already
	bunches int32         // so far
}

// Messages that come within one instant of each other have come together, and messages that were sent apart by more than apart
// have no reason to: see bunched.
const (
	instant = time.Millisecond
	apart   = 100 * time.Millisecond
)

// bunched takes note of a message, and reports whether it has come together with one that was sent long before or after it: what
// buffers a stream holds messages back until there are enough. A receiver's first bunch doesn't count: a single pause of the
// server or of the machine makes one.
func (r *receiver) bunched(now time.Time, sent time.Duration) bool {
	together := now.Sub(r.came) < instant
	r.came = now
	switch {
	case !together:
		r.first, r.counted = sent, false
	case (sent - r.first).Abs() > apart:
		if !r.counted {
			r.counted = true
			r.bunches++
		}
		return r.bunches > 1
	}
	return false
}

// slicesPerWindow is the largest number of slices of latency over time.
const slicesPerWindow = 30

func newLedger(plan *Plan) *ledger {
	l := &ledger{
		plan:      plan,
		begun:     make([]bool, len(plan.Sends)),
		finished:  make([]atomic.Bool, len(plan.Sends)),
		stored:    make([]atomic.Bool, len(plan.Sends)),
		copies:    make([]atomic.Int32, len(plan.Sends)),
		receivers: make([]receiver, plan.usersHere()),
		latency:   result.NewHistogram(), delay: result.NewHistogram(),
		accept: result.NewHistogram(), late: result.NewHistogram(),
		failures: map[string]int{},
	}
	for place := range l.receivers {
		words := (int(plan.inRoom[plan.Room(plan.userAt(place))]) + 63) / 64
		l.receivers[place] = receiver{seen: make([]uint64, words), highest: make([]int32, plan.Talkers)}
	}
	measured := plan.End - plan.Warmup
	l.width = max(time.Second, (measured / slicesPerWindow).Round(time.Second))
	l.slices = make([]*result.Histogram, (measured+l.width-1)/l.width)
	return l
}

// sending records that message i was handed to the transport at the given time. late is the delay
// that the generator itself added to the intended time.
func (l *ledger) sending(i int, at time.Time, late time.Duration) {
	send := l.plan.Sends[i]
	l.begun[i] = true
	if l.history != nil {
		l.history.Begun(i, at.Sub(l.start))
	}
	if !l.plan.Measured(send) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay.Record(at.Sub(l.start) - send.At)
	l.late.Record(late)
}

// accepted records the outcome of the send of message i, which began at the given time.
func (l *ledger) accepted(i int, at time.Time, err error) {
	if err != nil && l.interrupted.Load() {
		return
	}
	send := l.plan.Sends[i]
	if err == nil {
		l.stored[i].Store(true) // before finished is set, as settled waits for the copies of stored messages only
	} else {
		l.fail(err)
	}
	if l.history != nil {
		l.history.Answered(i, time.Since(l.start), err != nil)
	}
	l.finished[i].Store(true)
	l.sent.Add(1)
	if !l.plan.Measured(send) {
		return
	}
	if err == nil {
		l.owed.Add(int64(l.plan.copiesOf(int(send.User))))
		took := time.Since(at)
		l.mu.Lock()
		l.accept.Record(took)
		l.mu.Unlock()
	}
}

// received records a message that the user at a place holds decoded.
func (l *ledger) received(place int, body []byte) {
	now := time.Now()
	user := l.plan.userAt(place)
	s, ok := ParseStamp(body)
	i, found := l.plan.Find(s.User, s.Number)
	if !ok || !found || l.plan.Room(s.User) != l.plan.Room(user) || l.plan.Sends[i].At != s.Intended {
		l.misdelivered.Add(1)
		return
	}
	if s.User == user {
		return // members read their own messages too, which don't count as deliveries
	}
	if l.history != nil {
		l.history.Came(place, i, now.Sub(l.start))
	}
	send, r := l.plan.Sends[i], &l.receivers[place]
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
	if r.bunched(now, s.Actual) {
		l.bunched.Add(1)
	}
	latency := now.Sub(l.start) - send.At
	slice := int((send.At - l.plan.Warmup) / l.width)
	_, here := l.plan.placeOf(s.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.After(l.last) {
		l.last = now
	}
	if !here { // it was sent by another clock
		l.untimed.Add(1)
		return
	}
	l.latency.Record(latency)
	if l.slices[slice] == nil {
		l.slices[slice] = result.NewHistogram()
	}
	l.slices[slice].Record(latency)
}

// told takes note that a user got an error of receiving or joining. left: it gives up.
func (l *ledger) told(user int, err error, left bool) {
	if l.history != nil {
		_, gap := errors.AsType[*transports.GapError](err)
		l.history.Told(user, time.Since(l.start), gap, left)
	}
}

// fail counts an error of a user. It leaves out the addresses and places, which differ from user to user.
func (l *ledger) fail(err error) {
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		text = strings.Replace(text, op.Error(), op.Err.Error(), 1)
	}
	if gap, ok := errors.AsType[*transports.GapError](err); ok {
		text = strings.Replace(text, gap.Error(), "messages after the user's place have left the log, or were lost with it", 1)
	}
	text = result.Shorten(l.secrets.Redact(text))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures[text] == 0 {
		if len(l.failed) >= 20 {
			text = result.OtherErrors
		}
		if l.failures[text] == 0 {
			l.failed = append(l.failed, text)
		}
	}
	l.failures[text]++
}

// refused counts a request that is made again after err.
func (l *ledger) refused(err error) {
	if status, ok := errors.AsType[*transports.StatusError](err); ok && status.Limits() {
		l.limited.Add(1)
		return
	}
	l.fail(err)
}

// soFar returns how many deliveries of measured messages are expected so far, and how many arrived.
func (l *ledger) soFar() (expected, delivered int) {
	delivered = int(l.came.Load())
	return max(delivered, int(l.owed.Load())), delivered // a copy may arrive before the acknowledgement
}

// quantiles returns the latency quantiles so far, 0 if there are none. It blocks received for some
// microseconds: see BenchmarkQuantiles.
func (l *ledger) quantiles() (p50, p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latency.Quantile(.5), l.latency.Quantile(.99)
}

// settled reports whether every measured send planned before end has ended, and all of its copies
// have arrived. Of the sends of other generators it knows what tell has told.
func (l *ledger) settled(end time.Duration) bool {
	return l.came.Load() >= l.owed.Load() && !l.any(end, func(i int) bool { return l.pending(i) || l.lacks(i) })
}

// ended reports whether every measured send planned before end has ended, of those of this generator.
func (l *ledger) ended(end time.Duration) bool { return !l.any(end, l.pending) }

// any reports whether is holds for a measured message that is planned before end.
func (l *ledger) any(end time.Duration, is func(i int) bool) bool {
	for i, send := range l.plan.Sends {
		if send.At >= end {
			break
		}
		if l.plan.Measured(send) && is(i) {
			return true
		}
	}
	return false
}

// pending reports whether a message of this generator has not been sent to the end.
func (l *ledger) pending(i int) bool {
	_, here := l.plan.placeOf(int(l.plan.Sends[i].User))
	return here && !l.finished[i].Load()
}

// lacks reports whether a message is stored, and has not come to all members that this generator has.
func (l *ledger) lacks(i int) bool {
	return l.stored[i].Load() && int(l.copies[i].Load()) < l.plan.copiesOf(int(l.plan.Sends[i].User))
}

// known returns which messages are stored as far as this generator knows, a bit for each: they were acknowledged, or have
// come.
func (l *ledger) known() []byte {
	bits := make([]byte, (len(l.plan.Sends)+7)/8)
	for i := range l.plan.Sends {
		if l.stored[i].Load() || l.copies[i].Load() > 0 {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}

// tell takes over what another generator knows.
func (l *ledger) tell(known []byte) error {
	if len(known) != (len(l.plan.Sends)+7)/8 {
		return fmt.Errorf("another generator tells of %d bytes of messages instead of %d", len(known), (len(l.plan.Sends)+7)/8)
	}
	for i, send := range l.plan.Sends {
		if known[i/8]&(1<<(i%8)) == 0 || l.stored[i].Swap(true) {
			continue
		}
		if _, here := l.plan.placeOf(int(send.User)); !here && l.plan.Measured(send) {
			l.owed.Add(int64(l.plan.copiesOf(int(send.User))))
		}
	}
	return nil
}

// fill writes the outcome of the messages planned before end into w. The users have left. If settle is
// set, the messages still under way are lost, and answers that had not come are errors; else they count
// nowhere.
func (l *ledger) fill(w *result.Window, end time.Duration, settle bool) {
	for i, send := range l.plan.Sends {
		if send.At >= end {
			break
		}
		if !l.plan.Measured(send) {
			continue
		}
		_, here := l.plan.placeOf(int(send.User))
		if !settle && here && !l.finished[i].Load() {
			continue
		}
		copies := int(l.copies[i].Load())
		stored := l.stored[i].Load() || copies > 0 // as far as is known
		if here {
			w.Planned++
		}
		if !stored {
			continue
		}
		if here {
			w.Sent++
		}
		w.Delivered += copies
		if settle {
			w.Expected += l.plan.copiesOf(int(send.User))
		} else {
			w.Expected += copies
		}
	}
	w.Lost = w.Expected - w.Delivered
	w.Untimed = int(l.untimed.Load())
	w.Reached = l.reached()
	w.Duplicated = int(l.duplicated.Load())
	w.Reordered = int(l.reordered.Load())
	w.Misdelivered = int(l.misdelivered.Load())
	if w.Way.Stream {
		w.Bunched = int(l.bunched.Load())
	}
	w.Limited = int(l.limited.Load())
	if settle {
		l.overdue(end)
	}
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

// reached returns how many members have a message of another one.
func (l *ledger) reached() (n int) {
	for i := range l.receivers {
		if slices.ContainsFunc(l.receivers[i].seen, func(word uint64) bool { return word != 0 }) {
			n++
		}
	}
	return n
}

// overdue counts the answers that had not come when the users left: acknowledgements of messages planned
// before end, and answers to the first polls of users that lack a message.
func (l *ledger) overdue(end time.Duration) {
	lacks := map[int]bool{} // by room
	for i, send := range l.plan.Sends {
		if send.At >= end {
			break
		}
		if l.begun[i] && !l.finished[i].Load() {
			l.fail(errors.New("sending a message: the server had not acknowledged it when the users left"))
		}
		if l.lacks(i) && l.plan.Measured(send) {
			lacks[l.plan.Room(int(send.User))] = true
		}
	}
	for place := range l.receivers {
		if l.receivers[place].waits && lacks[l.plan.Room(l.plan.userAt(place))] {
			l.fail(errors.New("receiving: the server had not answered the first poll when the users left"))
		}
	}
}
