package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// limited is "not now", with a wait that the server asks for; 0: none.
func limited(wait time.Duration) error {
	return fmt.Errorf("asking: %w", &transports.StatusError{Code: http.StatusTooManyRequests, Status: "429", RetryAfter: wait})
}

var held = transports.Way{Title: "held", Hold: 30 * time.Second}

// receiving runs the receiver of u until the returned function is called.
func receiving(t *testing.T, u *user) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if err := u.join(ctx); err != nil {
		t.Fatal(err)
	}
	received := make(chan struct{})
	go func() {
		u.receive(ctx)
		close(received)
	}()
	return func() {
		u.leave()
		cancel()
		<-received
	}
}

// TestUserWaitsAsTheScenarioSays refuses polls for now: the user waits as its policy says.
func TestUserWaitsAsTheScenarioSays(t *testing.T) {
	chat, err := Builtin("chat")
	if err != nil {
		t.Fatal(err)
	}
	chat.Backoff = "3s..10s/none"
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		start := time.Now()
		session := &scene{cursor: "7"}
		session.read = func() error {
			if began = append(began, time.Since(start)); len(began) > 4 {
				return nil // lasts
			}
			return limited(0)
		}
		u := play(&script{way: held, join: func(int) (*scene, error) { return session, nil }}, bases)
		u.window.backoff = chat.backoff()
		leave := receiving(t, u)
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 3 * s, 9 * s, 19 * s, 29 * s}; !slices.Equal(began, want) {
			t.Errorf("it has asked at %v, want %v", began, want)
		}
		leave()
	})
	chat.Backoff = "3s..1s"
	field, ok := errors.AsType[*FieldError](chat.Validate())
	if !ok || field.Key != "backoff" || !strings.Contains(field.Text, "the shorter one first") {
		t.Errorf("%s is refused with %v", chat.Backoff, field)
	}
}

// TestUserWaitsInItsPlace refuses polls for now: the user asks again in the same session, after the
// time that the server names, or else after its own backoff.
func TestUserWaitsInItsPlace(t *testing.T) {
	bases := hosts(t)
	for _, c := range []struct {
		name        string
		refuse      error
		least, most []time.Duration // of each wait
		limited     int64
		fails       map[string]int
	}{
		{"for a time", limited(7 * s), []time.Duration{7 * s, 7 * s, 7 * s}, []time.Duration{7 * s, 7 * s, 7 * s}, 3, map[string]int{}},
		{
			"without a time", limited(0),
			[]time.Duration{25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond},
			[]time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond},
			3,
			map[string]int{},
		},
		{
			"by a server that has not heard it", &transports.StatusError{Code: 408, Status: "408"},
			[]time.Duration{25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond},
			[]time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond},
			0,
			map[string]int{"receiving: the server answered 408": 3},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var began []time.Time
				session := &scene{cursor: "7"}
				session.read = func() error {
					if began = append(began, time.Now()); len(began) > len(c.least) {
						return nil // lasts
					}
					return c.refuse
				}
				client := &script{way: held, join: func(int) (*scene, error) { return session, nil }}
				u := play(client, bases)
				leave := receiving(t, u)
				time.Sleep(time.Minute)
				synctest.Wait()
				if stateOf(u) != joined || session.closed.Load() || len(client.joins) != 1 || u.window.rejoins.Load() != 0 {
					t.Errorf("state %d, closed: %t, %d joins: it has left its place", stateOf(u), session.closed.Load(), len(client.joins))
				}
				if len(began) != len(c.least)+1 {
					t.Fatalf("it has asked %d times", len(began))
				}
				for i := range c.least {
					if wait := began[i+1].Sub(began[i]); wait < c.least[i] || wait > c.most[i] {
						t.Errorf("wait %d took %v, want %v to %v", i, wait, c.least[i], c.most[i])
					}
				}
				if got := u.window.ledger.limited.Load(); got != c.limited || !reflect.DeepEqual(failures(u), c.fails) {
					t.Errorf("%d limited requests, failures %v; want %d, %v", got, failures(u), c.limited, c.fails)
				}
				leave()
			})
		})
	}
}

