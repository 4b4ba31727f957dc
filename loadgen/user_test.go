package loadgen

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/url"
	"reflect"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// An idleSession counts how often it is closed.
type idleSession struct{ closed int }

var _ transports.Session = (*idleSession)(nil)

func (*idleSession) Send(context.Context, []byte, func(error))                     {}
func (*idleSession) Messages(context.Context) iter.Seq2[transports.Message, error] { return nil }
func (*idleSession) Cursor() transports.Cursor                                     { return "" }
func (s *idleSession) Close() error                                                { s.closed++; return nil }

func idleLink() (*link, *idleSession) {
	s := &idleSession{}
	return &link{session: s, pool: wire.Pool{}}, s
}

// TestUserMoves takes a user through its states. A link is closed once, when neither the user nor a
// message holds it; a user that leaves waits for no message.
func TestUserMoves(t *testing.T) {
	for _, c := range []struct {
		name  string
		moves func(t *testing.T, u *user, l *link, s *idleSession)
	}{
		{"the link breaks", func(t *testing.T, u *user, l *link, s *idleSession) {
			if !u.move(away, l) || s.closed != 1 {
				t.Errorf("closed %d times, want once", s.closed)
			}
			if u.move(away, l) {
				t.Error("a link broke twice")
			}
		}},
		{"the link breaks while a message is sent", func(t *testing.T, u *user, l *link, s *idleSession) {
			u.queue = []int{7, 8}
			i, held, _, waited := u.hold()
			if i != 7 || held != l || waited {
				t.Errorf("sending %d on %p, waited: %t", i, held, waited)
			}
			if u.move(away, l); s.closed != 0 {
				t.Error("closed under the message")
			}
			if !u.sent(l, 7) || s.closed != 1 || u.queue[0] != 8 {
				t.Errorf("closed %d times, queue %v", s.closed, u.queue)
			}
		}},
		{"a message is not sent", func(t *testing.T, u *user, l *link, s *idleSession) {
			u.queue = []int{7}
			u.hold()
			if u.sendAgain(t.Context(), 7, time.Now()); !u.sent(l, 7) || s.closed != 0 || u.queue[0] != 7 {
				t.Errorf("closed %d times, queue %v", s.closed, u.queue)
			}
		}},
		{"the user leaves while a message is sent", func(t *testing.T, u *user, l *link, s *idleSession) {
			u.queue = []int{7}
			u.hold()
			if u.leave(); s.closed != 1 || !u.left() {
				t.Errorf("closed %d times, want at once", s.closed)
			}
			if u.sent(l, 7) || s.closed != 1 {
				t.Errorf("closed %d times, queue %v", s.closed, u.queue)
			}
		}},
		{"the user is gone for good", func(t *testing.T, u *user, l *link, _ *idleSession) {
			u.leave()
			next, s := idleLink()
			if u.move(joined, next) || u.move(away, l) || u.move(gone, nil) || u.link != nil || s.closed != 0 {
				t.Error("a user that was gone changed its state")
			}
		}},
		{"a message waits until the user is back", func(t *testing.T, u *user, l *link, _ *idleSession) {
			u.move(away, l)
			u.queue = []int{7}
			next, _ := idleLink()
			got := waitingHold(u)
			u.move(joined, next)
			within(t, got, func(l *link) {
				if l != next || next.held != 2 {
					t.Errorf("sending on %p, held %d times; want %p, 2", l, next.held, next)
				}
			})
		}},
		{"messages wait each time the user is away", func(t *testing.T, u *user, l *link, _ *idleSession) {
			u.queue = []int{7, 8}
			for range 3 {
				u.move(away, l)
				got := waitingHold(u)
				next, _ := idleLink()
				u.move(joined, next)
				within(t, got, func(got *link) {
					if got != next {
						t.Errorf("sending on %p, want %p", got, next)
					}
				})
				l = next
			}
		}},
		{"a message waits until the user leaves", func(t *testing.T, u *user, l *link, _ *idleSession) {
			u.move(away, l)
			u.queue = []int{7}
			got := waitingHold(u)
			u.leave()
			within(t, got, func(l *link) {
				if l != nil {
					t.Error("a user that was gone sends")
				}
			})
		}},
		{"a link that was replaced breaks", func(t *testing.T, u *user, l *link, _ *idleSession) {
			u.move(away, l)
			next, s := idleLink()
			if !u.move(joined, next) || u.move(away, l) || u.link != next || s.closed != 0 {
				t.Errorf("the user's link is %p, closed %d times; want %p", u.link, s.closed, next)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := &user{}
			l, s := idleLink()
			u.move(joined, l)
			c.moves(t, u, l, s)
		})
	}
}

// waitingHold calls hold in a goroutine and returns once it waits.
func waitingHold(u *user) <-chan *link {
	got := make(chan *link, 1)
	go func() {
		_, l, _, _ := u.hold()
		got <- l
	}()
	for waits := false; !waits; {
		u.mu.Lock()
		waits = u.back != nil
		u.mu.Unlock()
	}
	return got
}

// TestUserBacksOff has a session that breaks, and servers that are out of reach for a while: the user
// tries them in turns, each time after a longer wait, and reads on from where it was.
func TestUserBacksOff(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		c := &script{way: streaming, join: func(n int) (*scene, error) {
			switch {
			case n == 0:
				return &scene{cursor: "7", ends: io.EOF}, nil
			case n < 10:
				return nil, unavailable
			}
			return &scene{}, nil
		}}
		u := play(c, bases)
		ctx, cancel := context.WithCancel(t.Context())
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		received := make(chan struct{})
		go func() {
			u.receive(ctx)
			close(received)
		}()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		backoff := 50 * time.Millisecond
		if len(c.joins) != 11 {
			t.Fatalf("%d joins", len(c.joins))
		}
		for i, gap := range c.gaps() {
			if gap < backoff/2 || gap >= backoff {
				t.Errorf("wait %d took %v, want %v to %v", i, gap, backoff/2, backoff)
			}
			backoff = min(2*backoff, 2*time.Second)
		}
		for i, j := range c.joins {
			want := transports.Cursor("7")
			if i == 0 {
				want = ""
			}
			if j.from != want || j.host != bases[i%2].Host {
				t.Errorf("join %d is from %q at %s, want %q at %s", i, j.from, j.host, want, bases[i%2].Host)
			}
		}
		if got, want := failures(u), map[string]int{"receiving: EOF": 1, "joining again: the server answered 503: later": 9}; !reflect.DeepEqual(got, want) {
			t.Errorf("failures %v, want %v", got, want)
		}
		if u.window.rejoins.Load() != 1 || stateOf(u) != joined {
			t.Errorf("%d rejoins, state %d", u.window.rejoins.Load(), stateOf(u))
		}
		u.leave()
		cancel()
		<-received
	})
}

