package loadgen

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
)

// TestUserSendsWhileItIsAway breaks a session that is replaced after a while. Where users send on the
// connection that they read from, messages wait for the next one; elsewhere the old link takes them
// until there is another.
func TestUserSendsWhileItIsAway(t *testing.T) {
	bases := hosts(t)
	for duplex, want := range map[bool]state{true: away, false: joined} {
		synctest.Test(t, func(t *testing.T) {
			first, second := &scene{ends: io.EOF, lasts: time.Second}, &scene{}
			c := &script{way: transports.Way{Stream: true, Duplex: duplex}, join: func(n int) (*scene, error) { return []*scene{first, second}[n], nil }}
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
			time.Sleep(time.Second + time.Millisecond)
			synctest.Wait()
			if stateOf(u) != want || first.closed.Load() != duplex {
				t.Errorf("duplex %t: state %d, the old session is closed: %t", duplex, stateOf(u), first.closed.Load())
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if stateOf(u) != joined || !first.closed.Load() || second.closed.Load() || u.link.session != second {
				t.Errorf("duplex %t: state %d, sessions closed: %t, %t", duplex, stateOf(u), first.closed.Load(), second.closed.Load())
			}
			u.leave()
			cancel()
			<-received
		})
	}
}

// at plans a message of user 0.
func at(t time.Duration) Send { return Send{At: t} }

// TestUserSendsInOrder has a server that takes 2 s for each message: messages wait for the ones
// before them, which is no lateness of the generator.
func TestUserSendsInOrder(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		var sent []int
		var times []time.Duration
		var u *user
		slow := &scene{send: func(body []byte, stored func(error)) {
			stamp, _ := ParseStamp(body)
			sent, times = append(sent, stamp.Number), append(times, time.Since(u.window.ledger.start))
			if stamp.Actual != times[len(times)-1] || len(body) != minSize {
				t.Errorf("message %d of %d bytes is stamped %v", stamp.Number, len(body), stamp.Actual)
			}
			time.Sleep(2 * time.Second)
			stored(nil)
		}}
		c := &script{way: streaming, join: func(int) (*scene, error) { return slow, nil }}
		u = play(c, bases, at(1*s), at(2*s), at(2500*time.Millisecond), at(4900*time.Millisecond))
		if err := u.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, send := range u.window.plan.Sends {
			time.Sleep(time.Until(u.window.ledger.start.Add(send.At)))
			if i == 3 {
				time.Sleep(5 * time.Second) // the generator is late
			}
			u.send(t.Context(), i)
		}
		u.window.senders.Wait()
		if want := []int{0, 1, 2, 3}; !slices.Equal(sent, want) {
			t.Errorf("sent %v, want %v", sent, want)
		}
		if want := []time.Duration{1 * s, 3 * s, 5 * s, 9900 * time.Millisecond}; !slices.Equal(times, want) {
			t.Errorf("sent at %v, want %v", times, want)
		}
		l := u.window.ledger
		if l.late.Count() != 4 || l.late.Quantile(.75) != 0 || !about(l.late.Max(), 5*s) || !about(l.delay.Max(), 5*s) || !about(l.delay.Quantile(.5), 1*s) {
			t.Errorf("late by %v to %v, delayed by %v to %v", l.late.Quantile(.75), l.late.Max(), l.delay.Quantile(.5), l.delay.Max())
		}
		if !about(l.accept.Quantile(.01), 2*s) || !about(l.accept.Max(), 2*s) {
			t.Errorf("accepted after %v to %v", l.accept.Quantile(.01), l.accept.Max())
		}
		u.leave()
	})
}

// about says whether a time is another one as far as a histogram keeps it.
func about(a, b time.Duration) bool { return (a - b).Abs() <= b/500 }