// TestUserLeavesWhileItWaits ends a wait early.
func TestUserLeavesWhileItWaits(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		session := &scene{send: func(_ []byte, stored func(error)) { stored(limited(30 * s)) }}
		session.read = func() error { return limited(30 * s) }
		u := play(&script{way: held, join: func(int) (*scene, error) { return session, nil }}, bases, at(1*s))
		leave := receiving(t, u)
		sending, kill := context.WithCancel(t.Context())
		time.Sleep(s)
		u.send(sending, 0)
		time.Sleep(s)
		begun := time.Now()
		go func() { time.Sleep(time.Millisecond); kill() }()
		leave()
		u.window.senders.Wait()
		if took := time.Since(begun); took > time.Millisecond {
			t.Errorf("leaving took %v", took)
		}
		if w := windowOf(u); w.Limited != 2 || w.Sent != 0 || w.Planned != 1 {
			t.Errorf("%d requests were limited, %d of %d messages sent; want 2, 0 of 1", w.Limited, w.Sent, w.Planned)
		}
	})
}

// windowOf returns the outcome of a user's window.
func windowOf(u *user) *result.Window {
	w := &result.Window{}
	u.window.ledger.fill(w, u.window.plan.End, true)
	return w
}

// TestUserSendsRefusedMessages refuses the first message twice, for now: it is sent again before the
// others, on the same link, and the waits are a part of its acknowledgement.
func TestUserSendsRefusedMessages(t *testing.T) {
	bases := hosts(t)
	for _, err := range []error{
		limited(2 * s),
		&transports.StatusError{Code: 503, RetryAfter: 2 * s},
		&transports.StatusError{Code: 413, RetryAfter: 2 * s},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent []int
			session := &scene{cursor: "7", send: func(body []byte, stored func(error)) {
				stamp, _ := ParseStamp(body)
				if sent = append(sent, stamp.Number); len(sent) < 3 {
					stored(err)
					return
				}
				stored(nil)
			}}
			client := &script{way: held, join: func(int) (*scene, error) { return session, nil }}
			u := play(client, bases, at(1*s), at(2*s), at(3*s))
			leave := receiving(t, u)
			for i := range 3 {
				time.Sleep(s)
				u.send(t.Context(), i)
			}
			u.window.senders.Wait()
			if want := []int{0, 0, 0, 1, 2}; !slices.Equal(sent, want) || time.Since(client.begun) != 5*s {
				t.Errorf("%v: sent %v until %v, want %v until 5 s", err, sent, time.Since(client.begun), want)
			}
			l := u.window.ledger
			if !about(l.accept.Max(), 4*s) || l.accept.Quantile(.5) != 0 || l.late.Count() != 3 || l.late.Max() != 0 {
				t.Errorf("%v: acknowledged after up to %v, %d sends late by up to %v", err, l.accept.Max(), l.late.Count(), l.late.Max())
			}
			if session.closed.Load() || len(client.joins) != 1 {
				t.Errorf("%v: the session is closed: %t, %d joins", err, session.closed.Load(), len(client.joins))
			}
			leave()
			w := windowOf(u)
			if status, _ := errors.AsType[*transports.StatusError](err); status.Limits() != (w.Limited == 2) || status.Limits() != (len(w.Errors) == 0) {
				t.Errorf("%v: %d limited requests, errors %v", err, w.Limited, w.Errors)
			}
			if w.Sent != 3 || w.Planned != 3 {
				t.Errorf("%v: %d of %d messages are stored", err, w.Sent, w.Planned)
			}
		})
	}
}

// TestUserGivesUpAMessage has answers after which a message may be stored, or never can be: it isn't
// sent again, and the next ones are sent on the same link.
func TestUserGivesUpAMessage(t *testing.T) {
	bases := hosts(t)
	for _, code := range []int{202, 302, 400, 401, 403, 404, 405, 409, 413, 415, 422, 426, 500, 502, 503, 504, 507, 511} {
		synctest.Test(t, func(t *testing.T) {
			sends := 0
			session := &scene{cursor: "7", send: func(_ []byte, stored func(error)) {
				if sends++; sends == 1 {
					stored(&transports.StatusError{Code: code, Status: "no"})
					return
				}
				stored(nil)
			}}
			u := play(&script{way: held, join: func(int) (*scene, error) { return session, nil }}, bases, at(1*s), at(1*s), at(1*s))
			leave := receiving(t, u)
			time.Sleep(s)
			for i := range 3 {
				u.send(t.Context(), i)
			}
			u.window.senders.Wait()
			if sends != 3 || stateOf(u) != joined || session.closed.Load() {
				t.Errorf("%d: sent %d times, state %d, closed: %t", code, sends, stateOf(u), session.closed.Load())
			}
			leave()
			if w := windowOf(u); w.Sent != 2 || w.FailedRequests != 1 || w.Limited != 0 {
				t.Errorf("%d: %d messages are stored, %v", code, w.Sent, w.Errors)
			}
		})
	}
}

