package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"pushpull/transports"
)

// How long a user waits until it joins again: twice as long each time, up to a limit, and a drawn
// part of it, so that those who were cut off together don't come back together.
const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 2 * time.Second
)

// A user is one simulated user in one room: a goroutine that receives, and its planned sends. When
// its session breaks it joins again, on the next server, and reads on from where it was.
type user struct {
	id     int
	room   string
	window *window
	first  link   // most users need no other one
	server int    // of its link, a place in window.servers
	seq    uint64 // of the last message received

	mu      sync.Mutex
	link    *link         // nil: not joined, or to join again
	linked  chan struct{} // closed when there is one again; nil: nobody waits for it
	left    bool
	queue   []int // places in the plan of messages whose time has come
	sending bool  // a goroutine is at work on the queue
}

// A link is a user's session on one server, and its connections.
type link struct {
	wire    Wire
	session transports.Session
	sending bool // a message is on its way; under user.mu
	dropped bool // who sends it is to close the link; likewise
}

func (l *link) close() {
	l.session.Close() // whatever it returns, the user has left
	l.wire.Close()
}

// join connects the user and makes it a member of its room.
func (u *user) join(ctx context.Context) error {
	if err := u.connect(ctx, &u.first, ""); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.link = &u.first
	return nil
}

// connect makes l a session on the user's server.
func (u *user) connect(ctx context.Context, l *link, from transports.Cursor) error {
	w := u.window
	server := w.servers[u.server]
	l.wire.Dialer = server.dialer
	for range w.connections(u.id) {
		if err := l.wire.Open(ctx); err != nil {
			l.wire.Close()
			return err
		}
	}
	var err error
	if l.session, err = w.transport.Join(ctx, transports.Target{Base: server.base, Wire: &l.wire}, u.room, from); err != nil {
		l.wire.Close()
	}
	return err
}

// leave ends the user's session and connections.
func (u *user) leave() {
	u.mu.Lock()
	l := u.link
	u.link, u.left = nil, true
	u.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// drop ends a link, if it is still the user's.
func (u *user) drop(l *link) {
	u.mu.Lock()
	idle := u.link == l && l.retire()
	if u.link == l {
		u.link = nil
	}
	u.mu.Unlock()
	if idle {
		l.close()
	}
}

// retire says whether the link can be closed now: a message that is on its way on it may arrive,
// and then it is who sends it that closes the link. user.mu is held.
func (l *link) retire() bool {
	l.dropped = l.sending
	return !l.dropped
}

// sent notes that a message is no longer on its way.
func (u *user) sent(l *link) {
	u.mu.Lock()
	l.sending = false
	dropped := l.dropped
	l.dropped = false
	u.mu.Unlock()
	if dropped {
		l.close()
	}
}

// receive takes the user's messages until ctx ends or the user leaves. Users of a periodic
// transport begin at their phase of its period.
func (u *user) receive(ctx context.Context) {
	w := u.window
	if periodic, ok := w.transport.(transports.Periodic); ok {
		select {
		case <-w.begun:
		case <-ctx.Done():
			return
		}
		phase := time.Duration(w.ledger.plan.Phases[u.id] * float64(periodic.Period()))
		if !pauseUntil(ctx, w.ledger.start.Add(phase)) {
			return
		}
	}
	u.mu.Lock()
	l := u.link
	u.mu.Unlock()
	backoff := firstBackoff
	for l != nil {
		begun, seq := time.Now(), u.seq
		err := u.read(ctx, l)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.ledger.fail(fmt.Errorf("receiving: %w", err))
			if !away(err) {
				return // it makes no sense to ask again
			}
			if gap, ok := errors.AsType[*transports.GapError](err); ok {
				u.seq = gap.Oldest - 1 // what is missing counts as lost
			}
		}
		if _, both := w.transport.(transports.Duplex); both {
			u.drop(l) // else it still takes messages, until there is another one
		}
		if u.seq != seq || time.Since(begun) > maxBackoff {
			backoff = firstBackoff
		}
		l, backoff = u.rejoin(ctx, backoff)
	}
}

// read takes messages until the session ends, and returns why.
func (u *user) read(ctx context.Context, l *link) error {
	for m, err := range l.session.Messages(ctx) {
		if err != nil {
			return err
		}
		u.seq = m.Seq
		u.window.ledger.received(u.id, m.Body)
	}
	return nil
}

