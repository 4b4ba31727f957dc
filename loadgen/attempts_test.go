package loadgen

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/store/memory"
)

// killed is how a process ended that os.Process.Kill has ended.
var killed = map[bool]string{true: "exit status 1", false: "killed by signal 9"}[runtime.GOOS == "windows"]

// brief is small with one short window for each transport.
func brief() Scenario {
	s := small
	s.Warmup, s.Duration = 0, .2
	return s
}

// proxied starts a proxy before a server that keeps its messages in this process. It answers itself where
// answer returns true.
func proxied(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) *url.URL {
	t.Helper()
	return proxiedTo(t, foreign(t, &memory.Store{}), answer)
}

// proxiedTo is proxied before the server at a URL.
func proxiedTo(t *testing.T, backend *url.URL, answer func(w http.ResponseWriter, r *http.Request) bool) *url.URL {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(backend)
	transport := &http.Transport{}
	proxy.Transport = transport
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// refuses answers requests for a transport with a status.
func refuses(transport string, status int) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+transport) {
			return false
		}
		http.Error(w, "no", status)
		return true
	}
}

// outcomes lists windows as "1 websocket failed" or "1 long-poll measured", sorted.
func outcomes(windows []result.Window) []string {
	var all []string
	for _, w := range windows {
		did := "measured"
		if w.Failed != "" {
			did = "failed"
		}
		all = append(all, fmt.Sprint(w.Round, " ", w.Transport, " ", did))
	}
	slices.Sort(all)
	return all
}

// TestFailedWindow measures a target that refuses one transport: it costs the windows of that transport, in
// every round, and is tried again in each, as it fails at once.
func TestFailedWindow(t *testing.T) {
	t.Parallel()
	var tries sync.Map
	base := proxied(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/websocket") {
			return false
		}
		room, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/rooms/"), "-") // each window has rooms of its own
		tries.Store(room, true)
		http.Error(w, "no", http.StatusForbidden)
		return true
	})
	s := brief()
	s.Rounds = 2
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 long-poll measured", "1 short-poll@200ms measured", "1 websocket failed",
		"2 long-poll measured", "2 short-poll@200ms measured", "2 websocket failed",
	}
	if got := outcomes(windows); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, w := range windows {
		if w.Failed == "" {
			whole(t, s, w)
			continue
		}
		if !strings.HasPrefix(w.Failed, "joining as one of 20 users") || !strings.Contains(w.Failed, "403") || w.Users != s.Users || w.Started.IsZero() || !w.Way.Duplex {
			t.Errorf("%+v", w)
		}
	}
	n := 0
	tries.Range(func(any, any) bool { n++; return true })
	if n != 2 {
		t.Errorf("websocket was tried in %d rounds, want 2", n)
	}
}

// TestNothingCanBeMeasured ends a run with the first reason once a round has measured nothing.
func TestNothingCanBeMeasured(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Rounds, s.Transports = 3, []string{"websocket"}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: proxied(t, refuses("websocket", http.StatusNotFound))}}})
	if err == nil || len(windows) > 0 || !strings.HasPrefix(err.Error(), "measuring websocket: joining as one of 20 users") || !strings.Contains(err.Error(), "404") {
		t.Errorf("%d windows and %v", len(windows), err)
	}
}

// TestSidesFailAlone measures two sides, one of which refuses WebSockets: the windows of the other stand.
func TestSidesFailAlone(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Transports = []string{"websocket"}
	refusing := Side{Name: "refusing", Target: proxied(t, refuses("websocket", http.StatusNotFound))}
	honest := Side{Name: "honest", Target: foreign(t, &memory.Store{})}
	var measured, failed []int
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{refusing, honest}}, func(side int, w *result.Window) error {
		if w.Failed == "" {
			measured = append(measured, side)
		} else {
			failed = append(failed, side)
		}
		return nil
	})
	if err != nil || !slices.Equal(measured, []int{1}) || !slices.Equal(failed, []int{0}) {
		t.Errorf("measured %v, failed %v: %v", measured, failed, err)
	}

	// A duet goes on as well while it has something to compare.
	s.Transports, s.Rounds = []string{"websocket", "long-poll"}, 2
	var heads, bases []result.Window
	keep := func(head bool, w *result.Window) error {
		if head {
			heads = append(heads, *w)
		} else {
			bases = append(bases, *w)
		}
		return nil
	}
	if err := Duet(t.Context(), DuetOptions{Scenario: s, Base: honest, Head: refusing}, keep); err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(heads), []string{"1 long-poll measured", "1 websocket failed", "2 long-poll measured", "2 websocket failed"}; !slices.Equal(got, want) {
		t.Errorf("head: %q, want %q", got, want)
	}
	if got, want := outcomes(bases), []string{"1 long-poll measured", "1 websocket measured", "2 long-poll measured", "2 websocket measured"}; !slices.Equal(got, want) {
		t.Errorf("base: %q, want %q", got, want)
	}
	s.Transports = []string{"websocket"}
	heads = nil
	if err := Duet(t.Context(), DuetOptions{Scenario: s, Base: honest, Head: refusing}, keep); err == nil || !strings.HasPrefix(err.Error(), "measuring websocket: joining ") {
		t.Errorf("nothing to compare: %v", err)
	}
}