// TestUserSendsAgain sends a message on a link that is broken. One that was not sent is sent again as
// soon as there is another link, without being late; one that may have been stored is not.
func TestUserSendsAgain(t *testing.T) {
	bases := hosts(t)
	for _, c := range []struct {
		err   error
		sends int // of the first message
		sent  int64
		fails map[string]int
		away  bool // the link counts as broken
	}{
		{fmt.Errorf("%w: %w", transports.ErrUnsent, io.EOF), 2, 2, map[string]int{"sending a message: " + transports.ErrUnsent.Error(): 1}, true},
		{io.ErrUnexpectedEOF, 1, 1, map[string]int{"unexpected EOF": 1}, true},
		{notFound, 1, 1, map[string]int{"the server answered 404: no": 1}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			sends := 0
			var refuse error
			session := func(l *scene) *scene {
				l.send = func(body []byte, stored func(error)) {
					if stamp, _ := ParseStamp(body); stamp.Number == 0 {
						sends++
						stored(refuse)
						return
					}
					stored(nil)
				}
				return l
			}
			client := &script{way: streaming, join: func(int) (*scene, error) { return session(&scene{}), nil }}
			u := play(client, bases, at(1*s), at(2*s))
			if err := u.join(t.Context()); err != nil {
				t.Fatal(err)
			}
			refuse = c.err
			time.Sleep(s)
			u.send(t.Context(), 0)
			synctest.Wait()
			if (stateOf(u) == away) != c.away {
				t.Errorf("%v: state %d", c.err, stateOf(u))
			}
			refuse = nil
			time.Sleep(s)
			u.send(t.Context(), 1)
			time.Sleep(s)
			if c.away { // until now
				next := &link{}
				if err := u.connect(t.Context(), next, ""); err != nil {
					t.Fatal(err)
				}
				u.move(joined, next)
			}
			u.window.senders.Wait()
			l := u.window.ledger
			if sends != c.sends || !reflect.DeepEqual(failures(u), c.fails) {
				t.Errorf("%v: sent %d times, failures %v; want %d, %v", c.err, sends, failures(u), c.sends, c.fails)
			}
			var stored int64
			for i := range l.stored {
				if l.stored[i].Load() {
					stored++
				}
			}
			if stored != c.sent || l.sent.Load() != 2 {
				t.Errorf("%v: %d messages are stored of %d, want %d of 2", c.err, stored, l.sent.Load(), c.sent)
			}
			if l.late.Count() != 2 || l.late.Max() != 0 {
				t.Errorf("%v: %d messages late by up to %v, want 2 and 0", c.err, l.late.Count(), l.late.Max())
			}
			u.leave()
		})
	}
}

// TestUserSendsAgainWithKeys breaks a link on which three messages wait for their acknowledgements, as on a
// WebSocket. They are sent again on the next link, in their order and before those that came meanwhile, with the keys
// of the first time; each is acknowledged once. One whose server is in doubt is sent again after a wait.
func TestUserSendsAgainWithKeys(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		var keys []transports.Key
		var pending []func(error)
		doubts := 1
		first := &scene{once: func(_ []byte, key transports.Key, stored func(error)) {
			keys, pending = append(keys, key), append(pending, stored)
		}}
		second := &scene{once: func(_ []byte, key transports.Key, stored func(error)) {
			keys = append(keys, key)
			if len(keys) == 5 && doubts > 0 {
				doubts--
				stored(&transports.StatusError{Code: 502, Status: "502 Bad Gateway"})
				return
			}
			stored(nil)
		}}
		c := &script{way: streaming, join: func(n int) (*scene, error) { return []*scene{first, second}[n], nil }}
		u := play(c, bases, at(1*s), at(2*s), at(3*s), at(4*s))
		u.window.resend = true
		if err := u.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			time.Sleep(s)
			u.send(t.Context(), i)
			synctest.Wait()
		}
		for _, stored := range pending {
			stored(io.ErrUnexpectedEOF)
		}
		synctest.Wait()
		if stateOf(u) != away {
			t.Errorf("state %d after the link broke", stateOf(u))
		}
		time.Sleep(s)
		u.send(t.Context(), 3)
		next := &link{}
		if err := u.connect(t.Context(), next, ""); err != nil {
			t.Fatal(err)
		}
		u.move(joined, next)
		u.window.senders.Wait()
		if want := []transports.Key{"0.0", "0.1", "0.2", "0.0", "0.1", "0.1", "0.2", "0.3"}; !slices.Equal(keys, want) {
			t.Errorf("sent with the keys %v, want %v", keys, want)
		}
		l := u.window.ledger
		if l.sent.Load() != 4 || l.accept.Count() != 4 || l.delay.Count() != 4 || !about(l.accept.Max(), 3*s) {
			t.Errorf("%d sends ended, %d were acknowledged after %v at most, %d began; want 4 each, and 3 s", l.sent.Load(), l.accept.Count(), l.accept.Max(), l.delay.Count())
		}
		for i := range l.stored {
			if !l.stored[i].Load() {
				t.Errorf("message %d is not known to be stored", i)
			}
		}
		u.leave()
	})
}