// TestUserBacksOffLess has sessions that break. The wait grows from one that brought nothing to the
// next, and begins anew after one that moved on or lasted.
func TestUserBacksOffLess(t *testing.T) {
	bases := hosts(t)
	scenes := []*scene{
		{ends: io.EOF},
		{ends: io.EOF},
		{ends: io.EOF},
		{ends: io.EOF, cursor: "1"},
		{ends: io.EOF},
		{ends: io.EOF, lasts: 2*time.Second + 1},
		{ends: io.EOF},
		{ends: io.EOF, lasts: 2 * time.Second},
		{ends: &transports.GapError{Oldest: 9}, cursor: "8"},
		{}, // lasts
	}
	want := []time.Duration{50, 100, 200, 50, 100, 50, 100, 200, 50}
	synctest.Test(t, func(t *testing.T) {
		c := &script{way: streaming, join: func(n int) (*scene, error) { return scenes[n], nil }}
		u := play(c, bases)
		ctx, cancel := context.WithCancel(t.Context())
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			u.leave()
			cancel()
		}()
		u.receive(ctx)
		gaps := c.gaps()
		if len(gaps) != len(want) {
			t.Fatalf("waits %v, want %d", gaps, len(want))
		}
		for i, most := range want {
			most *= time.Millisecond
			if wait := gaps[i] - scenes[i].lasts; wait < most/2 || wait >= most {
				t.Errorf("wait %d took %v, want %v to %v", i, wait, most/2, most)
			}
		}
		if u.window.rejoins.Load() != int64(len(want)) {
			t.Errorf("%d rejoins, want %d", u.window.rejoins.Load(), len(want))
		}
		for i, s := range scenes {
			if !s.closed.Load() {
				t.Errorf("session %d is not closed", i)
			}
		}
	})
}

