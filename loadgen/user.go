package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"pushpull/loadgen/backoff"
	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// A user is one simulated user in one room: a goroutine that receives, and its planned sends. A
// user whose session breaks joins again, on the next server, and reads on from where it was.
//
//	         joins             leaves
//	┌──────┐ ──────▶ ┌────────┐ ─────▶ ┌──────┐
//	│ away │         │ joined │        │ gone │
//	└──────┘ ◀────── └────────┘        └──────┘
//	    │   link broke                     ▲
//	    └────────────── leaves ────────────┘
//
// Messages whose time has come wait in the queue while the user is away. A user that is gone sends
// and receives no more. A user whose request is refused for now stays where it is, and asks again
// after a wait.
type user struct {
	place    int // in the window
	room     string
	window   *window
	first    link              // most users need no other one
	sessions wire.Sessions     // of TLS
	server   int               // of the latest link, an index in window.servers; written under mu
	cursor   transports.Cursor // where to resume once a session has ended

	served bool // the server has answered a poll after the one of joining; used by the receiving goroutine

	mu    sync.Mutex
	state state
	link  *link         // nil unless the user is joined
	back  chan struct{} // closed when the user is no longer away; nil if nothing waits for that
	queue []int         // indexes in Plan.Sends of messages whose time has come; the first one is being sent

	unsure map[int]time.Time // when the messages of the queue that are sent again were first sent; nil: there are none
	until  time.Time         // when it joins again at the earliest
}

// A state of a user.
type state int8

const (
	away state = iota // not joined yet, or about to join again
	joined
	gone // for good
)

// A link is a session of a user on one server, and its connections. It is held by the user and by the
// message being sent, which may still arrive when the user has a new link. It is closed once neither
// holds it.
type link struct {
	pool    wire.Pool
	session transports.Session
	held    int8 // number of holds; guarded by user.mu
}

// free gives up one hold and reports whether the link must be closed now. The caller has locked
// user.mu.
func (l *link) free() bool {
	l.held--
	return l.held == 0
}

func (l *link) close() {
	l.session.Close() // an error makes no difference: the link is given up
	l.pool.Close()
}

// move takes the user to a state: joined on l, away because l is broken, or gone. It does nothing
// and returns false if the user is gone already, or if the broken link is no longer the user's.
func (u *user) move(to state, l *link) bool {
	u.mu.Lock()
	if u.state == gone || to == away && u.link != l {
		u.mu.Unlock()
		return false
	}
	old := u.link
	u.state, u.link = to, nil
	if to == joined {
		u.link, l.held = l, 1
	}
	if to != away && u.back != nil {
		close(u.back)
		u.back = nil
	}
	unused := false
	if old != nil {
		if to == gone {
			old.held = 1 // the message on its way is given up, as it might hold the link forever
		}
		unused = old.free()
	}
	u.mu.Unlock()
	if unused {
		old.close()
	}
	return true
}

// giveUp takes the user away, as sending has shown that l is broken. Reading must not go on over a connection that is
// whole: only once it has ended does the user join again.
func (u *user) giveUp(l *link) {
	if u.move(away, l) {
		l.session.Close()
	}
}

// dropped reports whether the user has given up l, as when it is restarted, which then fails what was on its way.
func (u *user) dropped(l *link) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state != gone && u.link != l
}

// left reports whether the user is gone.
func (u *user) left() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state == gone
}

// leave ends the user's session and connections.
func (u *user) leave() { u.move(gone, nil) }

// Restart closes the user's connections. After a time it joins again, and reads on from where it was.
func (u *user) Restart(after time.Duration) {
	u.mu.Lock()
	u.until = time.Now().Add(after)
	l := u.link
	u.mu.Unlock()
	if l != nil && u.move(away, l) { // else it is about to join again
		l.close()
	}
}

// returns returns when the user may join again.
func (u *user) returns() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.until
}

// connect makes l a session on the user's server. It asks again on the same connections if the server
// refuses it for now, as long as the waits together are no longer than a server may ask for.
func (u *user) connect(ctx context.Context, l *link, from transports.Cursor) error {
	w := u.window
	server := w.servers[u.server]
	l.pool.Dialer, l.pool.Sessions = server.dialer, &u.sessions
	if err := l.pool.Open(ctx); err != nil {
		l.pool.Close()
		return err
	}
	w.connected.Add(1)
	limited := transports.Within(ctx, transports.AnswerTime, "answer a handshake")
	again, waited := w.backoff.Waits(), time.Duration(0)
	for {
		var err error
		if l.session, err = w.client.Join(limited, transports.Target{Base: server.base, HTTP: &l.pool}, u.room, from); err == nil {
			return nil
		}
		wait := waitAfter(err, &again)
		waited += wait
		if u.step(transports.Handshake, err) != transports.Repeat || waited > transports.LongestWait {
			l.pool.Close()
			return err
		}
		w.ledger.refused(fmt.Errorf("joining: %w", err))
		if !pauseUntil(ctx, time.Now().Add(wait)) {
			l.pool.Close()
			return err
		}
	}
}

