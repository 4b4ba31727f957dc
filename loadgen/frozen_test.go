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

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A relay stands between users and a server, like a proxy or a router with NAT. It can freeze its connections:
// they stay open, but nothing passes any more, not even that one side has closed. New ones work.
type relay struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	frozen chan struct{} // of the connections that are new now; closed: nothing passes
	conns  []net.Conn
	copies sync.WaitGroup
}

// serve relays what l accepts, until l and then the relay are closed.
func (r *relay) serve(l net.Listener) {
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
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan struct{})
}

func newRelay(dial func(context.Context, string, string) (net.Conn, error)) *relay {
	return &relay{dial: dial, frozen: make(chan struct{})}
}

// close closes all connections. The listener must be closed.
func (r *relay) close() {
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
	s := Scenario{
		Name: "frozen", Users: 12, RoomSize: 3, Senders: 1, // the others only read, and nothing else tells them
		Rate: .5, Size: 100, Rounds: 1, Seed: 1, Duration: 180, Drain: 60, Transports: []string{spec},
	}
	plan := NewPlan(s, 1)
	w, err := newWindow(s, spec, 1, plan)
	if err != nil {
		t.Fatal(err)
	}

	back, front := transporttest.Buffered(0), transporttest.Buffered(0)
	serving, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	// A user that sees nothing of a connection in memory can't see either that the server has closed one that it
	// opened for its first message, so the server waits for that.
	sv := &server.Server{Store: &memory.Store{}, HeaderTimeout: time.Hour}
	go func() { stopped <- sv.Serve(serving, back) }()
	between := newRelay(back.Dial)
	go between.serve(front)

	w.serve([]*url.URL{{Scheme: "http", Host: "localhost"}})
	w.servers[0].dialer.Connect = front.Dial
	w.makeUsers()
	living, kill := context.WithCancel(t.Context())
	var receivers sync.WaitGroup
	if _, err := w.join(t.Context(), living, &receivers, growth{}); err != nil {
		t.Fatal(err)
	}
	w.ledger.start = time.Now()
	close(w.begun)
	synctest.Wait()
	name, _, _ := strings.Cut(spec, "@")

	until := func(at time.Duration) { time.Sleep(time.Until(w.ledger.start.Add(at))) }
	time.AfterFunc(freezing, between.freeze)
	limit := freezing + noticed(w.way) + time.Duration(firstBackoff) + 10*time.Millisecond
	var sending sync.WaitGroup
	sending.Go(func() {
		for i, send := range plan.Sends {
			until(send.At)
			w.users[send.User].send(living, i)
		}
	})
	until(freezing)
	if n := w.rejoins.Load(); n != 0 {
		t.Errorf("%d users have joined again before their connections froze", n)
	}
	until(limit)
	synctest.Wait()
	if n := w.rejoins.Load(); n != int64(plan.Users) {
		t.Errorf("%d of %d users have joined again %v after their connections froze", n, plan.Users, limit-freezing)
	}
	if users := usersOf(t, back, name); w.way.Duplex && users != plan.Users {
		t.Errorf("the server has %d users %v after the freeze, want %d", users, limit-freezing, plan.Users)
	}
	sending.Wait()
	until(plan.End)
	w.settle(t.Context(), time.Now(), plan.End)
	for i := range w.users {
		w.users[i].leave()
	}
	kill()
	receivers.Wait()
	w.senders.Wait()
	w.departures.Close()
	front.Close()
	stop()
	if err := <-stopped; err != nil {
		t.Error("Serve:", err)
	}
	between.close()

	out := w.empty()
	w.ledger.fill(out, plan.End, true)
	unbroken(t, *out)
	t.Logf("%+v, %d rejoins, %v", countsOf(*out), w.rejoins.Load(), out.Errors)
}

// unbroken checks that no message of a window is missing and none came twice, though it is unknown of some
// whether they were stored.
func unbroken(t *testing.T, w result.Window) {
	t.Helper()
	if w.Lost != 0 || w.Duplicated != 0 || w.Reordered != 0 || w.Misdelivered != 0 {
		t.Errorf("%+v", countsOf(w))
	}
	if w.Sent < w.Planned*2/3 {
		t.Errorf("only %d of %d messages are known to be stored", w.Sent, w.Planned)
	}
}

// usersOf asks the server on n for the current users of a transport.
func usersOf(t *testing.T, n *transporttest.Network, transport string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://localhost/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats server.Stats
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats.Connected[transport].Users
}
