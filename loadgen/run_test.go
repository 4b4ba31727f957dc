package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// small is a scenario of ten pairs of users that send about 100 messages within a second.
var small = Scenario{
	Name: "small", Users: 20, RoomSize: 2, Rate: 5, Size: 100, Rounds: 1, Seed: 1,
	Warmup: .2, Duration: 1, Drain: 60, // a starved machine sends late
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

// measured returns the number of measured messages in the plan of a round.
func measured(s Scenario, round int) (n int) {
	plan := NewPlan(s, round)
	for _, send := range plan.Sends {
		if plan.Measured(send) {
			n++
		}
	}
	return n
}

// whole checks that a window has all messages of its plan, sent and delivered, and no errors.
func whole(t *testing.T, s Scenario, w result.Window) {
	t.Helper()
	n := measured(s, w.Round)
	copies := n * (s.roomSize() - 1)
	if got, want := countsOf(w), (counts{planned: n, sent: n, expected: copies, delivered: copies}); got != want || n == 0 {
		t.Errorf("%s: %+v, want %+v", w.Transport, got, want)
	}
	if w.Latency.Count() != int64(copies-w.Untimed) || w.SendDelay.Count() != int64(n) || w.Accept.Count() != int64(n) || w.Late.Count() != int64(n) {
		t.Errorf("%s: %d latencies, %d, %d and %d times of sends, want %d and %d", w.Transport,
			w.Latency.Count(), w.SendDelay.Count(), w.Accept.Count(), w.Late.Count(), copies, n)
	}
	if len(w.Errors) > 0 || w.Interrupted || w.OtherProgram {
		t.Errorf("%s: errors %v, interrupted: %t, of another program: %t", w.Transport, w.Errors, w.Interrupted, w.OtherProgram)
	}
}

// unfilled lists the fields of a window that stay empty in a run without errors on a single server, over HTTP/1.1.
var unfilled = []string{
	"Aftermath", "Agents", "Bunched", "Calibration.Bytes.Literals", "Calibration.Connects", "Calibration.NetworkS", "Dropped", "Duplicated", "Errors", "Failed", "FailedRequests", "IdleEnds", "Interrupted", "IntervalS", "Limited", "Lost", "Misdelivered", "OtherProgram", "Outages", "Profiles", "Rejoins", "Reordered", "Returns", "Servers", "Spoiled", "Traffic.TLSFull", "Traffic.TLSResumed", "Unprofiled", "Untimed",
}

// emptyIn returns the fields, and those of the structs in them, that are empty in all windows, sorted.
func emptyIn(windows []result.Window) []string {
	filled := map[string]bool{}
	skipped := map[reflect.Type]bool{reflect.TypeFor[result.Histogram](): true, reflect.TypeFor[result.Way](): true} // TestWayOf looks at that
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		filled[path] = filled[path] || !v.IsZero()
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || strings.Contains(v.Type().PkgPath(), "time") || skipped[v.Type()] {
			return
		}
		for i := range v.NumField() {
			look(strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), v.Field(i))
		}
	}
	for _, w := range windows {
		look("", reflect.ValueOf(w))
	}
	var empty []string
	for path, is := range filled {
		if !is {
			empty = append(empty, path)
		}
	}
	slices.Sort(empty)
	return empty
}