// TestAttempts looks at what is tried again, and when a side is down.
func TestAttempts(t *testing.T) {
	hung, unborn := errors.New("hung"), &startError{errors.New("not started")}
	type failure struct {
		transport string
		after     time.Duration
		err       error // nil: it was measured
	}
	for _, c := range []struct {
		name     string
		failures []failure
		hopeless string
		down     bool
	}{
		{"quick", []failure{{"websocket", time.Second, hung}}, "", false},
		{"slow", []failure{{"websocket", time.Minute, hung}}, "websocket", false},
		{"slow, after it was measured", []failure{{"websocket", time.Second, nil}, {"websocket", time.Minute, hung}}, "", false},
		{"the first server doesn't start", []failure{{"websocket", 0, unborn}}, "", true},
		{"a later one", []failure{{"websocket", 0, nil}, {"sse", 0, unborn}}, "", false},
		{"two later ones", []failure{{"websocket", 0, nil}, {"sse", 0, unborn}, {"sse", 0, unborn}}, "", true},
		{"two that are not in a row", []failure{{"websocket", 0, nil}, {"sse", 0, unborn}, {"sse", 0, nil}, {"sse", 0, unborn}}, "", false},
	} {
		a := &attempts{}
		for _, f := range c.failures {
			if f.err == nil {
				a.worked(f.transport)
			} else {
				a.failed(t.Context(), f.transport, f.after, f.err)
			}
		}
		if (a.down != nil) != c.down || c.down && a.hopes("anything") == nil {
			t.Errorf("%s: down is %v", c.name, a.down)
		}
		for _, transport := range []string{"websocket", "sse"} {
			if given := a.hopes(transport) != nil; !c.down && given != (transport == c.hopeless) {
				t.Errorf("%s: %s is not tried again: %t", c.name, transport, given)
			}
		}
	}
}

// TestServersDontStart runs a side whose servers end at once, and one whose servers start.
func TestServersDontStart(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Rounds = 2
	bad := Side{Command: []string{os.Args[0], "-no-such-flag"}}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{bad}})
	if err == nil || len(windows) > 0 || !strings.Contains(err.Error(), ": starting the server: it ended before it printed its address") {
		t.Errorf("%d windows and %v", len(windows), err)
	}
	windows, err = run(t.Context(), Options{Scenario: s, Sides: []Side{bad, {Command: command()}}})
	failed := slices.DeleteFunc(outcomes(windows), func(o string) bool { return strings.HasSuffix(o, "measured") })
	if err != nil || len(windows) < 10 || len(failed) > 6 || len(windows)-len(failed) != 6 {
		t.Errorf("%q and %v", outcomes(windows), err)
	}
}

// TestJoinLimit measures a target that accepts WebSockets and never answers: the error says how many users have
// joined, and what the others wait for, and so does the progress.
func TestJoinLimit(t *testing.T) {
	t.Parallel()
	s := brief()
	const answered = 3
	var asked atomic.Int64
	gone := make(chan struct{})
	base := proxied(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/websocket") || asked.Add(1) <= answered {
			return false
		}
		<-gone
		return true
	})
	t.Cleanup(func() { close(gone) })
	w, err := aWindow(s, "websocket", NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	w.joinLimit = 3 * time.Second // 17 users wait for ever, so the limit always passes
	var waited atomic.Bool
	stop := watch(w, Progress{}, func(p Progress) {
		if p.Phase == phaseJoining && strings.Contains(p.Waiting, "does not answer the request to join") && p.Joined == answered {
			waited.Store(true)
		}
	})
	defer stop()
	out, err := w.measure(t.Context(), []*url.URL{base})
	want := "only 3 of 20 users could join, and none within the last 3s, the server has accepted their connections, but does not answer the request to join: use fewer users"
	if out != nil || err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if !waited.Load() {
		t.Error("the progress doesn't say what the users wait for")
	}
}