// TestUserGivesUp has errors after which joining again makes no sense, and a user that leaves while
// it waits to join again.
func TestUserGivesUp(t *testing.T) {
	bases := hosts(t)
	for _, c := range []struct {
		name  string
		ends  error // of the first session
		again error // of joining again
		leave time.Duration
		joins int
		fails map[string]int
	}{
		{"no protocol", errForeign, nil, 0, 1, map[string]int{"receiving: what do you want?": 1}},
		{"no room for it", io.EOF, forbidden, 0, 2, map[string]int{"receiving: EOF": 1, "joining again: the server answered 403: no": 1}},
		{"the user leaves", io.EOF, nil, 10 * time.Millisecond, 1, map[string]int{"receiving: EOF": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &script{way: streaming, join: func(n int) (*scene, error) {
					if n > 0 {
						return &scene{}, c.again
					}
					return &scene{ends: c.ends}, nil
				}}
				u := play(client, bases)
				if err := u.join(t.Context()); err != nil {
					t.Fatal(err)
				}
				if c.leave > 0 {
					time.AfterFunc(c.leave, u.leave)
				}
				u.receive(t.Context())
				if took := time.Since(client.begun); took >= 50*time.Millisecond {
					t.Errorf("it gave up after %v", took)
				}
				if len(client.joins) != c.joins || !reflect.DeepEqual(failures(u), c.fails) || u.window.rejoins.Load() != 0 {
					t.Errorf("%d joins, %d rejoins, failures %v; want %d, 0, %v", len(client.joins), u.window.rejoins.Load(), failures(u), c.joins, c.fails)
				}
				u.leave()
			})
		})
	}
}

// TestUserLeavesAsItJoins has a user that leaves while a server lets it in again: the new session is
// closed.
func TestUserLeavesAsItJoins(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		var u *user
		second := &scene{}
		c := &script{way: streaming, join: func(n int) (*scene, error) {
			if n > 0 {
				u.leave()
				return second, nil
			}
			return &scene{ends: io.EOF}, nil
		}}
		u = play(c, bases)
		if err := u.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		u.receive(t.Context())
		if !second.closed.Load() || u.window.rejoins.Load() != 0 || len(c.joins) != 2 {
			t.Errorf("the session is closed: %t, %d rejoins of %d joins", second.closed.Load(), u.window.rejoins.Load(), len(c.joins))
		}
	})
}

// TestUserEndsWithTheWindow has the window end while a user reads, or before it begins: that is no
// failure.
func TestUserEndsWithTheWindow(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		c := &script{way: streaming, join: func(int) (*scene, error) { return &scene{ends: io.EOF, lasts: time.Hour}, nil }}
		u := play(c, bases)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		u.receive(ctx)
		if took := time.Since(c.begun); took != time.Second || len(failures(u)) != 0 || len(c.joins) != 1 {
			t.Errorf("after %v: failures %v, %d joins", took, failures(u), len(c.joins))
		}
		u.leave()

		// It ends while the user joins again.
		ctx, end := context.WithCancel(t.Context())
		c = &script{way: streaming, join: func(n int) (*scene, error) {
			if n > 0 {
				end()
				return nil, unavailable
			}
			return &scene{ends: io.EOF}, nil
		}}
		u = play(c, bases)
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		u.receive(ctx)
		if want := map[string]int{"receiving: EOF": 1}; !reflect.DeepEqual(failures(u), want) || len(c.joins) != 2 {
			t.Errorf("failures %v, %d joins, want %v and 2", failures(u), len(c.joins), want)
		}
		u.leave()
	})
}