// TestRun measures every transport, each on a server of its own.
func TestRun(t *testing.T) {
	t.Parallel()
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
		t.Errorf("phases of the progress: %v", seen)
	}
	p50, p99 := last.Latency()
	if w := windows[2]; last.Expected != w.Expected || p50 != w.Latency.Quantile(.5) || p99 != w.Latency.Quantile(.99) {
		t.Errorf("the last progress is %+v, and the window has p50 %v, p99 %v", last, w.Latency.Quantile(.5), w.Latency.Quantile(.99))
	}
	sends := len(NewPlan(small, 1).Sends) // with the warm-up, as a busy machine may store its last messages in the window
	by := map[string]result.Window{}
	for _, w := range windows {
		whole(t, small, w)
		by[w.Transport] = w
		if w.DurationS <= 0 || w.Users != 20 || w.Cores < 1 || w.Started.IsZero() {
			t.Errorf("%s: %v s, %d users, %d cores, %v", w.Transport, w.DurationS, w.Users, w.Cores, w.Started)
		}
		if w.Server == nil || w.Store == nil {
			t.Fatalf("%s: no stats of our own server", w.Transport)
		}
		if w.Server.CPUS <= 0 || w.Server.RSSBytes < 1<<20 || w.Server.RSSIdleBytes < 1<<20 || w.Generator.CPUS <= 0 || w.Generator.RSSBytes < 1<<20 {
			t.Errorf("%s: server %+v, generator %+v", w.Transport, *w.Server, w.Generator)
		}
		if w.Store.Appends <= 0 || w.Store.Appends > int64(sends) {
			t.Errorf("%s: %d appends for %d messages", w.Transport, w.Store.Appends, sends)
		}
		if w.Traffic.BytesIn <= 0 || w.Traffic.BytesOut <= 0 {
			t.Errorf("%s: %d bytes in, %d out", w.Transport, w.Traffic.BytesIn, w.Traffic.BytesOut)
		}
	}
	if len(windows) != 3 || len(by) != 3 {
		t.Fatalf("%d windows of %d transports, want 3", len(windows), len(by))
	}
	if empty := emptyIn(windows); !slices.Equal(empty, unfilled) {
		t.Errorf("no window has %q, want %q", empty, unfilled)
	}

	if w := by["websocket"].Traffic; w.Requests != 20 || w.Handshakes != 20 || w.Connections != 20 || w.Posts != 0 || w.EmptyResponses != 0 {
		t.Errorf("websocket: %+v, want a connection and a handshake for each user", w)
	}
	// A message wakes both members of a pair; one response may carry several late messages.
	if w := by["long-poll"]; w.Traffic.Requests <= 0 || w.Traffic.Requests > int64(2*sends+small.Users) || w.Traffic.Handshakes != 0 {
		t.Errorf("long-poll: %d requests for %d messages", w.Traffic.Requests, sends)
	}
	for _, name := range []string{"long-poll", "short-poll@200ms"} {
		if w := by[name]; w.Traffic.Connections < 20 || w.Traffic.Connections > 40 || w.Traffic.Posts <= 0 || w.Traffic.Posts > int64(sends) {
			t.Errorf("%s: %d connections, %d posts for %d messages", name, w.Traffic.Connections, w.Traffic.Posts, sends)
		}
	}
	if w := by["short-poll@200ms"]; w.Traffic.Requests <= w.Traffic.EmptyResponses {
		t.Errorf("short-poll: %d requests, %d empty responses", w.Traffic.Requests, w.Traffic.EmptyResponses)
	}
	// A message waits half the interval on average, and longer on a busy machine. A mean below that
	// would show that latencies are not measured from the planned time.
	if mean := by["short-poll@200ms"].Latency.Mean(); mean < 70*time.Millisecond {
		t.Errorf("short-poll: a mean of %v, want about 100 ms", mean)
	}
	for _, name := range []string{"long-poll", "websocket"} {
		if p50 := by[name].Latency.Quantile(.5); p50 <= 0 {
			t.Errorf("%s: a median of %v", name, p50)
		}
	}
}

// TestRunOrder checks that each round runs each transport once, on the same plan, in a random order that
// depends on the seed only.
func TestRunOrder(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Rounds, s.Rate = 0, .1, 3, 20
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
			whole(t, s, w) // against the plan of its round
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
	s.Warmup, s.Duration, s.Rounds = 0, .1, 5
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

// TestRunCancelled interrupts a window while it measures: messages in flight are not counted as lost.
func TestRunCancelled(t *testing.T) {
	s := small
	s.Duration, s.Rounds = 60, 2
	for _, transport := range small.Transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := s
			s.Transports = []string{transport}
			ctx, cancel := context.WithCancelCause(t.Context())
			windows, err := run(ctx, Options{Scenario: s, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
				if p.Phase == "measuring" && p.Delivered > 20 {
					cancel(errGone)
				}
			}})
			if !errors.Is(err, errGone) || len(windows) != 1 {
				t.Fatalf("%d windows and %v, want one and the cause", len(windows), err)
			}
			w := windows[0]
			if !w.Interrupted || w.DurationS <= 0 || w.DurationS >= float64(s.Duration) {
				t.Errorf("interrupted: %t, after %v s", w.Interrupted, w.DurationS)
			}
			got := countsOf(w)
			if got.delivered <= 20 || got.expected != got.delivered || got.sent < got.delivered || got.planned != got.sent ||
				got.lost+got.duplicated+got.reordered+got.misdelivered != 0 {
				t.Errorf("%+v", got)
			}
			if n := measured(s, 1); w.Planned >= n {
				t.Errorf("%d messages are planned, want fewer than in a complete window", w.Planned)
			}
			for _, d := range result.Rows(windows)[0].Doubts {
				if d.Code == "lost" || d.Code == "fewer-sends" {
					t.Errorf("doubt: %s", d.Text)
				}
			}
		})
	}
}