// TestStatsAreSlow measures a target whose stats come late: those of the start of the measured part after those of
// its end, or only those of the end. The part ends in time, and the window says what that means for the figures.
func TestStatsAreSlow(t *testing.T) {
	for name, c := range map[string]struct {
		startAfterEnd bool
		cost          string
	}{
		"at the start": {true, "its CPU, memory and use of the store are left out"},
		"at the end":   {false, "its CPU, memory and use of the store are of another time than the rest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			last := make(chan struct{})
			base := proxiedTo(t, start(t), func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/stats" || r.URL.Query().Has("in-use") { // at idle and while users join
					return false
				}
				switch n := asked.Add(1); {
				case n == 1 && c.startAfterEnd:
					select {
					case <-last:
						time.Sleep(statsLimit) // so that it takes longer than the limit, by however much
					case <-r.Context().Done():
					}
				case n == 2 && c.startAfterEnd:
					close(last)
				case n == 2:
					time.Sleep(statsLimit)
				}
				return false
			})
			s := brief()
			w, err := aWindow(s, "long-poll", NewPlan(s, 1))
			if err != nil {
				t.Fatal(err)
			}
			w.target = true
			out, err := w.measure(t.Context(), []*url.URL{base})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, *out)
			if len(out.Dropped) != 1 || !strings.Contains(out.Dropped[0].What, "s to answer GET /stats") || out.Dropped[0].Cost != c.cost {
				t.Errorf("dropped %+v, want that %s", out.Dropped, c.cost)
			}
			if kept := out.Server != nil && out.Store != nil; kept == c.startAfterEnd {
				t.Errorf("server %+v, store %+v", out.Server, out.Store)
			}
		})
	}
}

// TestStatsFail measures servers of which one reports no stats: the window says so if they are ours.
func TestStatsFail(t *testing.T) {
	t.Parallel()
	for _, target := range []bool{false, true} {
		t.Run(fmt.Sprint("target ", target), func(t *testing.T) {
			t.Parallel()
			s := brief()
			w, err := aWindow(s, "long-poll", NewPlan(s, 1))
			if err != nil {
				t.Fatal(err)
			}
			w.target = target
			server := start(t)
			silent := proxiedTo(t, server, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/stats" {
					http.Error(w, "no", http.StatusTeapot)
				}
				return r.URL.Path == "/stats"
			})
			out, err := w.measure(t.Context(), []*url.URL{server, silent})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, *out)
			want := []result.Drop{{What: "one of 2 servers did not report its stats (the server answered 418 I'm a teapot to GET /stats)", Cost: costOfStats}}
			if target {
				want = nil
			}
			if out.Server != nil || len(out.Outages) > 0 || !slices.Equal(out.Dropped, want) {
				t.Errorf("server %+v, outages %+v, dropped %+v, want %+v", out.Server, out.Outages, out.Dropped, want)
			}
		})
	}
}

// TestRestarted distinguishes a target that was started again from one that runs on, or is several.
func TestRestarted(t *testing.T) {
	begun := time.Now()
	at := func(asked, uptime float64) *inquiry {
		s := &serverStats{}
		s.Process.UptimeS = uptime
		return &inquiry{
			asked: begun.Add(time.Duration(asked * float64(time.Second))),
			stats: []*serverStats{s}, took: []time.Duration{100 * time.Millisecond}, errs: []error{nil},
		}
	}
	first := at(0, 60)
	for _, c := range []struct {
		asked, uptime float64
		want          bool
	}{
		{10, 70, false},
		{10, 4, true},
		{10, 0, false},  // it doesn't say
		{10, 20, false}, // another process of several, which ran before
		{10, 9.95, false},
		{10, 9.8, true},
	} {
		if got := at(c.asked, c.uptime).restarted(first); got != c.want {
			t.Errorf("%v s later it has run for %v s: restarted is %t", c.asked, c.uptime, got)
		}
	}
}

// TestEnded starts servers that end by themselves.
func TestEnded(t *testing.T) {
	t.Parallel()
	s, err := StartServer(t.Context(), nil, command())
	if err != nil {
		t.Fatal(err)
	}
	if how, _, ended := s.Ended(0); ended {
		t.Errorf("a server that runs has ended: %s", how)
	}
	if p, err := os.FindProcess(s.PID); err != nil || p.Kill() != nil {
		t.Fatal(err)
	}
	if how, last, ended := s.Ended(soon); !ended || how != killed || last != "" {
		t.Errorf("%q, %q, %t", how, last, ended)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("the end is reported twice: %v", err)
	}
}
