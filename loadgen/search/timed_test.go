//go:build timed

package search_test

import (
	"context"
	"math"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/search"
	"pushpull/transports"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// A limited store stores a message every 2 ms, one after the other.
type limited struct {
	memory.Store

	mu   sync.Mutex
	free time.Time // when it can store the next one
}

func (l *limited) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	l.mu.Lock()
	l.free = time.Now().Add(max(0, time.Until(l.free)) + 2*time.Millisecond)
	until := time.Until(l.free)
	l.mu.Unlock()
	timer := time.NewTimer(until)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return l.Store.Append(ctx, room, body, key)
}

// TestTimedCapacity finds the capacity of a real server that was built to hold 500 messages a second.
func TestTimedCapacity(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := (&server.Server{Store: &limited{}}).Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	defer serving.Wait()
	defer stop()

	const users = 200
	scenario, err := loadgen.Builtin("chat")
	if err != nil {
		t.Fatal(err)
	}
	scenario.Users, scenario.Transports, scenario.Rounds, scenario.Duration = users, []string{"websocket"}, 1, 4
	side := loadgen.Side{Target: &url.URL{Scheme: "http", Host: listener.Addr().String()}, NoStats: true}
	s := search.New(search.Options{From: 1, Least: .5, Most: 100})
	for round := 1; ; round++ {
		load, more := s.Next()
		if !more {
			break
		}
		scenario.Rate = load
		err := loadgen.Run(t.Context(), loadgen.Options{Scenario: scenario, Sides: []loadgen.Side{side}, First: round}, func(_ int, w *result.Window) error {
			j := search.Judge(w, search.Criteria{P99: 100 * time.Millisecond, Precision: .05, InMemory: true}, search.Conditions{})
			t.Logf("%.0f messages a second: p99 %v, %+v", load*users, w.Latency.Quantile(.99), j)
			s.Report(load, j)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a := s.Answer()
	if found := users * math.Sqrt(a.Holds*a.Breaks); found < 475 || found > 525 || a.AtLeast || !a.Complete {
		t.Errorf("it holds %.0f messages a second, want 500: %+v", found, a)
	}
}