// receive takes the user's messages until ctx ends or the user leaves. Users that poll on a timer
// start at different phases of the interval.
func (u *user) receive(ctx context.Context) {
	w := u.window
	if period := w.way.Every; period > 0 {
		select {
		case <-w.begun:
		case <-ctx.Done():
			return
		}
		phase := time.Duration(w.ledger.plan.Phases[w.plan.userAt(u.place)] * float64(period))
		if !pauseUntil(ctx, w.ledger.start.Add(phase)) {
			return
		}
	}
	again := w.backoff.Waits()
	for l := &u.first; l != nil; {
		begun, cursor := time.Now(), u.cursor
		err := u.read(ctx, l)
		u.cursor = l.session.Cursor()                                                  // after a gap, past it: the missing messages count as lost
		u.served = u.served || l.pool.Answered() || u.cursor != cursor && !w.foreign() // a foreign server may have places before any answer
		w.ledger.receivers[u.place].waits = err == nil && !u.served && w.way.Polls()
		if ctx.Err() != nil {
			return
		}
		if u.cursor != cursor || time.Since(begun) > w.backoff.Longest() {
			again = w.backoff.Waits()
		}
		step := transports.Rejoin // the server has ended the session in order
		if err != nil {
			step = u.step(transports.Poll, err)
			w.ledger.told(u.place, err, step == transports.Stop)
		}
		switch step {
		case transports.Repeat:
			w.ledger.refused(fmt.Errorf("receiving: %w", err))
			if !pauseUntil(ctx, time.Now().Add(waitAfter(err, &again))) {
				return
			}
		case transports.Rejoin:
			w.recovery.lost(u)
			if err != nil {
				w.ledger.fail(fmt.Errorf("receiving: %w", err))
			}
			if w.way.Duplex {
				u.move(away, l) // a link of another transport can still send until a new one replaces it
			}
			l = u.rejoin(ctx, l, &again, err)
		default:
			w.ledger.fail(fmt.Errorf("receiving: %w", err))
			return
		}
	}
}

// read takes messages until the session ends, and returns why it ended.
func (u *user) read(ctx context.Context, l *link) error {
	for m, err := range l.session.Messages(ctx) {
		if err != nil {
			return err
		}
		u.window.ledger.received(u.place, m.Body)
	}
	return nil
}

// rejoin tries to join again after err, each time on the next server, until it succeeds. It returns the
// link that replaces old, nil if it gave up.
func (u *user) rejoin(ctx context.Context, old *link, again *backoff.Waits, err error) *link {
	w, begun := u.window, time.Now()
	if !pauseUntil(ctx, u.returns()) {
		return nil
	}
	var opened, carried int64 // connections and bytes of all attempts
	for {
		if !pauseUntil(ctx, time.Now().Add(waitAfter(err, again))) || u.left() {
			return nil
		}
		u.mu.Lock()
		if !w.spread {
			u.server = (u.server + 1) % len(w.servers)
		}
		u.mu.Unlock()
		l := &link{}
		err = u.connect(ctx, l, u.cursor)
		ready := time.Since(begun)
		if err == nil {
			err = u.prepare(ctx, l)
		}
		connections, bytes := l.pool.Carried()
		opened, carried = opened+connections, carried+bytes
		if err == nil {
			w.returns.add(ready, opened, carried)
			u.move(away, old)
			if !u.move(joined, l) {
				l.close()
				return nil
			}
			w.rejoins.Add(1)
			w.recovery.joined(u)
			return l
		}
		if ctx.Err() != nil {
			return nil
		}
		w.ledger.fail(fmt.Errorf("joining again: %w", err))
		stop := u.step(transports.Handshake, err) == transports.Stop
		w.ledger.told(u.place, err, stop)
		if stop {
			return nil
		}
	}
}

// send queues a message whose time has come. It doesn't wait: the load is an open loop. A user's
// messages keep their order, so one may have to wait for the one before it; that counts as latency,
// not as lateness of the generator.
func (u *user) send(ctx context.Context, i int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, i)
	if len(u.queue) == 1 {
		u.window.senders.Go(func() { u.sendQueue(ctx) })
	}
}

