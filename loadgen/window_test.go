package loadgen

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// TestDrainCoversAPeriod has users that poll so rarely that the drain limit alone would pass before
// most of them poll again.
func TestDrainCoversAPeriod(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Drain, s.Rate = 0, .1, .3, 20
	s.Transports = []string{"short-poll@1500ms"}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: foreign(t, &memory.Store{})}}})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, windows[0])
	if drained := windows[0].DrainedS; drained < .3 || drained > 2 {
		t.Errorf("the last delivery came %v s after the end", drained)
	}
}

// TestPollersAreSpread checks that users that poll on a timer start at the phases of the plan, not all at
// once.
func TestPollersAreSpread(t *testing.T) {
	t.Parallel()
	const period = 400 * time.Millisecond
	s := small
	s.Warmup, s.Duration, s.Transports = 0, .6, []string{"short-poll@400ms"}
	var mu sync.Mutex
	var asked []time.Time
	proxy := httputil.NewSingleHostReverseProxy(foreign(t, &memory.Store{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/short-poll") && r.URL.Query().Has("after") { // else it is to join
			mu.Lock()
			asked = append(asked, time.Now())
			mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // the proxy's
	})
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, windows[0])
	mu.Lock()
	defer mu.Unlock()
	phases := NewPlan(s, 1).Phases
	slices.Sort(phases)
	if len(asked) < len(phases) {
		t.Fatalf("%d users polled %d times", len(phases), len(asked))
	}
	slices.SortFunc(asked, time.Time.Compare)
	for i, phase := range phases { // a busy machine is late, but never early
		want := windows[0].Started.Add(time.Duration(phase * float64(period)))
		if early := want.Sub(asked[i]); early > 0 {
			t.Errorf("poll %d came %v before its phase", i, early)
		}
	}
}

// A stuck store stores some messages; later calls of Append block until release is closed.
type stuck struct {
	memory.Store

	left    atomic.Int64
	release chan struct{}
}

func (s *stuck) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if s.left.Add(-1) < 0 {
		<-s.release
	}
	return s.Store.Append(ctx, room, body, key)
}

// TestInterruptCountsNothingUnderWay interrupts a window during sends that are never acknowledged: they
// must not count as planned or sent.
func TestInterruptCountsNothingUnderWay(t *testing.T) {
	for _, transport := range specs("50ms") {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Warmup, s.Duration, s.Transports = 0, 60, []string{transport}
			store := &stuck{release: make(chan struct{})}
			store.left.Store(30)
			base := foreign(t, store)
			t.Cleanup(func() { close(store.release) })
			ctx, cancel := context.WithCancelCause(t.Context())
			windows, err := run(ctx, Options{Scenario: s, Sides: []Side{{Target: base}}, Progress: func(p Progress) {
				if p.Delivered == 30 && store.left.Load() < -5 {
					cancel(errGone)
				}
			}})
			if !errors.Is(err, errGone) || len(windows) != 1 {
				t.Fatalf("%d windows and %v", len(windows), err)
			}
			if got, want := countsOf(windows[0]), (counts{planned: 30, sent: 30, expected: 30, delivered: 30}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			for _, d := range result.Rows(windows)[0].Doubts {
				// Doubts about the generator depend on the load of this machine.
				if d.Code != "interrupted" && d.Code != "few-samples" && !strings.HasPrefix(d.Code, "generator-") {
					t.Errorf("doubt: %s: %s", d.Code, d.Text)
				}
			}
		})
	}
}

// TestLateGenerator blocks the generator until the window is over: it must still send all messages, and
// be reported as late.
func TestLateGenerator(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Rate = 0, .3, 20
	w, err := aWindow(s, "websocket", NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	base := foreign(t, &memory.Store{})
	go func() {
		<-w.begun
		u := &w.users[0]
		u.mu.Lock() // the generator needs it to queue a message
		time.AfterFunc(time.Until(w.ledger.start.Add(2*s.Duration.Duration())), u.mu.Unlock)
	}()
	out, err := w.measure(t.Context(), []*url.URL{base})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, *out)
	if late := out.Late.Max(); late < s.Duration.Duration() {
		t.Errorf("the generator was blocked for %v and reports a lateness of %v", s.Duration, late)
	}
	if row := result.Rows([]result.Window{*out})[0]; !slices.ContainsFunc(row.Doubts, func(d result.Doubt) bool { return d.Code == "generator-late" }) {
		t.Errorf("doubts %+v", row.Doubts)
	}
}

// aWindow prepares a window of round 1 of one of pushpull's own transports.
func aWindow(s Scenario, transport string, plan *Plan) (*window, error) {
	client, err := all.Client(transport)
	if err != nil {
		return nil, err
	}
	return newWindow(client, s, transport, 1, plan)
}