// TestUserJoinsAgainAndAgain refuses to let a user in for now, at first and after its session broke. It
// asks the same server again, on the same connection.
func TestUserJoinsAgainAndAgain(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		c := &script{way: streaming}
		c.join = func(n int) (*scene, error) {
			switch n {
			case 2:
				return &scene{ends: io.EOF, lasts: time.Minute}, nil
			case 5:
				return &scene{}, nil
			}
			return nil, limited(8 * s)
		}
		u := play(c, bases)
		leave := receiving(t, u)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		var from []string
		for _, j := range c.joins {
			from = append(from, j.host)
		}
		first, second := bases[0].Host, bases[1].Host
		if want := []string{first, first, first, second, second, second}; !slices.Equal(from, want) {
			t.Errorf("it has joined at %v, want %v", from, want)
		}
		for i, gap := range c.gaps() {
			if i != 2 && gap != 8*s { // it was there for a minute
				t.Errorf("wait %d took %v, want 8 s", i, gap)
			}
		}
		if got := u.window.counts.Total().Connections; got != 2 || stateOf(u) != joined || u.window.rejoins.Load() != 1 {
			t.Errorf("%d connections, state %d, %d rejoins; want 2, joined, 1", got, stateOf(u), u.window.rejoins.Load())
		}
		if got := u.window.ledger.limited.Load(); got != 4 || !reflect.DeepEqual(failures(u), map[string]int{"receiving: EOF": 1}) {
			t.Errorf("%d limited requests, failures %v", got, failures(u))
		}
		leave()
	})
}

// TestUserIsNeverLetIn has a server that says "not now" forever: joining fails after some time, with
// its answer.
func TestUserIsNeverLetIn(t *testing.T) {
	bases := hosts(t)
	for wait, joins := range map[time.Duration]int{8 * s: 4, 30 * s: 2} {
		synctest.Test(t, func(t *testing.T) {
			c := &script{way: streaming, join: func(int) (*scene, error) { return nil, limited(wait) }}
			u := play(c, bases)
			err := u.join(t.Context())
			if status, ok := errors.AsType[*transports.StatusError](err); !ok || status.Code != 429 || len(c.joins) != joins || time.Since(c.begun) > transports.LongestWait {
				t.Errorf("%v after %d joins in %v, want %d", err, len(c.joins), time.Since(c.begun), joins)
			}
		})
	}
}

// TestUserReturns has a gateway that answers 404 while its server restarts: a user that has joined comes back.
func TestUserReturns(t *testing.T) {
	bases := hosts(t)
	for _, c := range []struct {
		name   string
		way    transports.Way
		cursor transports.Cursor
		ends   error
		again  error // of joining again, twice
		fails  map[string]int
	}{
		{"a poll", held, "7", notFound, nil, map[string]int{"receiving: the server answered 404: no": 1}},
		{"the first poll", held, "", notFound, nil, map[string]int{"receiving: the server answered 404: no": 1}},
		{"a handshake", streaming, "", io.EOF, notFound, map[string]int{"receiving: EOF": 1, "joining again: the server answered 404: no": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &script{way: c.way, join: func(n int) (*scene, error) {
					switch {
					case n == 0:
						return &scene{cursor: c.cursor, ends: c.ends}, nil
					case n < 3 && c.again != nil:
						return nil, c.again
					}
					return &scene{}, nil
				}}
				u := play(client, bases)
				leave := receiving(t, u)
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := u.window.rejoins.Load(); n != 1 || !reflect.DeepEqual(failures(u), c.fails) {
					t.Errorf("it came back %d times, failures %v, want once, %v", n, failures(u), c.fails)
				}
				leave()
			})
		})
	}
}

// TestUserRejoinsWhenToldTo waits as long as a failing server asks before it tries the next one.
func TestUserRejoinsWhenToldTo(t *testing.T) {
	bases := hosts(t)
	synctest.Test(t, func(t *testing.T) {
		c := &script{way: held, join: func(n int) (*scene, error) {
			return []*scene{{ends: &transports.StatusError{Code: 502, RetryAfter: 9 * s}}, {}}[n], nil
		}}
		u := play(c, bases)
		leave := receiving(t, u)
		time.Sleep(time.Minute)
		synctest.Wait()
		if gaps := c.gaps(); len(gaps) != 1 || gaps[0] != 9*s {
			t.Errorf("it has joined again after %v, want 9 s", gaps)
		}
		leave()
	})
}

