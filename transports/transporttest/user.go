package transporttest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/transports"
)

// A Delivery is a message that has come, and when.
type Delivery struct {
	Seq  uint64
	Body string
	At   time.Time
}

// A User is a session whose messages are read.
type User struct {
	Session transports.Session
	Wire    *Wire

	t     testing.TB
	ended chan struct{} // closed when Messages has ended

	mu   sync.Mutex
	got  []Delivery
	more chan struct{} // closed by the next delivery
	err  error
}

// Read ranges over the messages of session until they end.
func Read(t testing.TB, ctx context.Context, session transports.Session, wire *Wire) *User {
	u := &User{Session: session, Wire: wire, t: t, ended: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(u.ended)
		for m, err := range session.Messages(ctx) {
			u.mu.Lock()
			if u.err != nil {
				t.Errorf("Messages went on after its first error %v", u.err)
			}
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

// Send sends body and waits until it is stored.
func (u *User) Send(body string) error {
	u.t.Helper()
	return Send(u.t, u.Session, body)
}

// Send sends body and waits for what became of it. It fails the test when that isn't told, or
// told twice.
func Send(t testing.TB, session transports.Session, body string) error {
	t.Helper()
	told := make(chan error, 1)
	var times atomic.Int32
	session.Send(context.Background(), []byte(body), func(err error) {
		if times.Add(1) > 1 {
			t.Errorf("stored was called again, with %v", err)
			return
		}
		told <- err
	})
	select {
	case err := <-told:
		return err
	case <-time.After(patience):
		t.Fatalf("sending %.20q: not told what became of it", body)
		return nil
	}
}

// Wait returns the first n messages once they have come.
func (u *User) Wait(n int) []Delivery {
	u.t.Helper()
	late := time.After(patience)
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
			u.t.Fatalf("%d of %d messages came, then %v", len(got), n, u.err)
		case <-late:
			u.t.Fatalf("%d of %d messages came", len(got), n)
		}
	}
}

// Got returns the messages that have come so far.
func (u *User) Got() []Delivery {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// Bodies returns the texts that have come so far.
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
	case <-time.After(patience):
		u.t.Fatal("Messages goes on")
		return nil
	}
}

// Leave closes the session and returns how its Messages ended and where to read on from.
func (u *User) Leave() (transports.Cursor, error) {
	u.t.Helper()
	if err := u.Session.Close(); err != nil {
		u.t.Errorf("Close: %v", err)
	}
	err := u.End()
	u.Wire.CloseIdleConnections()
	return u.Cursor(), err
}

// Cursor is the place of the last message that has come.
func (u *User) Cursor() transports.Cursor {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.got) == 0 {
		return ""
	}
	return transports.Cursor(strconv.FormatUint(u.got[len(u.got)-1].Seq, 10))
}
