package transporttest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// abortAtEveryByte has users that close their connections after some bytes of what the server sends: none, one, two and so on, up
// to all that it takes to bring two messages, heads included. Another user reads on from where each of them was. It gets
// the messages that the first one has not got, and no other ones.
func abortAtEveryByte(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	own := &budgets{}
	server.network.Wrap = own.wrap
	all := own.of(unbounded)
	readAborting(t, server, store, "whole", all)
	for bytes := range all.taken + 1 {
		room := fmt.Sprint("room", bytes)
		got, cursor := readAborting(t, server, store, room, own.of(bytes))
		own.of(unbounded)
		u := server.Join(room, cursor)
		u.Wait(2 - len(got))
		time.Sleep(patienceFor(server)) // for messages that come twice
		if got = append(got, u.Bodies()...); len(got) != 2 || got[0] != "first" || got[1] != "second" {
			t.Fatalf("a user that aborted after %d of %d bytes, and read on from %q, got %q", bytes, all.taken, cursor, got)
		}
		u.Leave()
	}
	if all.taken < 100 {
		t.Errorf("two messages took %d bytes", all.taken)
	}
}

// readAborting reads a room, in which a message is before the user joins and another one comes later, until its bytes are spent.
// It returns what came, and the place to read on from.
func readAborting(t *testing.T, server *Server, store transports.Store, room string, own *budget) ([]string, transports.Cursor) {
	publish(t, store, room, "first")
	target, conns := server.Target()
	session, err := server.transport.Join(context.Background(), target, room, "")
	if err != nil {
		publish(t, store, room, "second")
		conns.CloseIdleConnections()
		return nil, ""
	}
	u := Read(t, context.Background(), session, conns)
	patience := patienceFor(server)
	time.Sleep(patience)
	publish(t, store, room, "second")
	u.come(2, patience)
	own.end()
	u.Leave()
	return u.Bodies(), u.Cursor()
}

// patienceFor returns a time in which a message comes, whatever the transport.
func patienceFor(s *Server) time.Duration { return 2*s.transport.Way().Timer() + 100*time.Millisecond }

// come waits until n messages have come, Messages has ended, or d has passed.
func (u *User) come(n int, d time.Duration) {
	late := time.After(d)
	for {
		u.mu.Lock()
		got, more := len(u.got), u.more
		u.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-more:
		case <-u.ended:
			return
		case <-late:
			return
		}
	}
}

// unbounded is the budget of a user that aborts nothing.
const unbounded = 1 << 30

// budgets are those of users who come one after another.
type budgets struct {
	mu  sync.Mutex
	own *budget
}

// of makes the connections that are opened from now on those of a user with so many bytes.
func (b *budgets) of(bytes int) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = &budget{left: bytes}
	return b.own
}

func (b *budgets) wrap(conn net.Conn) net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &aborting{conn, b.own}
}

// A budget is how many bytes a user reads on all its connections.
type budget struct {
	mu          sync.Mutex
	left, taken int
	ended       bool // taken stays as it is
}

// take returns how many of n bytes that have arrived the user gets.
func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := min(n, b.left)
	b.left -= got
	if !b.ended {
		b.taken += got
	}
	return got
}

func (b *budget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// An aborting is a user's end of a connection, which closes when the budget is spent and another byte arrives.
type aborting struct {
	net.Conn
	of *budget
}

// Read implements net.Conn.
func (a *aborting) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	if got := a.of.take(n); got < n {
		_ = a.Conn.Close() // a pipe closes always
		return got, io.ErrUnexpectedEOF
	}
	return n, err
}
