package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// small is ten pairs who send some 100 messages within a second.
var small = Scenario{
	Name: "small", Users: 20, RoomSize: 2, Rate: 5, Size: 100, Rounds: 1, Seed: 1,
	Warmup: 200 * time.Millisecond, Duration: time.Second, Drain: 10 * time.Second,
	Transports: []string{"short-poll@200ms", "long-poll", "websocket"},
}

// run runs o and returns its windows.
func run(ctx context.Context, o Options) ([]result.Window, error) {
	var windows []result.Window
	err := Run(ctx, o, func(_ int, w *result.Window) error {
		windows = append(windows, *w)
		return nil
	})
	return windows, err
}

// measured returns how many messages of a round count.
func measured(s Scenario, round int) (n int) {
	plan := NewPlan(s, round)
	for _, send := range plan.Sends {
		if plan.Measured(send) {
			n++
		}
	}
	return n
}

// whole says what is wrong with a window in which nothing went wrong.
func whole(t *testing.T, s Scenario, w result.Window) {
	t.Helper()
	n := measured(s, w.Round)
	copies := n * (s.roomSize() - 1)
	if got, want := countsOf(w), (counts{planned: n, sent: n, expected: copies, delivered: copies}); got != want || n == 0 {
		t.Errorf("%s: %+v, want %+v", w.Transport, got, want)
	}
	if w.Latency.Count() != int64(copies) || w.SendDelay.Count() != int64(n) || w.Accept.Count() != int64(n) || w.Late.Count() != int64(n) {
		t.Errorf("%s: %d latencies, %d, %d and %d times of sends, want %d and %d", w.Transport,
			w.Latency.Count(), w.SendDelay.Count(), w.Accept.Count(), w.Late.Count(), copies, n)
	}
	if len(w.Errors) > 0 || w.Interrupted {
		t.Errorf("%s: errors %v, interrupted: %t", w.Transport, w.Errors, w.Interrupted)
	}
}