// sendQueue sends until the queue is empty. Messages wait while the user is away. One that was on its way when the
// link broke may have been stored, so it is sent again only with a key. One that was refused for now is not stored:
// it is sent again before the next one, after a wait.
func (u *user) sendQueue(ctx context.Context) {
	l := u.window.ledger
	var body []byte
	var free time.Duration // when the message could be sent, as nothing held it up any more
	tried := -1            // the message that was tried before
	again := u.window.backoff.Waits()
	for more := true; more; {
		i, link, begun, waited := u.hold()
		if link == nil {
			return
		}
		planned := l.plan.Sends[i]
		now := time.Now()
		actual := now.Sub(l.start)
		if waited {
			free = actual
		}
		if begun.IsZero() {
			l.sending(i, now, actual-max(planned.At, free))
			begun = now
		}
		if i != tried {
			tried, again = i, u.window.backoff.Waits()
		}
		body = Stamp{l.plan.userAt(u.place), int(planned.Number), planned.At, actual}.appendTo(body[:0], u.window.size)
		var unstored error // why the message must be sent again; final when Send returns
		once, asked := u.keyed(link)
		stored := func(err error) { // the acknowledgement may come when the next message is sent
			switch {
			case errors.Is(err, transports.ErrUnsent) || err != nil && stepAfter(asked, err) == transports.Repeat:
				unstored = err
			case err != nil && u.left():
				// The user has given it up; the ledger knows that it is not acknowledged.
			case err != nil && asked == transports.SendKeyed && (broken(err) || errors.Is(err, transports.ErrStoreAway) || u.dropped(link)):
				l.fail(err)
				u.giveUp(link)
				u.sendAgain(ctx, i, begun)
			default:
				l.accepted(i, begun, err)
				if err != nil && broken(err) {
					u.giveUp(link)
				}
			}
		}
		if once != nil {
			once.SendOnce(ctx, body, keyOf(planned), stored)
		} else {
			link.session.Send(ctx, body, stored)
		}
		unsent := errors.Is(unstored, transports.ErrUnsent)
		if unsent {
			if !u.left() {
				l.fail(fmt.Errorf("sending a message: %w", transports.ErrUnsent))
			}
			u.giveUp(link)
		}
		if unstored != nil {
			u.sendAgain(ctx, i, begun)
		}
		more = u.sent(link, i)
		if unstored != nil && !unsent {
			l.refused(unstored)
			pauseUntil(ctx, time.Now().Add(waitAfter(unstored, &again))) // if ctx ends, the user has left
		}
		free = time.Since(l.start)
	}
}

// keyed returns the session of a link if its messages have keys, and what they are to the server then; else nil.
func (u *user) keyed(l *link) (transports.OnceSender, transports.Request) {
	if session, ok := l.session.(transports.OnceSender); ok && u.window.resend {
		return session, transports.SendKeyed
	}
	return nil, transports.Send
}

// keyOf returns the key of a message, in a room that no other window uses.
func keyOf(s Send) transports.Key {
	text := strconv.AppendInt(make([]byte, 0, 16), int64(s.User), 36)
	return transports.Key(strconv.AppendInt(append(text, '.'), int64(s.Number), 36))
}

// sendAgain makes a message that was first sent at a time one of the queue again, or leaves it there. The messages
// of the queue keep their order.
func (u *user) sendAgain(ctx context.Context, i int, begun time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == gone {
		return
	}
	if u.unsure == nil {
		u.unsure = map[int]time.Time{}
	}
	u.unsure[i] = begun
	at, found := slices.BinarySearch(u.queue, i)
	if found {
		return
	}
	u.queue = slices.Insert(u.queue, at, i)
	if len(u.queue) == 1 {
		u.window.senders.Go(func() { u.sendQueue(ctx) })
	}
}

// hold waits until the user is joined, and returns the first message of the queue and the link to
// send it on, which is held for it. begun is when it was first sent, if it is sent again. The link is nil if the user
// is gone.
func (u *user) hold() (i int, l *link, begun time.Time, waited bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.state == away {
		if u.back == nil {
			u.back = make(chan struct{})
		}
		back := u.back
		u.mu.Unlock()
		<-back // it is closed at the latest when the user leaves
		u.mu.Lock()
		waited = true
	}
	if u.state == gone {
		return 0, nil, begun, waited
	}
	u.link.held++
	i = u.queue[0]
	begun = u.unsure[i]
	delete(u.unsure, i)
	return i, u.link, begun, waited
}

// sent gives up the hold of message i on its link, and takes it off the queue unless it is sent again. It reports
// whether there are more.
func (u *user) sent(l *link, i int) (more bool) {
	u.mu.Lock()
	unused := l.free()
	if _, again := u.unsure[i]; !again {
		at, _ := slices.BinarySearch(u.queue, i) // others may have come before it, to be sent again
		if at > 0 {
			u.queue = slices.Delete(u.queue, at, at+1)
		} else if u.queue = u.queue[1:]; len(u.queue) == 0 {
			u.queue = nil
		}
	}
	more = len(u.queue) > 0
	u.mu.Unlock()
	if unused {
		l.close()
	}
	return more
}
