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
	"pushpull/transports/store/memory"
)

// TestDrainCoversAPeriod has users who ask so rarely that the drain limit alone would end before
// most of them ask again.
func TestDrainCoversAPeriod(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Drain, s.Rate = 0, 100*time.Millisecond, 300*time.Millisecond, 20
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

// TestPollersAreSpread looks at when the users of a transport that asks on a timer first ask: at
// the phases of the plan, not all at once.
func TestPollersAreSpread(t *testing.T) {
	t.Parallel()
	const period = 400 * time.Millisecond
	s := small
	s.Warmup, s.Duration, s.Transports = 0, 600*time.Millisecond, []string{"short-poll@400ms"}
	var mu sync.Mutex
	var asked []time.Time
	proxy := httputil.NewSingleHostReverseProxy(foreign(t, &memory.Store{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/short-poll") {
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
		t.Fatalf("%d users asked %d times", len(phases), len(asked))
	}
	slices.SortFunc(asked, time.Time.Compare)
	for i, phase := range phases {
		want := time.Duration((phase - phases[0]) * float64(period))
		if got := asked[i].Sub(asked[0]); (got - want).Abs() > period/4 {
			t.Errorf("user %d in order asked %v after the first one, want %v", i, got, want)
		}
	}
}

// A stuck store takes some messages and then no answer comes any more.
type stuck struct {
	memory.Store

	left    atomic.Int64
	release chan struct{}
}

func (s *stuck) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	if s.left.Add(-1) < 0 {
		<-s.release
	}
	return s.Store.Append(ctx, room, body)
}

// TestInterruptCountsNothingUnderWay interrupts while messages are being sent that nobody will
// ever know the end of.
func TestInterruptCountsNothingUnderWay(t *testing.T) {
	for _, transport := range []string{"long-poll", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Warmup, s.Duration, s.Transports = 0, time.Minute, []string{transport}
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
				// How busy this machine is, is not what is tested.
				if d.Code != "interrupted" && d.Code != "few-samples" && !strings.HasPrefix(d.Code, "generator-") {
					t.Errorf("doubt: %s: %s", d.Code, d.Text)
				}
			}
		})
	}
}

// TestLateGenerator holds the generator up until the window is over: it sends all the same, as
// late as that is, and the blame is its own.
func TestLateGenerator(t *testing.T) {
	t.Parallel()
	s := small
	s.Warmup, s.Duration, s.Rate = 0, 300*time.Millisecond, 20
	w, err := newWindow(s, "websocket", 1, NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	base := foreign(t, &memory.Store{})
	go func() {
		<-w.begun
		u := &w.users[0]
		u.mu.Lock() // which the generator needs to hand it a message
		time.AfterFunc(time.Until(w.ledger.start.Add(2*s.Duration)), u.mu.Unlock)
	}()
	out, err := w.measure(t.Context(), []*url.URL{base})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, *out)
	if late := out.Late.Max(); late < s.Duration {
		t.Errorf("the generator was held up for %v, and says that it was %v late", s.Duration, late)
	}
	if row := result.Rows([]result.Window{*out})[0]; !slices.ContainsFunc(row.Doubts, func(d result.Doubt) bool { return d.Code == "generator-late" }) {
		t.Errorf("doubts %+v", row.Doubts)
	}
}