// TestRun measures every transport on servers of their own.
func TestRun(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	var last Progress
	windows, err := run(t.Context(), Options{Scenario: small, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		seen[p.Phase] = true
		if p.ServerPIDs[0] <= 0 || p.Windows != 3 || p.Window < 1 || p.Window > 3 || p.Round != 1 || p.Users != 20 || p.Joined > 20 || p.Left < 0 {
			t.Errorf("progress %+v", p)
		}
		p50, p99 := p.Latency()
		if p.Delivered > p.Expected || p99 == 0 && p.Delivered > 0 || p50 > p99 {
			t.Errorf("%d of %d delivered, p50 %v, p99 %v", p.Delivered, p.Expected, p50, p99)
		}
		last = p
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last.Phase != "done" || last.Joined != 20 || last.Sent != len(NewPlan(small, 1).Sends) || last.Delivered != measured(small, 1) || last.Window != 3 {
		t.Errorf("the last progress is %+v", last)
	}
	if !seen["measuring"] {
		t.Errorf("the progress was %v", seen)
	}
	p50, p99 := last.Latency()
	if w := windows[2]; last.Expected != w.Expected || p50 != w.Latency.Quantile(.5) || p99 != w.Latency.Quantile(.99) {
		t.Errorf("the last progress is %+v, and the window has p50 %v, p99 %v", last, w.Latency.Quantile(.5), w.Latency.Quantile(.99))
	}
	by := map[string]result.Window{}
	for _, w := range windows {
		whole(t, small, w)
		by[w.Transport] = w
		if w.DurationS < .9 || w.DurationS > 2 || w.Users != 20 || w.Cores < 1 || w.Started.IsZero() {
			t.Errorf("%s: %v s, %d users, %d cores, %v", w.Transport, w.DurationS, w.Users, w.Cores, w.Started)
		}
		if w.Server == nil || w.Store == nil {
			t.Fatalf("%s: our own server tells nothing", w.Transport)
		}
		if w.Server.CPUS <= 0 || w.Server.RSSBytes < 1<<20 || w.Server.RSSIdleBytes < 1<<20 || w.Generator.CPUS <= 0 || w.Generator.RSSBytes < 1<<20 {
			t.Errorf("%s: server %+v, generator %+v", w.Transport, *w.Server, w.Generator)
		}
		if lag := w.Store.Appends - int64(w.Sent); lag < -20 || lag > 20 { // sends at the borders
			t.Errorf("%s: %d appends for %d messages", w.Transport, w.Store.Appends, w.Sent)
		}
		if w.Wire.BytesIn < int64(w.Delivered*small.Size) || w.Wire.BytesOut < int64(w.Sent*small.Size) {
			t.Errorf("%s: %d bytes in for %d messages, %d out for %d", w.Transport, w.Wire.BytesIn, w.Delivered, w.Wire.BytesOut, w.Sent)
		}
	}
	if len(windows) != 3 || len(by) != 3 {
		t.Fatalf("%d windows of %d transports, want 3", len(windows), len(by))
	}

	if w := by["websocket"].Wire; w.Requests != 20 || w.Handshakes != 20 || w.Connections != 20 || w.Posts != 0 || w.EmptyResponses != 0 {
		t.Errorf("websocket: %+v, want a connection and a handshake for each user", w)
	}
	// A message wakes both members of a pair, now and then one of them for two messages.
	if w := by["long-poll"]; w.Wire.Requests < int64(w.Delivered) || w.Wire.Requests > 3*int64(w.Delivered) || w.Wire.Handshakes != 0 {
		t.Errorf("long-poll: %d requests for %d deliveries", w.Wire.Requests, w.Delivered)
	}
	for _, name := range []string{"long-poll", "short-poll@200ms"} {
		if w := by[name]; w.Wire.Connections < 20 || w.Wire.Connections > 40 || w.Wire.Posts < int64(w.Sent)-20 || w.Wire.Posts > int64(w.Sent)+20 {
			t.Errorf("%s: %d connections, %d posts for %d messages", name, w.Wire.Connections, w.Wire.Posts, w.Sent)
		}
	}
	// 20 users who ask 5 times in a second, whether there is something or not.
	if w := by["short-poll@200ms"]; w.Wire.Requests < 70 || w.Wire.Requests > 150 || w.Wire.EmptyResponses < 10 {
		t.Errorf("short-poll: %d requests, %d of them for nothing, want about 100", w.Wire.Requests, w.Wire.EmptyResponses)
	}
	// A message waits half the interval on average. A herd, which asks at once, would wait as long,
	// but a latency that counts from another moment would not.
	if mean := by["short-poll@200ms"].Latency.Mean(); mean < 70*time.Millisecond || mean > 180*time.Millisecond {
		t.Errorf("short-poll: a mean of %v, want about 100 ms", mean)
	}
	for _, name := range []string{"long-poll", "websocket"} {
		if p50 := by[name].Latency.Quantile(.5); p50 <= 0 || p50 > 50*time.Millisecond {
			t.Errorf("%s: a median of %v", name, p50)
		}
	}
}

// TestRunOrder runs each transport once a round, on the same plan, in an order that is drawn.
func TestRunOrder(t *testing.T) {
	s := small
	s.Warmup, s.Duration, s.Rounds, s.Rate = 0, 100*time.Millisecond, 3, 20
	s.Transports = []string{"short-poll@20ms", "long-poll", "websocket"}
	base := start(t)
	var orders [2][]string
	for i := range orders {
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(windows) != 9 {
			t.Fatalf("%d windows, want 9", len(windows))
		}
		for n, w := range windows {
			orders[i] = append(orders[i], w.Transport)
			if w.Round != n/3+1 {
				t.Errorf("window %d is of round %d", n, w.Round)
			}
			whole(t, s, w) // as many as the round's plan has
		}
	}
	if !slices.Equal(orders[0], orders[1]) {
		t.Errorf("the same seed gives the orders %v and %v", orders[0], orders[1])
	}
	different := map[string]bool{}
	for round := range slices.Chunk(orders[0], 3) {
		different[strings.Join(round, " ")] = true
		slices.Sort(round)
		if want := []string{"long-poll", "short-poll@20ms", "websocket"}; !slices.Equal(round, want) {
			t.Errorf("a round of %v, want %v", round, want)
		}
	}
	if len(different) == 1 {
		t.Errorf("every round has the same order: %v", different)
	}
}

var errFull = errors.New("no space left")

func TestRunEndsWithEmit(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Rounds = 0, 100*time.Millisecond, 5
	emitted := 0
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: start(t)}}}, func(int, *result.Window) error {
		emitted++
		if emitted == 2 {
			return errFull
		}
		return nil
	})
	if !errors.Is(err, errFull) || emitted != 2 {
		t.Errorf("%d windows were emitted, and the run ended with %v", emitted, err)
	}
}

