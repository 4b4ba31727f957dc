package transporttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

func contextEndsMessages(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	for _, n := range []int{0, 3} { // in an empty room, too
		room := fmt.Sprint("room", n)
		publish(t, store, room, numbered(0, n)...)
		session, conns := server.Enter(room, "")
		ctx, cancel := context.WithCancel(t.Context())
		u := Read(t, ctx, session, conns)
		u.Wait(n)
		time.Sleep(time.Second) // somewhere between two messages
		start := time.Now()
		cancel()
		if err := u.End(); err != nil {
			t.Errorf("Messages returned an error when its context ended: %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Messages ended %v after its context", took)
		}
		if err := session.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}

	session, conns := server.Enter("room3", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Read(t, ctx, session, conns).End(); err != nil {
		t.Errorf("Messages returned an error for a context that had ended: %v", err)
	}
}

func closeEndsMessages(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	for _, n := range []int{0, 3} {
		room := fmt.Sprint("room", n)
		publish(t, store, room, numbered(0, n)...)
		u := server.Join(room, "")
		u.Wait(n)
		time.Sleep(time.Second)
		start := time.Now()
		if _, err := u.Leave(); err != nil {
			t.Errorf("Messages returned an error on Close: %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Messages ended %v after Close", took)
		}
		if err := u.Send("too late"); err == nil {
			t.Error("a message is stored after Close")
		}
	}
	session, conns := server.Enter("room3", "")
	session.Close()
	u := Read(t, context.Background(), session, conns)
	if err := u.End(); err != nil || len(u.Got()) > 0 {
		t.Errorf("Messages after Close: %q, %v", u.Bodies(), err)
	}
}

func closeTwice(t *testing.T, on stage) {
	server := on.serve(t, new(memory.Store))
	idle, _ := server.Enter("room", "")
	u := server.Join("room", "")
	for _, session := range []transports.Session{idle, u.Session} {
		var closing sync.WaitGroup
		for range 3 {
			closing.Go(func() {
				if err := session.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		closing.Wait()
		if err := session.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	}
	if err := u.End(); err != nil {
		t.Errorf("Messages returned an error on Close: %v", err)
	}
	server.Stop()
	if err := u.Session.Close(); err != nil {
		t.Errorf("Close after the server has gone: %v", err)
	}
}

// closeWhileSendStuck uses a store that blocks, so that Send blocks sooner or later.
func closeWhileSendStuck(t *testing.T, on stage) {
	const n = 5
	for _, reading := range []bool{true, false} {
		block := make(chan struct{})
		server := on.serve(t, &failingStore{Store: new(memory.Store), block: block})
		session, conns := server.Enter("room", "")
		if reading {
			Read(t, context.Background(), session, conns)
		}
		var called, stored atomic.Int32
		var sending sync.WaitGroup
		sending.Go(func() {
			for range n {
				session.Send(context.Background(), []byte(strings.Repeat("x", 60_000)), func(err error) {
					called.Add(1)
					if err == nil {
						stored.Add(1)
					}
				})
			}
		})
		synctest.Wait()
		start := time.Now()
		if err := session.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		sending.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Close took %v to end a blocked Send", took)
		}
		if called.Load() != n || stored.Load() != 0 {
			t.Errorf("of %d sends cut off by Close, stored was called for %d, %d without an error", n, called.Load(), stored.Load())
		}
		close(block)
		server.Stop()
		if called.Load() != n {
			t.Errorf("stored was called %d times for %d sends", called.Load(), n)
		}
	}
}

func joinContextIsOver(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	target, conns := server.Target()
	ctx, cancel := context.WithCancel(t.Context())
	session, err := server.transport.Join(ctx, target, "room", "")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	u := Read(t, context.Background(), session, conns)
	if err := u.Send("hello"); err != nil {
		t.Errorf("sending after the context of Join has ended: %v", err)
	}
	publish(t, store, "room", "again")
	u.Wait(2)
	settle()
	same(t, "the user", u.Bodies(), []string{"hello", "again"})
}

// serverStops continues the room on a second server with the same store.
func serverStops(t *testing.T, on stage) {
	store := new(memory.Store)
	first := on.serve(t, store)
	var users []*User
	for range 3 {
		users = append(users, first.Join("room", ""))
	}
	publish(t, store, "room", numbered(0, 5)...)
	for _, u := range users {
		u.Wait(5)
	}
	stopped := time.Now()
	first.Stop()
	if took := time.Since(stopped); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	publish(t, store, "room", numbered(5, 8)...)
	second := on.serve(t, store)
	for _, u := range users {
		if err := u.End(); err == nil {
			t.Error("Messages ended without an error when the server stopped")
		}
		back := second.Join("room", u.Cursor())
		publish(t, store, "room", "and on")
		back.Wait(4)
		got := append(u.Bodies(), back.Bodies()...)
		same(t, "the user that rejoined", got[:8], numbered(0, 8))
		if i := slices.Index(got, "and on"); i != 8 {
			t.Errorf("the user that rejoined gets the next message as number %d, want 8", i)
		}
	}
}

// serverStopsUnderLoad checks that acknowledged messages are in the log exactly once, the others at
// most once, and all in order.
func serverStopsUnderLoad(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	u := server.Join("room", "")
	var stored []string
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, body := range numbered(0, 200) {
			time.Sleep(10 * time.Millisecond)
			if u.Send(body) == nil {
				stored = append(stored, body)
			}
		}
	})
	time.Sleep(1005 * time.Millisecond)
	server.Stop()
	sending.Wait()
	if len(stored) < 50 || len(stored) > 150 {
		t.Errorf("%d of 200 messages are acknowledged, want about half, as the server stopped in the middle", len(stored))
	}
	messages, err := store.After(t.Context(), "room", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	for _, m := range messages {
		logged = append(logged, string(m.Body))
	}
	same(t, "the log", logged, numbered(0, len(logged)))
	for _, body := range stored {
		if !slices.Contains(logged, body) {
			t.Errorf("%q is acknowledged, but not in the log", body)
		}
	}
}

// serverIsGone cuts the connections without a close frame or a response.
func serverIsGone(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	reader, sender := server.Join("room", ""), server.Join("room", "")
	publish(t, store, "room", "hello")
	reader.Wait(1)
	sender.Wait(1)
	server.network.Refuse() // first, or a poll could reconnect
	reader.Conns.cut()
	sender.Conns.cut()
	if err := sender.Send("too late"); err == nil {
		t.Error("a message is stored on a server that is gone")
	}
	for _, u := range []*User{reader, sender} {
		if err := u.End(); err == nil {
			t.Error("Messages ended without an error when the server was gone")
		}
	}
}

func noServer(t *testing.T, on stage) {
	server := on.serve(t, new(memory.Store))
	server.Stop()
	if _, err := outcome(t, server, ""); err == nil {
		t.Error("no error from a server that isn't there")
	}
}

var errDisk = errors.New("the disk is on fire")

// isStoreError reports whether a user got an error of the store: that it is one, and none of its text.
func isStoreError(err error) bool {
	return err != nil && strings.Contains(err.Error(), transports.StoreText(errDisk)) && !strings.Contains(err.Error(), errDisk.Error())
}

func storeErrorOnRead(t *testing.T, on stage) {
	store := &failingStore{Store: new(memory.Store)}
	server := on.serve(t, store)
	u := server.Join("room", "")
	publish(t, store, "room", "before")
	u.Wait(1)
	store.fail(errDisk, nil)
	publish(t, store, "room", "while reads fail") // wakes the waiting readers
	err := u.End()
	if !isStoreError(err) {
		t.Errorf("Messages: %v, want the text of transports.StoreText", err)
	}
	if _, err := outcome(t, server, ""); !isStoreError(err) {
		t.Errorf("joining while reads fail: %v, want the text of transports.StoreText", err)
	}
	store.fail(nil, nil)
	back := server.Join("room", u.Cursor())
	back.Wait(1)
	same(t, "the user that rejoined", back.Bodies(), []string{"while reads fail"})
}

func storeErrorOnSend(t *testing.T, on stage) {
	store := &failingStore{Store: new(memory.Store)}
	server := on.serve(t, store)
	u, other := server.Join("room", ""), server.Join("room", "")
	if err := u.Send("before"); err != nil {
		t.Fatal(err)
	}
	store.fail(nil, errDisk)
	for range 3 {
		if err := u.Send("while sends fail"); !isStoreError(err) {
			t.Errorf("sending: %v, want the text of transports.StoreText", err)
		}
	}
	store.fail(nil, nil)
	if err := u.Send("after"); err != nil {
		t.Errorf("sending after the store has recovered: %v", err)
	}
	settle()
	same(t, "the sender", u.Bodies(), []string{"before", "after"})
	same(t, "another user", other.Bodies(), []string{"before", "after"})
}