// TestUserReceives has a user with a stream, which takes messages as they come: also before the window
// has begun, which users on a timer wait for.
func TestUserReceives(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		first := &scene{}
		c := &script{way: streaming, join: func(int) (*scene, error) { return first, nil }}
		u := play(c, bases, Send{At: 2 * s, User: 1}, Send{At: 3 * s, User: 1}, Send{At: 4 * s, User: 3})
		d := desk{u.window.ledger}
		first.brings = []transports.Message{{Body: d.body(0)}, {Body: d.body(1)}, {Body: d.body(2)}} // the last one is of another room
		u.window.begun = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), s)
		defer cancel()
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		u.receive(ctx)
		if d.came.Load() != 2 || d.misdelivered.Load() != 1 || len(failures(u)) != 0 {
			t.Errorf("%d messages came, %d by mistake, failures %v", d.came.Load(), d.misdelivered.Load(), failures(u))
		}
		u.leave()
	})
}

// TestUserKeepsItsPhase has a user that polls on a timer of 10 s, from its own phase on.
func TestUserKeepsItsPhase(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		first := &scene{}
		c := &script{way: transports.Way{Title: "on a timer", Every: 10 * time.Second}, join: func(int) (*scene, error) { return first, nil }}
		u := play(c, bases)
		u.window.plan.Phases[0] = .3
		u.window.begun = make(chan struct{}) // not yet
		ctx, cancel := context.WithCancel(t.Context())
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		received := make(chan struct{})
		go func() {
			u.receive(ctx)
			close(received)
		}()
		time.Sleep(time.Second)
		u.window.ledger.start = time.Now()
		close(u.window.begun)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := first.began.Sub(u.window.ledger.start); got != 3*time.Second {
			t.Errorf("it began after %v, want 3 s", got)
		}
		cancel()
		<-received

		// It doesn't read when the window ends before, during the phase or before the beginning.
		for _, begun := range []bool{true, false} {
			first.began = time.Time{}
			u.window.begun = make(chan struct{})
			if begun {
				close(u.window.begun)
			}
			u.window.ledger.start = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			u.receive(ctx)
			cancel()
			if !first.began.IsZero() {
				t.Errorf("it has read after the end, begun: %t", begun)
			}
		}
		u.leave()
	})
}

// TestUserCannotJoin has a server that refuses, and then one that is out of reach: no connection
// stays open.
func TestUserCannotJoin(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	bases := []*url.URL{{Scheme: "http", Host: listener.Addr().String()}}
	client := &script{way: transports.Way{Hold: time.Second}, join: func(int) (*scene, error) { return nil, notFound }}
	u := play(client, bases, at(1*s))
	if err := u.join(t.Context()); !errors.Is(err, notFound) || len(client.joins) != 1 {
		t.Errorf("joined with %v after %d joins", err, len(client.joins))
	}
	ended(t, listener) // that for messages is opened once it is let in
	if got := u.window.counts.Total().Connections; got != 1 || stateOf(u) != away || u.link != nil {
		t.Errorf("%d connections, state %d, link %p", got, stateOf(u), u.link)
	}

	// A user that was let in takes its connections with it.
	client.join = func(int) (*scene, error) { return &scene{}, nil }
	u = play(client, bases, at(1*s))
	if err := u.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := u.window.joins.result(); got.Users != 1 || got.Connections != 2 || got.Ready.Count() != 1 {
		t.Errorf("joining is noted as %+v", got)
	}
	u.leave()
	for range 2 { // for a held request and for a message
		ended(t, listener)
	}

	listener.Close()
	client.joins = nil
	u = play(client, bases, at(1*s))
	if err := u.join(t.Context()); stepAfter(transports.Handshake, err) != transports.Rejoin || len(client.joins) != 0 || stateOf(u) != away {
		t.Errorf("joined with %v after %d joins, state %d", err, len(client.joins), stateOf(u))
	}
}

// ended takes a connection, whose other side must be closed.
func ended(t *testing.T, listener net.Listener) {
	t.Helper()
	c, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) { // which holds no port, unlike an end
		t.Errorf("a connection brings %d bytes, %v, want a reset", n, err)
	}
}