// rejoin joins again until it works, each time on the next server. It returns nil when the user is
// to stay away, and how long it would wait the next time.
func (u *user) rejoin(ctx context.Context, backoff time.Duration) (*link, time.Duration) {
	w := u.window
	for {
		wait := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, maxBackoff)
		if !pauseUntil(ctx, time.Now().Add(wait)) || u.gone() {
			return nil, backoff
		}
		u.server = (u.server + 1) % len(w.servers)
		l := &link{}
		from := transports.Cursor("")
		if u.seq > 0 {
			from = transports.CursorAt(u.seq)
		}
		err := u.connect(ctx, l, from)
		if ctx.Err() != nil {
			return nil, backoff
		}
		if err == nil {
			if !u.use(l) {
				l.close()
				return nil, backoff
			}
			w.rejoins.Add(1)
			return l, backoff
		}
		w.ledger.fail(fmt.Errorf("joining again: %w", err))
		if !away(err) {
			return nil, backoff
		}
	}
}

func (u *user) gone() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.left
}

// use makes l the user's link, unless the user has left.
func (u *user) use(l *link) bool {
	u.mu.Lock()
	old := u.link
	idle := old != nil && old.retire()
	if !u.left {
		u.link = l
	}
	if u.linked != nil {
		close(u.linked)
		u.linked = nil
	}
	used := !u.left
	u.mu.Unlock()
	if idle {
		old.close()
	}
	return used
}

// away says whether err is of a server, a store or a connection that is gone for now, or a gap:
// whoever joins again may find what it looks for. What makes no sense is none of these.
func away(err error) bool {
	if status, ok := errors.AsType[*transports.StatusError](err); ok {
		return status.Code >= http.StatusInternalServerError
	}
	if _, ok := errors.AsType[*transports.GapError](err); ok {
		return true
	}
	return broken(err)
}

// broken says whether err is of a connection that has ended, or can't be made.
func broken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, errStale) || errors.Is(err, transports.ErrUnsent) || errors.Is(err, transports.ErrStopping)
}

// send puts a message whose time has come on its way. It doesn't wait: the load is open. A user's
// messages keep their order, so one may have to wait for the one before, and that counts in its
// latency, not as the generator's lateness.
func (u *user) send(ctx context.Context, i int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, i)
	if !u.sending {
		u.sending = true
		u.window.senders.Go(func() { u.sendQueue(ctx) })
	}
}

// sendQueue sends what is queued. While the user has to join again, messages wait for that; of one
// that was under way it is not known whether it is stored, and it is not sent twice.
func (u *user) sendQueue(ctx context.Context) {
	l := u.window.ledger
	var body []byte
	var free time.Duration // when what the message had to wait for was out of the way
	again := -1            // a message that was tried before
	for {
		i, link, waited, ok := u.nextSend(ctx)
		if !ok {
			return
		}
		planned := l.plan.Sends[i]
		now := time.Now()
		actual := now.Sub(l.start)
		if waited {
			free = actual
		}
		if i != again {
			l.sending(i, now, actual-max(planned.At, free))
		}
		body = Stamp{u.id, int(planned.Number), planned.At, actual}.appendTo(body[:0], u.window.size)
		unsent := false // known when Send returns
		link.session.Send(ctx, body, func(err error) {
			if errors.Is(err, transports.ErrUnsent) {
				unsent = true
				return
			}
			l.accepted(i, now, err)
			if err != nil && broken(err) {
				u.drop(link)
			}
		})
		if unsent {
			u.unsent(link, i)
			again = i
		}
		u.sent(link)
		free = time.Since(l.start)
	}
}

// unsent puts a message back that a link could not take, and lets the user join again.
func (u *user) unsent(l *link, i int) {
	u.mu.Lock()
	u.queue = append([]int{i}, u.queue...)
	left := u.left
	u.mu.Unlock()
	if !left {
		u.window.ledger.fail(fmt.Errorf("sending a message: %w", transports.ErrUnsent))
	}
	u.drop(l)
}

// nextSend takes a message off the queue, and waits for a link to send it on. It returns false
// when there is no message, or the user stays away.
func (u *user) nextSend(ctx context.Context) (i int, l *link, waited, ok bool) {
	u.mu.Lock()
	for len(u.queue) > 0 && u.link == nil && !u.left {
		if u.linked == nil {
			u.linked = make(chan struct{})
		}
		linked := u.linked
		u.mu.Unlock()
		waited = true
		select {
		case <-linked:
		case <-ctx.Done():
		}
		u.mu.Lock()
		if ctx.Err() != nil {
			break
		}
	}
	defer u.mu.Unlock()
	if len(u.queue) == 0 || u.link == nil {
		u.queue, u.sending = nil, false
		return 0, nil, waited, false
	}
	i = u.queue[0]
	u.queue = u.queue[1:]
	u.link.sending = true
	return i, u.link, waited, true
}
