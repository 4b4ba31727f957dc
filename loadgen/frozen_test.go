package loadgen

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen/backoff"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A router stands between users and a server, like one with NAT, or a proxy. It can freeze its connections:
// they stay open, but nothing passes any more, not even that one side has closed. New ones work.
type router struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	frozen chan struct{} // of the connections that are new now; closed: nothing passes
	conns  []net.Conn
	copies sync.WaitGroup
}

// serve relays what l accepts, until l and then the router are closed.
func (r *router) serve(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := r.dial(context.Background(), "tcp", "")
		if err != nil {
			near.Close()
			continue
		}
		r.mu.Lock()
		frozen := r.frozen
		r.conns = append(r.conns, near, far)
		r.copies.Go(func() { pass(near, far, frozen) })
		r.copies.Go(func() { pass(far, near, frozen) })
		r.mu.Unlock()
	}
}

// pass copies from one connection to another, and the end too, until they are frozen.
func pass(to, from net.Conn, frozen chan struct{}) {
	var buf [4 << 10]byte
	for {
		n, err := from.Read(buf[:])
		select {
		case <-frozen:
			return
		default:
		}
		if n > 0 {
			_, _ = to.Write(buf[:n]) // if it has gone, the copy the other way ends both
		}
		if err != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

// freeze freezes all connections of now.
func (r *router) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan struct{})
}

func newRouter(dial func(context.Context, string, string) (net.Conn, error)) *router {
	return &router{dial: dial, frozen: make(chan struct{})}
}

// close closes all connections. The listener must be closed.
func (r *router) close() {
	r.mu.Lock()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.copies.Wait()
}

// noticed is the longest time after which a user notices that its connection is frozen.
func noticed(way transports.Way) time.Duration {
	if way.Stream {
		return 3 * way.Heartbeat // two are missed, and the last one may have come just before
	}
	return way.Every + way.Hold + transports.AnswerTime
}

// TestFrozen freezes the connections of all users, on the servers and settings of everyday use, in virtual time:
// each user notices it in time and joins again, no message is missing, and none comes twice. Where users answer
// the heartbeats, the dead connections leave the server as soon.
func TestFrozen(t *testing.T) {
	for _, spec := range specs("5s") {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { frozen(t, spec) })
		})
	}
}

func frozen(t *testing.T, spec string) {
	const freezing = time.Minute
	s := freezer(spec)
	s.Rate, s.Duration = .5, 180
	back, front := transporttest.Buffered(0), transporttest.Buffered(0)
	// A user that sees nothing of a connection in memory can't see either that the server has closed one that it
	// opened for its first message, so the server waits for that.
	stop := serving(t, &server.Server{HeaderTimeout: time.Hour}, back)
	between := newRouter(back.Dial)
	go between.serve(front)
	w := newCrowd(t, s, &url.URL{Scheme: "http", Host: "localhost"})
	w.servers[0].dialer.Connect = front.Dial
	leave := w.enterAll(t)

	until := func(at time.Duration) { time.Sleep(time.Until(w.ledger.start.Add(at))) }
	time.AfterFunc(freezing, between.freeze)
	limit := freezing + noticed(w.way) + backoff.Default.First + 10*time.Millisecond
	var sending sync.WaitGroup
	sending.Go(func() {
		for i, send := range w.plan.Sends {
			until(send.At)
			w.users[send.User].send(w.living, i)
		}
	})
	until(freezing)
	if n := w.rejoins.Load(); n != 0 {
		t.Errorf("%d users have joined again before their connections froze", n)
	}
	until(limit)
	synctest.Wait()
	if n := w.rejoins.Load(); n != int64(s.Users) {
		t.Errorf("%d of %d users have joined again %v after their connections froze", n, s.Users, limit-freezing)
	}
	if users := usersOf(t, back.Dial, spec); w.way.Duplex && users != s.Users {
		t.Errorf("the server has %d users %v after the freeze, want %d", users, limit-freezing, s.Users)
	}
	sending.Wait()
	until(w.plan.End)
	leave()
	front.Close()
	stop()
	between.close()
	w.unbroken(t)
}

