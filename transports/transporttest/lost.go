package transporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// logLost restarts the server with a log that has lost all its messages. A user of the lost log gets a
// gap and then every message of the new one, however many it has by then.
func logLost(t *testing.T, on stage) {
	const before = 5
	old := new(memory.Store)
	first := on.serve(t, old)
	publish(t, old, "room", numbered(0, before)...)
	u := first.Join("room", "")
	u.Wait(before)
	first.Stop()
	if err := u.End(); err == nil {
		t.Error("Messages ended without an error when the server stopped")
	}
	time.Sleep(time.Second)
	for _, n := range []int{0, 1, before - 1, before, before + 1, 3 * before} {
		store := new(memory.Store)
		publish(t, store, "room", numbered(100, 100+n)...)
		server := on.serve(t, store)
		reportsGap(t, server, u.Cursor(), numbered(100, 100+n))
		server.Stop()
	}
}

// LatePlace is implemented by a transport whose users know no place in a log when they have joined.
type LatePlace interface {
	// LatePlace returns how long after joining they know one; negative: not before they have read a message. Nobody can
	// tell them that the log was lost before.
	LatePlace() time.Duration
}

// logLostUnread restarts the server with another log before a user has read anything. The user can't know whether messages
// were in the lost one, so it gets a gap.
func logLostUnread(t *testing.T, on stage) {
	for _, n := range []int{0, 3} {
		first := on.serve(t, new(memory.Store))
		known := time.Millisecond
		if p, ok := first.transport.(LatePlace); ok {
			known = p.LatePlace()
		}
		if known < 0 {
			first.Stop()
			return
		}
		u := first.Join("room", "")
		time.Sleep(known)
		first.Stop()
		_ = u.End()
		time.Sleep(time.Second)
		store := new(memory.Store)
		publish(t, store, "room", numbered(100, 100+n)...)
		server := on.serve(t, store)
		reportsGap(t, server, u.Session.Cursor(), numbered(100, 100+n))
		server.Stop()
	}
}

// logLostWhileServing loses the log under a server that goes on, as when somebody empties a database.
func logLostWhileServing(t *testing.T, on stage) {
	const before = 5
	for _, n := range []int{0, 1, before, 3 * before} {
		store := &losing{log: new(memory.Store)}
		server := on.serve(t, store)
		room := fmt.Sprint("room", n)
		publish(t, store, room, numbered(0, before)...)
		users := []*User{server.Join(room, ""), server.Join(room, "")}
		for _, u := range users {
			u.Wait(before)
		}
		time.Sleep(time.Second)
		log := new(memory.Store)
		publish(t, log, room, numbered(100, 100+n)...)
		store.lose(log)
		for i, u := range users {
			err := u.End()
			if _, ok := errors.AsType[*transports.GapError](err); !ok {
				t.Errorf("user %d of a lost log with %d new messages: %v, want a gap", i, n, err)
			}
			same(t, "the user of a lost log", u.Bodies(), numbered(0, before))
			back := server.Join(room, u.Cursor())
			publish(t, store, room, fmt.Sprint("after gap ", i))
			back.Wait(n + 1 + i)
			same(t, "the user that reads on", back.Bodies()[:n], numbered(100, 100+n))
		}
		server.Stop()
	}
}

// A losing store can lose its log and begin another one.
type losing struct {
	transports.Bell
	mu  sync.Mutex
	log transports.Store
}

func (l *losing) current() transports.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log
}

func (l *losing) lose(log transports.Store) {
	l.mu.Lock()
	l.log = log
	l.mu.Unlock()
	l.RingAll()
}

func (l *losing) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	seq, err := l.current().Append(ctx, room, body, key)
	l.Ring(room)
	return seq, err
}

func (l *losing) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	return l.current().After(ctx, room, seq, limit)
}
