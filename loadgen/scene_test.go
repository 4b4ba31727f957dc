package loadgen

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/transports"
)

// A script is a client whose sessions a test plays.
type script struct {
	way   transports.Way
	join  func(n int) (*scene, error) // the n-th one, from 0
	joins []joining
	begun time.Time
}

// A joining is a call of Join.
type joining struct {
	after time.Duration // since begun
	from  transports.Cursor
	host  string
}

var _ transports.Client = (*script)(nil)

func (c *script) Way() transports.Way { return c.way }

func (c *script) Join(_ context.Context, t transports.Target, _ string, from transports.Cursor) (transports.Session, error) {
	c.joins = append(c.joins, joining{time.Since(c.begun), from, t.Base.Host})
	s, err := c.join(len(c.joins) - 1)
	if err != nil {
		return nil, err
	}
	if s.cursor == "" {
		s.cursor = from
	}
	return s, nil
}

// gaps returns the times between the calls of Join.
func (c *script) gaps() (all []time.Duration) {
	for i := 1; i < len(c.joins); i++ {
		all = append(all, c.joins[i].after-c.joins[i-1].after)
	}
	return all
}

// A scene is a session that brings messages, lasts for a time, moves to a place and ends with an
// error; nil: it lasts until the user stops reading.
type scene struct {
	brings []transports.Message
	lasts  time.Duration
	cursor transports.Cursor
	ends   error
	send   func(body []byte, stored func(error))                     // nil: stored at once
	once   func(body []byte, key transports.Key, stored func(error)) // nil: as send
	read   func() error                                              // called each time that it is read, for its end; nil: ends is the end

	onClose func() // nil: nothing happens

	began  time.Time
	closed atomic.Bool
}

var _ transports.OnceSender = (*scene)(nil)

func (s *scene) SendOnce(ctx context.Context, body []byte, key transports.Key, stored func(error)) {
	if s.once == nil {
		s.Send(ctx, body, stored)
		return
	}
	s.once(body, key, stored)
}

func (s *scene) Send(_ context.Context, body []byte, stored func(error)) {
	if s.send == nil {
		stored(nil)
		return
	}
	s.send(body, stored)
}

func (s *scene) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		s.began = time.Now()
		for _, m := range s.brings {
			if !yield(m, nil) {
				return
			}
		}
		ends := s.ends
		if s.read != nil {
			ends = s.read()
		}
		if ends == nil {
			<-ctx.Done()
			return
		}
		select {
		case <-time.After(s.lasts):
		case <-ctx.Done():
		}
		yield(transports.Message{}, ends)
	}
}

// Cursor returns the place once the scene has begun to be read.
func (s *scene) Cursor() transports.Cursor {
	if s.began.IsZero() {
		return ""
	}
	return s.cursor
}

func (s *scene) Close() error {
	if !s.closed.Swap(true) && s.onClose != nil {
		s.onClose()
	}
	return nil
}

// hosts returns the addresses of two servers that answer nothing.
func hosts(t *testing.T) (all []*url.URL) {
	t.Helper()
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		all = append(all, &url.URL{Scheme: "http", Host: listener.Addr().String()})
	}
	return all
}

// play begins a window with these sends, and returns user 0 of it. It is for a bubble.
func play(c *script, bases []*url.URL, sends ...Send) *user {
	plan := bySend(sends...)
	w := &window{client: c, way: c.way, plan: plan, ledger: newLedger(plan), size: minSize, begun: make(chan struct{})}
	w.serve(bases)
	w.makeUsers()
	c.begun = time.Now()
	w.ledger.start = c.begun
	close(w.begun)
	return &w.users[0]
}

// stateOf returns the state of a user.
func stateOf(u *user) state {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// failures returns the errors that the window of a user has met, and how often.
func failures(u *user) map[string]int { return u.window.ledger.failures }

var (
	unavailable = &transports.StatusError{Code: http.StatusServiceUnavailable, Status: "503", Text: "later"}
	forbidden   = &transports.StatusError{Code: http.StatusForbidden, Status: "403", Text: "no"}
	notFound    = &transports.StatusError{Code: http.StatusNotFound, Status: "404", Text: "no"}
	streaming   = transports.Way{Title: "both ways", Stream: true, Duplex: true}
	errForeign  = errors.New("what do you want?")
)