// TestFrozenSockets does the same on sockets, where users learn of it within a second. Messages come from
// elsewhere, and half of them while the users are cut off.
func TestFrozenSockets(t *testing.T) {
	for _, spec := range specs("1s") {
		if client, err := all.Client(spec); err != nil || !client.Way().Stream {
			continue // a user gives each poll at least transports.AnswerTime: see TestFrozen
		}
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			s := freezer(spec)
			s.Rate, s.Duration = 10, 2
			back, front := onLoopback(t), onLoopback(t)
			stop := serving(t, &server.Server{Limits: transports.Limits{Heartbeat: 200 * time.Millisecond}}, back)
			dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, back.Addr().String())
			}
			between := newRouter(dial)
			go between.serve(front)
			w := newCrowd(t, s, &url.URL{Scheme: "http", Host: front.Addr().String()})
			leave := w.enterAll(t)

			before, after := w.plan.Sends[:len(w.plan.Sends)/2], w.plan.Sends[len(w.plan.Sends)/2:]
			w.publish(t, back.Addr().String(), before, 0)
			eventually(t, "the messages come", func() bool { return w.ledger.came.Load() == w.ledger.owed.Load() })
			between.freeze()
			w.publish(t, back.Addr().String(), after, len(before))
			eventually(t, "all users join again", func() bool { return int(w.rejoins.Load()) >= s.Users })
			if w.way.Duplex { // else the router's system answers for the users
				eventually(t, "the dead connections leave the server", func() bool { return usersOf(t, dial, spec) == s.Users })
			}
			leave()
			front.Close()
			stop()
			between.close()
			if out := w.unbroken(t); out.Sent != len(w.plan.Sends) {
				t.Errorf("%d of %d messages are stored", out.Sent, len(w.plan.Sends))
			}
		})
	}
}

// publish sends messages of the plan, the first of which has an index, in place of the users.
func (w *crowd) publish(t *testing.T, host string, sends []Send, from int) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: host}
	pool := &wire.Pool{Dialer: wire.NewDialer(base, &wire.Counts{})}
	defer pool.Close()
	for i, send := range sends {
		now := time.Now()
		w.ledger.sending(from+i, now, 0)
		body := Stamp{int(send.User), int(send.Number), send.At, send.At}.appendTo(nil, w.size)
		err := transports.Publish(t.Context(), transports.Target{Base: base, HTTP: pool}, w.users[send.User].room, body, "")
		w.ledger.accepted(from+i, now, err)
	}
}

// freezer is a scenario in which most users only read, so only the transport can show them.
func freezer(spec string) Scenario {
	return Scenario{
		Name: "frozen", Users: 12, RoomSize: 3, Senders: 1, Size: 100, Rounds: 1, Seed: 1, Drain: 60,
		Transports: []string{spec},
	}
}

func onLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serving serves on l until stop.
func serving(t *testing.T, s *server.Server, l net.Listener) (stop func()) {
	s.Store = &memory.Store{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Serve:", err)
		}
	}
}

// A crowd is the users of a window whose time the test arranges.
type crowd struct {
	*window

	living context.Context //nolint:containedctx // of its users
}

func newCrowd(t *testing.T, s Scenario, base *url.URL) *crowd {
	t.Helper()
	w, err := aWindow(s, s.Transports[0], NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	w.serve([]*url.URL{base})
	w.makeUsers()
	return &crowd{window: w}
}

// enterAll joins all users and begins the window. leave waits for the messages under way, and ends them.
func (w *crowd) enterAll(t *testing.T) (leave func()) {
	t.Helper()
	living, kill := context.WithCancel(t.Context())
	w.living = living
	var receivers sync.WaitGroup
	if _, err := w.join(t.Context(), living, &receivers, growth{}); err != nil {
		t.Fatal(err)
	}
	w.ledger.start = time.Now()
	close(w.begun)
	return func() {
		w.settle(t.Context(), time.Now(), w.plan.End)
		for i := range w.users {
			w.users[i].leave()
		}
		kill()
		receivers.Wait()
		w.senders.Wait()
		w.departures.Close()
	}
}

// unbroken checks that no message is missing and none came twice. Of those under way in the freeze it is
// unknown whether they were stored.
func (w *crowd) unbroken(t *testing.T) *result.Window {
	t.Helper()
	out := w.empty()
	w.ledger.fill(out, w.plan.End, true)
	t.Logf("%+v, %d rejoins, %v", countsOf(*out), w.rejoins.Load(), out.Errors)
	if out.Lost != 0 || out.Duplicated != 0 || out.Reordered != 0 || out.Misdelivered != 0 {
		t.Errorf("%+v", countsOf(*out))
	}
	if out.Sent < out.Planned/2 || out.Delivered == 0 {
		t.Errorf("only %d of %d messages are known to be stored", out.Sent, out.Planned)
	}
	return out
}

// eventually waits for something to be so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(soon); !so(); <-look.C {
		if time.Now().After(until) {
			t.Fatalf("it is not so within %v that %s", soon, what)
		}
	}
}

// usersOf asks the server that dial reaches for the current users of a transport.
func usersOf(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), spec string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://localhost/stats?rooms=0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats server.Stats
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(spec, "@")
	return stats.Connected[name].Users
}
