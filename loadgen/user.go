package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pushpull/transports"
)

// A user is one simulated user in one room: a goroutine that receives, and its planned sends.
type user struct {
	id      int
	room    string
	wire    Wire
	window  *window
	session transports.Session

	mu      sync.Mutex
	queue   []int // places in the plan of messages whose time has come
	sending bool  // a goroutine is at work on the queue
}

// join connects the user and makes it a member of its room.
func (u *user) join(ctx context.Context) error {
	w := u.window
	for range w.connections(u.id) {
		if err := u.wire.Open(ctx); err != nil {
			return err
		}
	}
	target := transports.Target{Base: w.base, Wire: &u.wire}
	session, err := w.transport.Join(ctx, target, u.room, "")
	if err != nil {
		return err
	}
	u.session = session
	return nil
}

// leave ends the user's session and connections.
func (u *user) leave() {
	if u.session != nil {
		u.session.Close() // whatever it returns, the user has left
	}
	u.wire.Close()
}

// receive takes the user's messages until ctx ends. Users of a periodic transport begin at their
// phase of its period.
func (u *user) receive(ctx context.Context) {
	w := u.window
	if periodic, ok := w.transport.(transports.Periodic); ok {
		select {
		case <-w.begun:
		case <-ctx.Done():
			return
		}
		phase := time.Duration(w.ledger.plan.Phases[u.id] * float64(periodic.Period()))
		timer := time.NewTimer(time.Until(w.ledger.start.Add(phase)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
	for m, err := range u.session.Messages(ctx) {
		if err != nil {
			w.ledger.fail(fmt.Errorf("receiving: %w", err))
			return
		}
		w.ledger.received(u.id, m.Body)
	}
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

// sendQueue sends what is queued.
func (u *user) sendQueue(ctx context.Context) {
	l := u.window.ledger
	var body []byte
	var free time.Duration // when the send before was out of the way
	for {
		u.mu.Lock()
		if len(u.queue) == 0 {
			u.queue, u.sending = nil, false
			u.mu.Unlock()
			return
		}
		i := u.queue[0]
		u.queue = u.queue[1:]
		u.mu.Unlock()

		planned := l.plan.Sends[i]
		now := time.Now()
		actual := now.Sub(l.start)
		l.sending(i, now, actual-max(planned.At, free))
		body = Stamp{u.id, int(planned.Number), planned.At, actual}.appendTo(body[:0], u.window.size)
		u.session.Send(ctx, body, func(err error) { l.accepted(i, now, err) })
		free = time.Since(l.start)
	}
}
