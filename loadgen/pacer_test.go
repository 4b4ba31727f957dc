package loadgen

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// rounds has joins of some time each for that many rounds, on a pacer with nobody waiting, and returns its limit.
func (p *pacer) rounds(n int, took time.Duration) int {
	for range n {
		for range p.limit {
			if !p.enter() {
				panic("the limit is reached with no join under way")
			}
			if _, stay := p.done(took); stay {
				p.leave()
			}
		}
	}
	return p.limit
}

// TestPacer has more at a time while joins are fast, fewer once they are slow, and neither in between.
func TestPacer(t *testing.T) {
	p := newPacer(64)
	for i, step := range []struct {
		rounds int
		took   time.Duration
		want   int
	}{
		{1, 5 * time.Millisecond, 128}, // fast
		{1, 40 * time.Millisecond, 256},
		{3, 100 * time.Millisecond, 256}, // neither
		{1, time.Second, 128},            // slow
		{1, 30 * time.Millisecond, 144},  // from here on an eighth
		{2, 300 * time.Millisecond, 36},
		{9, time.Second, fewestJoins},
		{100, time.Millisecond, mostJoins},
	} {
		if got := p.rounds(step.rounds, step.took); got != step.want {
			t.Errorf("step %d: %d at a time, want %d", i+1, got, step.want)
		}
	}
	far := newPacer(64) // the shortest takes a second: three times that is still fast
	if got := far.rounds(1, time.Second); got != 128 {
		t.Errorf("%d at a time", got)
	}
	if got := far.rounds(1, 3*time.Second); got != 256 {
		t.Errorf("%d at a time after joins that are fast for the way", got)
	}
}

// TestPacerShares holds what is under way at the limit, when that shrinks too.
func TestPacerShares(t *testing.T) {
	p := newPacer(16)
	for p.enter() {
	}
	if p.under != 16 {
		t.Errorf("%d are under way", p.under)
	}
	for range 4 { // a quarter is slow: that is enough
		p.timedOut()
	}
	for range 11 {
		if _, stay := p.done(time.Millisecond); !stay {
			t.Fatal("a round that isn't over ends joins")
		}
	}
	if more, stay := p.done(time.Millisecond); stay || more != 0 || p.limit != 8 || p.under != 15 {
		t.Errorf("stay: %t, %d more, %d of %d under way", stay, more, p.under, p.limit)
	}
	for p.under > 8 {
		if _, stay := p.done(90 * time.Millisecond); stay {
			t.Fatal("more stay than may")
		}
	}
	if more, stay := p.done(90 * time.Millisecond); !stay || more != 0 {
		t.Errorf("stay: %t, %d more", stay, more)
	}
	p.leave()
	if more, stay := p.done(90 * time.Millisecond); !stay || more != 1 {
		t.Errorf("after one has left: stay: %t, %d more", stay, more)
	}
}

// TestJoinAgain has a user whose first connection leads nowhere: it tries again if it may, on a link of its own, and
// the failure is counted.
func TestJoinAgain(t *testing.T) {
	t.Parallel()
	s := brief()
	w, err := aWindow(s, "websocket", NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	w.serve([]*url.URL{start(t), {Scheme: "http", Host: "127.0.0.1:1"}})
	w.makeUsers()
	u := &w.users[1] // on the second one
	defer func() {
		u.leave()
		w.departures.Close()
	}()
	if err := u.joinPatiently(t.Context(), func(error, int64) bool { return false }); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v, want that the connection is refused", err)
	}
	asked := 0
	err = u.joinPatiently(t.Context(), func(err error, joined int64) bool {
		if asked++; joined != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, after %d had joined", err, joined)
		}
		u.server = 0
		return true
	})
	if err != nil || asked != 1 || u.state != joined || w.connected.Load() != 1 {
		t.Errorf("%v after %d failures, state %d, %d are connected", err, asked, u.state, w.connected.Load())
	}
	if got := w.joins.result(); got == nil || got.Users != 1 || got.Connections != 1 {
		t.Errorf("noted: %+v", got)
	}
	out := w.empty()
	w.ledger.start = time.Now()
	w.ledger.fill(out, 0, true)
	if out.FailedRequests != 1 {
		t.Errorf("%d requests failed", out.FailedRequests)
	}
}

// TestJoinManySteadily joins users on a server that takes its time for each: more join at a time than at first, and the
// progress says how fast.
func TestJoinManySteadily(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Users, s.RoomSize, s.Rate, s.Warmup, s.Duration = 1200, 1200, .01, 0, .2
	var now, most atomic.Int64
	base := proxied(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/sse") {
			return false
		}
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(50 * time.Millisecond)
		now.Add(-1)
		return false
	})
	w, err := aWindow(s, "sse", NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	var fastest atomic.Int64
	stop := watch(w, Progress{}, func(p Progress) {
		if n := int64(p.JoinedPerS); p.Phase == phaseJoining && n > fastest.Load() {
			fastest.Store(n)
		}
	})
	_, err = w.measure(t.Context(), []*url.URL{base})
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if most.Load() <= joinersAtOnce || most.Load() > mostJoins {
		t.Errorf("%d joined at a time at most", most.Load())
	}
	if fastest.Load() == 0 {
		t.Error("the progress doesn't say how fast users join")
	}
}

// TestRate is how fast a count grew in the last reports.
func TestRate(t *testing.T) {
	var r rate
	at := time.Unix(0, 0)
	if got := r.perSecond(); got != 0 {
		t.Errorf("without a report: %v", got)
	}
	for i := range 40 {
		count := 10 * i
		if i > 20 {
			count = 200 + 100*(i-20)
		}
		r.add(at.Add(time.Duration(i)*progressStep), count)
		want := map[int]float64{0: 0, 1: 50, 20: 50, 39: 500}
		if rate, ok := want[i]; ok && (r.perSecond() < rate-1e-6 || r.perSecond() > rate+1e-6) {
			t.Errorf("after %d reports %v, want %v", i+1, r.perSecond(), rate)
		}
	}
}