// TestOverdue has users leave while answers are due: their number and what was due are known, and no
// error of leaving is taken for the server's.
func TestOverdue(t *testing.T) {
	bases := hosts(t)
	for _, interrupted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mute := &scene{} // acknowledges nothing until it is closed
			var due []func(error)
			mute.send = func(body []byte, stored func(error)) {
				if stamp, _ := ParseStamp(body); stamp.Number == 0 {
					stored(nil)
					return
				}
				due = append(due, stored)
			}
			mute.onClose = func() {
				for _, stored := range due {
					stored(errors.New("the session is closed"))
				}
				due = nil
			}
			u := play(&script{way: held, join: func(int) (*scene, error) { return mute, nil }}, bases, at(1*s), at(1*s), at(1*s))
			leave := receiving(t, u)
			time.Sleep(s)
			for i := range 3 {
				u.send(t.Context(), i)
			}
			u.window.senders.Wait()
			time.Sleep(s)
			leave()
			w := &result.Window{}
			u.window.ledger.fill(w, u.window.plan.End, !interrupted)
			want := []result.Failure{
				{Text: "sending a message: the server had not acknowledged it when the users left", Count: 2},
				{Text: "receiving: the server had not answered the first poll when the users left", Count: 1},
			}
			if interrupted {
				want = nil
			}
			if !reflect.DeepEqual(w.Errors, want) {
				t.Errorf("interrupted: %t, errors %v, want %v", interrupted, w.Errors, want)
			}
		})
	}
}

// limiting starts a server that answers every tenth request to receive and every tenth message "not
// now", for a second, and counts these answers.
func limiting(t *testing.T) (*url.URL, *atomic.Int64) {
	t.Helper()
	log := feed.New(&memory.Store{}, 0)
	t.Cleanup(log.Close)
	var refused atomic.Int64
	tenth := func(h http.Handler) http.Handler {
		var asked atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1)%10 == 0 {
				refused.Add(1)
				w.Header().Set("Retry-After", "1")
				http.Error(w, "slow down", http.StatusTooManyRequests)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("POST /rooms/{room}/messages", tenth(transports.Publisher(log, transports.Limits{})))
	for name, endpoint := range all.Endpoints(transports.Limits{}) {
		mux.Handle("GET /rooms/{room}/"+name, tenth(endpoint.Handler(log)))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base, &refused
}

// TestLimitedTarget measures a server that limits its users: nothing is lost, each refusal counts, and
// no connection is torn down for one.
func TestLimitedTarget(t *testing.T) {
	for _, transport := range specs("100ms") {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Warmup, s.Transports = 0, []string{transport}
			base, refused := limiting(t)
			windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
			if err != nil {
				t.Fatal(err)
			}
			w := windows[0]
			whole(t, s, w)
			// The last refusals may have come when the users had left.
			if n := int(refused.Load()); w.Limited == 0 || w.Limited > n || w.Limited < n-s.Users || w.Rejoins > 0 {
				t.Errorf("%d limited requests of %d, %d rejoins", w.Limited, n, w.Rejoins)
			}
			conns := 0
			client, err := all.Client(transport)
			if err != nil {
				t.Fatal(err)
			}
			plan := NewPlan(s, 1)
			for user := range s.Users {
				if conns++; len(plan.byUser[user]) > 0 {
					conns += connections(client.Way()) - 1
				}
			}
			most := conns
			if client.Way().Every > 0 {
				most = 2 * s.Users // a message that is sent during a poll needs a second one
			}
			if got := w.Traffic.Connections; got < int64(conns) || got > int64(most) {
				t.Errorf("%d connections, want %d to %d", got, conns, most)
			}
			doubts := fmt.Sprint(result.Rows(windows)[0].Doubts)
			if want := fmt.Sprintf("the target limits its users: %d requests", w.Limited); !strings.Contains(doubts, want) {
				t.Errorf("doubts %s", doubts)
			}
		})
	}
}

// TestSilentHandshake joins a server that takes connections and answers nothing: the error says which
// limit has passed.
func TestSilentHandshake(t *testing.T) {
	t.Parallel()
	client, err := all.Client("websocket")
	if err != nil {
		t.Fatal(err)
	}
	w := &window{client: client, way: client.Way(), plan: bySend(), ledger: newLedger(bySend()), begun: make(chan struct{})}
	w.serve(hosts(t))
	w.makeUsers()
	err = w.users[0].join(t.Context())
	late, ok := errors.AsType[*transports.TimeoutError](err)
	if !ok || late.Part != "answer a handshake" || late.Limit != transports.AnswerTime {
		t.Errorf("joining ended with %v", err)
	}
}
