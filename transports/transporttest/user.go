package transporttest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/transports"
)

// A Delivery is a message and the time at which it came.
type Delivery struct {
	Seq  uint64
	Body string
	At   time.Time
}

// A User is a session whose messages are read.
type User struct {
	Session transports.Session
	Conns   *Conns

	t     testing.TB
	ended chan struct{} // closed when Messages has ended

	mu     sync.Mutex
	got    []Delivery
	more   chan struct{} // closed by the next delivery
	cursor transports.Cursor
	err    error
}

// Read ranges over the messages of session until they end.
func Read(t testing.TB, ctx context.Context, session transports.Session, conns *Conns) *User {
	u := &User{Session: session, Conns: conns, t: t, ended: make(chan struct{}), more: make(chan struct{}), cursor: session.Cursor()}
	go func() {
		defer close(u.ended)
		for m, err := range session.Messages(ctx) {
			u.mu.Lock()
			if u.err != nil {
				t.Errorf("Messages went on after its first error %v", u.err)
			}
			u.cursor = session.Cursor()
			if u.err = err; err == nil {
				u.got = append(u.got, Delivery{m.Seq, string(m.Body), time.Now()})
				close(u.more)
				u.more = make(chan struct{})
			}
			u.mu.Unlock()
		}
	}()
	t.Cleanup(func() { u.Leave() })
	return u
}

// Send sends body with the user's session, like the function Send.
func (u *User) Send(body string) error {
	u.t.Helper()
	return Send(u.t, u.Session, body)
}

// Send sends body and waits for its result. It fails the test if stored is not called exactly once.
func Send(t testing.TB, session transports.Session, body string) error {
	t.Helper()
	return awaitStored(t, body, func(stored func(error)) { session.Send(context.Background(), []byte(body), stored) })
}

// SendOnce is Send for a message with a key.
func (u *User) SendOnce(body string, key transports.Key) error {
	u.t.Helper()
	session, ok := u.Session.(transports.OnceSender)
	if !ok {
		u.t.Fatalf("%T is no transports.OnceSender", u.Session)
	}
	return awaitStored(u.t, body, func(stored func(error)) { session.SendOnce(context.Background(), []byte(body), key, stored) })
}

// awaitStored returns the result of send.
func awaitStored(t testing.TB, body string, send func(stored func(error))) error {
	t.Helper()
	result := make(chan error, 1)
	var times atomic.Int32
	send(func(err error) {
		if times.Add(1) > 1 {
			t.Errorf("stored was called again, with %v", err)
			return
		}
		result <- err
	})
	select {
	case err := <-result:
		return err
	case <-time.After(waitTimeout):
		t.Fatalf("sending %.20q: stored was not called within %v", body, waitTimeout)
		return nil
	}
}

// Wait returns the first n messages once they have come.
func (u *User) Wait(n int) []Delivery {
	u.t.Helper()
	late := time.After(waitTimeout)
	for {
		u.mu.Lock()
		got, more := u.got, u.more
		u.mu.Unlock()
		if len(got) >= n {
			return got[:n]
		}
		select {
		case <-more:
		case <-u.ended:
			u.t.Fatalf("%d of %d messages came, then Messages ended with %v", len(got), n, u.err)
		case <-late:
			u.t.Fatalf("%d of %d messages came within %v", len(got), n, waitTimeout)
		}
	}
}

// Got returns the messages that have come so far.
func (u *User) Got() []Delivery {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// Bodies returns the bodies of the messages that have come so far.
func (u *User) Bodies() []string {
	var all []string
	for _, d := range u.Got() {
		all = append(all, d.Body)
	}
	return all
}

// End waits until Messages has ended and returns its error.
func (u *User) End() error {
	u.t.Helper()
	select {
	case <-u.ended:
		return u.err
	case <-time.After(waitTimeout):
		u.t.Fatalf("Messages has not ended after %v", waitTimeout)
		return nil
	}
}

// Leave closes the session and returns its cursor and the error that Messages ended with.
func (u *User) Leave() (transports.Cursor, error) {
	u.t.Helper()
	if err := u.Session.Close(); err != nil {
		u.t.Errorf("Close: %v", err)
	}
	err := u.End()
	u.Conns.CloseIdleConnections()
	return u.Cursor(), err
}

// Cursor returns the session's cursor after the last message or error that has come.
func (u *User) Cursor() transports.Cursor {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cursor
}