// TestUnsentAfterLeaving has a message that can't be sent because the user has left: that is no
// failure.
func TestUnsentAfterLeaving(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		var u *user
		c := &script{way: streaming, join: func(int) (*scene, error) {
			return &scene{send: func(_ []byte, stored func(error)) {
				u.leave()
				stored(transports.ErrUnsent)
			}}, nil
		}}
		u = play(c, bases, at(1*s), at(1*s))
		if err := u.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(s)
		u.send(t.Context(), 0)
		u.window.senders.Wait()
		if len(failures(u)) != 0 {
			t.Errorf("failures %v", failures(u))
		}
	})
}

// TestUserReadsOverAnotherConnection breaks the connection on which a user sends, while the one from which it reads is
// whole: the user joins again, and the next message is sent.
func TestUserReadsOverAnotherConnection(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		first := &scene{
			send:    func(_ []byte, stored func(error)) { stored(io.ErrUnexpectedEOF) },
			read:    func() error { <-ended; return io.EOF },
			onClose: func() { close(ended) },
		}
		c := &script{way: transports.Way{Every: time.Minute}, join: func(n int) (*scene, error) { return []*scene{first, {}}[n], nil }}
		u := play(c, bases, at(1*s), at(2*s))
		ctx, cancel := context.WithCancel(t.Context())
		if err := u.join(ctx); err != nil {
			t.Fatal(err)
		}
		received := make(chan struct{})
		go func() {
			u.receive(ctx)
			close(received)
		}()
		time.Sleep(time.Minute) // until it reads
		u.send(ctx, 0)
		u.send(ctx, 1)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if stateOf(u) != joined || u.window.rejoins.Load() != 1 || !u.window.ledger.stored[1].Load() {
			t.Errorf("state %d after %d rejoins, the second message is stored: %t", stateOf(u), u.window.rejoins.Load(), u.window.ledger.stored[1].Load())
		}
		u.leave()
		cancel()
		<-received
	})
}

// TestUserRestarts takes a user away for three seconds.
func TestUserRestarts(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		first := &scene{read: func() error { <-ended; return io.EOF }, onClose: func() { close(ended) }, cursor: "7"}
		c := &script{way: streaming, join: func(n int) (*scene, error) { return []*scene{first, {}}[n], nil }}
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
		synctest.Wait()
		u.Restart(3 * time.Second)
		time.Sleep(3*time.Second - time.Millisecond)
		synctest.Wait()
		if stateOf(u) != away || !first.closed.Load() {
			t.Errorf("state %d, the session is closed: %t", stateOf(u), first.closed.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if stateOf(u) != joined || u.cursor != "7" {
			t.Errorf("state %d at %q", stateOf(u), u.cursor)
		}
		u.leave()
		cancel()
		<-received
	})
}