// TestRunCancelledEarly interrupts a run during the warm-up: no window is emitted.
func TestRunCancelledEarly(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup = 3600
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

// TestRunServerDies kills the server during the measurement, after the first delivery. The window is long,
// so that even on a busy machine its users still have messages to send and try to join again.
func TestRunServerDies(t *testing.T) {
	t.Parallel()
	s := small
	s.Duration, s.Drain = 6, .3
	for _, transport := range small.Transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := s
			s.Transports = []string{transport}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
				t.Errorf("%+v: no message is lost or unsent, although the server died", countsOf(w))
			}
			if w.Rejoins != 0 || w.FailedRequests == 0 {
				t.Errorf("%d rejoins and %d failed requests, want no rejoin and some failures", w.Rejoins, w.FailedRequests)
			}
			if w.Server != nil || w.Store != nil {
				t.Errorf("stats of a dead server: %v and %v", w.Server, w.Store)
			}
			if !result.Fatal(result.Rows(windows)) {
				t.Error("the window has no fatal doubt")
			}
			said := fmt.Sprint(w.Errors)
			if want := []result.Outage{{Of: "the server", Did: "ended", How: killed}}; !slices.Equal(w.Outages, want) || len(w.Dropped) > 0 {
				t.Errorf("outages %+v, want %+v; dropped %+v", w.Outages, want, w.Dropped)
			}
			for _, want := range []string{"receiving: ", "joining again: "} {
				if !strings.Contains(said, want) {
					t.Errorf("no error contains %q: %.500s", want, said)
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
		if err == nil || len(windows) > 0 || !strings.Contains(err.Error(), "measuring "+transport+": joining as one of 20 users") {
			t.Errorf("%s: %d windows and %v", transport, len(windows), err)
		}
	}
	if _, err := Reach(t.Context(), base, nil); err == nil || !strings.Contains(err.Error(), base.String()) || !strings.Contains(err.Error(), "pushpull serve") {
		t.Errorf("got %v, want the address and a way to start a server", err)
	}
	if _, err := Reach(t.Context(), start(t), nil); err != nil {
		t.Error(err)
	}
	other := answering(t, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	if _, err := Reach(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), http.StatusText(http.StatusNotFound)) {
		t.Errorf("got %v, want the status of the response", err)
	}
}

// TestStartServer starts commands that are not servers.
func TestStartServer(t *testing.T) {
	t.Parallel()
	// A test binary that runs no test prints PASS, where a server prints its address.
	if s, err := StartServer(t.Context(), nil, []string{os.Args[0], "-test.run=^$"}); err == nil {
		s.Stop()
		t.Error("a test binary was taken for a server")
	}
	if s, err := StartServer(t.Context(), nil, []string{os.Args[0], "-no-such-flag"}); err == nil || !strings.HasPrefix(err.Error(), "starting the server: ") {
		if err == nil {
			s.Stop()
		}
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	if s, err := StartServer(ctx, nil, command()); !errors.Is(err, errGone) {
		if err == nil {
			s.Stop()
		}
		t.Errorf("got %v, want the cause of ctx", err)
	}
}

// TestFit follows the advice in the error of CheckLimits: the advised number of users fits, and no more.
func TestFit(t *testing.T) {
	s := small
	s.RoomSize = 10
	for _, transports := range [][]string{{"websocket"}, {"websocket", "long-poll"}} {
		s.Users, s.Transports = maxUsers, transports
		err := CheckLimits(s, Layout{})
		if err == nil {
			if os.Getenv("PUSHPULL_CI") != "" {
				t.Fatal("this machine allows a million connections: CI must run where they are limited")
			}
			t.Skip("this machine allows a million connections")
		}
		_, advice, _ := strings.Cut(err.Error(), "--users ")
		if _, err := fmt.Sscan(advice, &s.Users); err != nil {
			t.Fatalf("%v: %v", CheckLimits(s, Layout{}), err)
		}
		if s.Users%10 != 0 {
			t.Errorf("%d users don't fill rooms of 10", s.Users)
		}
		if err := CheckLimits(s, Layout{}); err != nil {
			t.Errorf("following the advice: %v", err)
		}
		s.Users += 10
		if err := CheckLimits(s, Layout{}); err == nil {
			t.Errorf("%d users fit, more than advised", s.Users)
		}
	}
	if err := CheckLimits(small, Layout{}); err != nil {
		t.Error(err)
	}
	if err := Run(t.Context(), Options{Scenario: Scenario{Name: "bad"}}, nil); err == nil {
		t.Error("Run accepts a bad scenario")
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

// TestConnectionsAreOpenedToJoin checks that joining opens all connections, so that no handshake falls
// into the measurement.
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
		w, err := aWindow(s, c.transport, plan)
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
		if got := int(w.counts.Total().Connections); got != c.want {
			t.Errorf("%s: %d connections after joining, want %d", c.transport, got, c.want)
		}
		for i := range w.users {
			w.users[i].leave()
		}
	}
}
