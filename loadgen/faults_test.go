package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// foreign serves every transport on store, in this process, and nothing else: it isn't ours.
func foreign(t *testing.T, store transports.Store) *url.URL {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(store, transports.Limits{}))
	for _, name := range all.Names() {
		transport, err := all.New(name, transports.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("GET /rooms/{room}/"+name, transport.Handler(store))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// A faulty store spoils a message now and then, and keeps count.
type faulty struct {
	memory.Store

	plan  *Plan
	spoil func(f *faulty, ctx context.Context, room string, body []byte, s stamp) (uint64, error)

	mu      sync.Mutex
	seen    int
	spoiled int
	held    map[int][]byte // by user, a message that another one overtakes
}

func (f *faulty) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	s, ok := parseStamp(body)
	if !ok {
		return 0, errors.New("a message without a stamp")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spoil(f, ctx, room, body, s)
}

// tenth counts messages, and says to spoil every tenth one.
func (f *faulty) tenth() bool {
	f.seen++
	if f.seen%10 != 0 {
		return false
	}
	f.spoiled++
	return true
}

var errRefused = errors.New("out of order")

func drop(f *faulty, ctx context.Context, room string, body []byte, _ stamp) (uint64, error) {
	if f.tenth() {
		return 1, nil // so it says
	}
	return f.Store.Append(ctx, room, body)
}

func duplicate(f *faulty, ctx context.Context, room string, body []byte, _ stamp) (uint64, error) {
	if f.tenth() {
		f.Store.Append(ctx, room, body)
	}
	return f.Store.Append(ctx, room, body)
}

// swap has every second message of a user overtake the one before.
func swap(f *faulty, ctx context.Context, room string, body []byte, s stamp) (uint64, error) {
	if _, more := f.plan.Find(s.user, s.number+1); more && s.number%2 == 0 {
		f.held[s.user] = slices.Clone(body)
		return 1, nil
	}
	seq, err := f.Store.Append(ctx, room, body)
	if held := f.held[s.user]; held != nil && err == nil {
		f.spoiled++
		delete(f.held, s.user)
		return f.Store.Append(ctx, room, held)
	}
	return seq, err
}

// misplace stores a message in the next room.
func misplace(f *faulty, ctx context.Context, room string, body []byte, _ stamp) (uint64, error) {
	if f.tenth() {
		name, number, _ := strings.Cut(room, "-")
		n, err := strconv.Atoi(number)
		if err != nil {
			return 0, err
		}
		room = fmt.Sprintf("%s-%d", name, (n+1)%len(f.plan.inRoom))
	}
	return f.Store.Append(ctx, room, body)
}

func refuse(f *faulty, ctx context.Context, room string, body []byte, _ stamp) (uint64, error) {
	if f.tenth() {
		return 0, errRefused
	}
	return f.Store.Append(ctx, room, body)
}

func honest(f *faulty, ctx context.Context, room string, body []byte, _ stamp) (uint64, error) {
	return f.Store.Append(ctx, room, body)
}

// TestFaults has a target do wrong, and wants each wrong told as what it is, exactly. Nothing is
// sent to warm up, so everything counts; rooms have four members.
func TestFaults(t *testing.T) {
	s := small
	s.Users, s.RoomSize, s.Rate = 24, 4, 20
	s.Warmup, s.Duration, s.Drain = 0, 500*time.Millisecond, time.Second
	plan := NewPlan(s, 1)
	n := len(plan.Sends)
	for _, c := range []struct {
		name  string
		spoil func(*faulty, context.Context, string, []byte, stamp) (uint64, error)
		want  func(spoiled int) counts
		doubt string // the fatal one
	}{
		{"honest", honest, func(int) counts {
			return counts{planned: n, sent: n, expected: 3 * n, delivered: 3 * n}
		}, ""},
		{"drop", drop, func(k int) counts {
			return counts{planned: n, sent: n, expected: 3 * n, delivered: 3 * (n - k), lost: 3 * k}
		}, "lost"},
		{"duplicate", duplicate, func(k int) counts {
			return counts{planned: n, sent: n, expected: 3 * n, delivered: 3 * n, duplicated: 3 * k}
		}, "duplicated"},
		{"swap", swap, func(k int) counts {
			return counts{planned: n, sent: n, expected: 3 * n, delivered: 3 * n, reordered: 3 * k}
		}, "reordered"},
		{"misplace", misplace, func(k int) counts {
			return counts{planned: n, sent: n, expected: 3 * n, delivered: 3 * (n - k), lost: 3 * k, misdelivered: 4 * k}
		}, "misdelivered"},
		{"refuse", refuse, func(k int) counts {
			return counts{planned: n, sent: n - k, expected: 3 * (n - k), delivered: 3 * (n - k)}
		}, "fewer-sends"},
	} {
		for _, transport := range []string{"short-poll@50ms", "long-poll", "websocket"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				s := s
				s.Transports = []string{transport}
				store := &faulty{plan: plan, spoil: c.spoil, held: map[int][]byte{}}
				windows, err := run(t.Context(), Options{Scenario: s, Target: foreign(t, store)})
				if err != nil || len(windows) != 1 {
					t.Fatalf("%d windows and %v", len(windows), err)
				}
				w := windows[0]
				store.mu.Lock()
				defer store.mu.Unlock()
				if store.spoiled < 10 && c.name != "honest" {
					t.Fatalf("%d of %d messages were spoiled: the test shows nothing", store.spoiled, n)
				}
				if got, want := countsOf(w), c.want(store.spoiled); got != want {
					t.Errorf("%d spoiled\ngot  %+v\nwant %+v", store.spoiled, got, want)
				}
				if w.Server != nil || w.Store != nil {
					t.Errorf("a foreign server tells %v and %v", w.Server, w.Store)
				}
				row := result.Rows(windows)[0]
				if row.Server != nil || row.Store != nil {
					t.Errorf("the row tells of the server: %v and %v", row.Server, row.Store)
				}
				told := c.doubt == ""
				for _, d := range row.Doubts {
					told = told || d.Code == c.doubt && d.Fatal
				}
				if !told {
					t.Errorf("no doubt %q in %v", c.doubt, row.Doubts)
				}
				failures := 0
				for _, f := range w.Errors {
					failures += f.Count
					if !strings.Contains(f.Text, errRefused.Error()) {
						t.Errorf("error: %s", f.Text)
					}
				}
				if want := n - w.Sent; failures != want {
					t.Errorf("%d errors, want %d", failures, want)
				}
			})
		}
	}
}