// TestRunCancelled interrupts a window while it measures: what is under way is not lost.
func TestRunCancelled(t *testing.T) {
	s := small
	s.Duration, s.Rounds = time.Minute, 2
	for _, transport := range small.Transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := s
			s.Transports = []string{transport}
			ctx, cancel := context.WithCancelCause(t.Context())
			began := time.Now()
			windows, err := run(ctx, Options{Scenario: s, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
				if p.Phase == "measuring" && p.Delivered > 20 {
					cancel(errGone)
				}
			}})
			if !errors.Is(err, errGone) || len(windows) != 1 {
				t.Fatalf("%d windows and %v, want one and the cause", len(windows), err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			w := windows[0]
			if !w.Interrupted || w.DurationS <= 0 || w.DurationS >= 30 {
				t.Errorf("interrupted: %t, after %v s", w.Interrupted, w.DurationS)
			}
			got := countsOf(w)
			if got.delivered <= 20 || got.expected != got.delivered || got.sent < got.delivered || got.planned != got.sent ||
				got.lost+got.duplicated+got.reordered+got.misdelivered != 0 {
				t.Errorf("%+v", got)
			}
			if n := measured(s, 1); w.Planned >= n {
				t.Errorf("%d messages were planned until then, as many as for the whole window", w.Planned)
			}
			for _, d := range result.Rows(windows)[0].Doubts {
				if d.Code == "lost" || d.Code == "fewer-sends" {
					t.Errorf("doubt: %s", d.Text)
				}
			}
		})
	}
}

// TestRunCancelledEarly has nothing to hand over.
func TestRunCancelledEarly(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	windows, err := run(ctx, Options{Scenario: s, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
		if p.Phase == "warming up" {
			cancel(errGone)
		}
	}})
	if !errors.Is(err, errGone) || len(windows) != 0 {
		t.Errorf("%d windows and %v, want none and the cause", len(windows), err)
	}
}

// TestRunServerDies kills the server while it is measured.
func TestRunServerDies(t *testing.T) {
	s := small
	s.Duration, s.Drain = 2*time.Second, 300*time.Millisecond
	for _, transport := range small.Transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := s
			s.Transports = []string{transport}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var once sync.Once
			windows, err := run(ctx, Options{Scenario: s, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
				if p.Phase == "measuring" && p.Delivered > 0 {
					once.Do(func() {
						if server, err := os.FindProcess(p.ServerPIDs[0]); err == nil {
							server.Kill()
						}
					})
				}
			}})
			if err != nil || len(windows) != 1 {
				t.Fatalf("%d windows and %v", len(windows), err)
			}
			w := windows[0]
			if w.Delivered == 0 || w.Lost == 0 && w.Sent == w.Planned {
				t.Errorf("%+v: nothing is lost and everything sent, on a server that died", countsOf(w))
			}
			if w.Rejoins != 0 || w.FailedRequests == 0 {
				t.Errorf("%d users are there again, after %d failed requests", w.Rejoins, w.FailedRequests)
			}
			if w.Server != nil || w.Store != nil {
				t.Errorf("a dead server tells %v and %v", w.Server, w.Store)
			}
			if !result.Fatal(result.Rows(windows)) {
				t.Error("the window is believed")
			}
			said := fmt.Sprint(w.Errors)
			for _, want := range []string{"receiving: ", "joining again: ", "stopping the server: "} {
				if !strings.Contains(said, want) {
					t.Errorf("no error begins with %q: %.500s", want, said)
				}
			}
		})
	}
}

func TestRunUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	listener.Close()
	for _, transport := range small.Transports {
		s := small
		s.Transports = []string{transport}
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
		if err == nil || len(windows) > 0 || !strings.Contains(err.Error(), "measuring "+transport+": joining as user ") {
			t.Errorf("%s: %d windows and %v", transport, len(windows), err)
		}
	}
	if err := Reach(t.Context(), base); err == nil || !strings.Contains(err.Error(), base.String()) || !strings.Contains(err.Error(), "pushpull serve") {
		t.Errorf("got %v, want the address and what to do", err)
	}
	if err := Reach(t.Context(), start(t)); err != nil {
		t.Error(err)
	}
	other := answering(t, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	if err := Reach(t.Context(), other); err == nil || !strings.Contains(err.Error(), http.StatusText(http.StatusNotFound)) {
		t.Errorf("got %v, want what it answered", err)
	}
}

// TestStartServer starts what is no server.
func TestStartServer(t *testing.T) {
	t.Parallel()
	// The tests themselves, none of them: they say PASS, where a server would say its address.
	if s, err := StartServer(t.Context(), "", []string{os.Args[0], "-test.run=^$"}); err == nil {
		s.Stop()
		t.Error("it was taken for a server")
	}
	if s, err := StartServer(t.Context(), "", []string{os.Args[0], "-no-such-flag"}); err == nil || !strings.HasPrefix(err.Error(), "starting the server: ") {
		if err == nil {
			s.Stop()
		}
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	if s, err := StartServer(ctx, "", command()); !errors.Is(err, errGone) {
		if err == nil {
			s.Stop()
		}
		t.Errorf("got %v, want the cause of ctx", err)
	}
}

// TestFit follows the advice that it gives.
func TestFit(t *testing.T) {
	s := small
	s.RoomSize = 10
	for _, transports := range [][]string{{"websocket"}, {"websocket", "long-poll"}} {
		s.Users, s.Transports = maxUsers, transports
		err := Fit(s)
		if err == nil {
			if os.Getenv("PUSHPULL_CI") != "" {
				t.Fatal("nothing bounds the connections of this machine: CI must test what does")
			}
			t.Skip("this machine can have a million connections")
		}
		_, advice, _ := strings.Cut(err.Error(), "--users ")
		if _, err := fmt.Sscan(advice, &s.Users); err != nil {
			t.Fatalf("%v: %v", Fit(s), err)
		}
		if s.Users%10 != 0 {
			t.Errorf("%d users don't fill rooms of 10", s.Users)
		}
		if err := Fit(s); err != nil {
			t.Errorf("following the advice: %v", err)
		}
		s.Users += 10
		if err := Fit(s); err == nil {
			t.Errorf("%d users would have fitted", s.Users)
		}
	}
	if err := Fit(small); err != nil {
		t.Error(err)
	}
	if err := Run(t.Context(), Options{Scenario: Scenario{Name: "bad"}}, nil); err == nil {
		t.Error("a bad scenario is run")
	}
}

func TestConnections(t *testing.T) {
	for _, c := range []struct {
		transports []string
		want       int
	}{
		{[]string{"websocket"}, 20},
		{[]string{"websocket", "short-poll@1s"}, 40},
		{[]string{"long-poll", "websocket"}, 40},
	} {
		s := small
		s.Transports = c.transports
		if got := Connections(s); got != c.want {
			t.Errorf("%v: %d connections, want %d", c.transports, got, c.want)
		}
	}
}

// TestConnectionsAreOpenedToJoin holds that no connection is opened while it is measured.
func TestConnectionsAreOpenedToJoin(t *testing.T) {
	s := small
	plan := NewPlan(s, 1)
	talk := 0
	for user := range s.Users {
		if len(plan.byUser[user]) > 0 {
			talk++
		}
	}
	for _, c := range []struct {
		transport string
		want      int
	}{{"short-poll@1s", s.Users}, {"long-poll", s.Users + talk}, {"websocket", s.Users}} {
		w, err := newWindow(s, c.transport, 1, plan)
		if err != nil {
			t.Fatal(err)
		}
		w.serve([]*url.URL{start(t)})
		w.makeUsers()
		for i := range w.users {
			if err := w.users[i].join(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := int(w.counts.totals().Connections); got != c.want {
			t.Errorf("%s: %d connections after joining, want %d", c.transport, got, c.want)
		}
		for i := range w.users {
			w.users[i].leave()
		}
	}
}
