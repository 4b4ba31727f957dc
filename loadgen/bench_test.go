package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/process"
	"pushpull/transports/shortpoll"
)

// usage reads what this process has used.
func usage(tb testing.TB) process.Usage {
	tb.Helper()
	u, err := process.Self()
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// A ration is a wire that carries so many requests and no more.
type ration struct {
	http.RoundTripper

	left *atomic.Int64
}

var errSpent = errors.New("the ration is spent")

func (r ration) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.left.Add(-1) < 0 {
		return nil, errSpent
	}
	return r.RoundTripper.RoundTrip(req)
}

// BenchmarkPoll measures what a short poll costs the generator, and what it would cost with
// net/http's transport: 64 users on keep-alive connections who ask again at once, a server in a
// process of its own, empty answers. The aim is 0.016 CPU-s/1000polls.
func BenchmarkPoll(b *testing.B) {
	base := start(b)
	var counts Counts
	for _, wire := range []struct {
		name string
		make func() http.RoundTripper
	}{
		{"pushpull", func() http.RoundTripper { return &Wire{Dialer: NewDialer(base, &counts)} }},
		{"nethttp", func() http.RoundTripper { return &http.Transport{} }},
	} {
		b.Run("wire="+wire.name, func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			before := usage(b)
			var users sync.WaitGroup
			for range 64 {
				users.Go(func() {
					poller := transports.Poller{
						Target: transports.Target{Base: base, Wire: ration{wire.make(), &left}},
						Room:   "bench", Name: shortpoll.Name,
					}
					for _, err := range poller.Messages(b.Context()) {
						if !errors.Is(err, errSpent) {
							b.Error(err)
						}
					}
				})
			}
			users.Wait()
			b.ReportMetric((usage(b).CPU-before.CPU).Seconds()/float64(b.N)*1000, "CPU-s/1000polls")
		})
	}
}

// BenchmarkUser measures what a connected user costs the generator in resident memory, and a
// message in CPU time: 1,000 and 5,000 users in pairs on WebSockets, each sending every five
// seconds. The aim is 16 KB/user.
func BenchmarkUser(b *testing.B) {
	for _, users := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			s := Scenario{
				Name: "bench", Users: users, RoomSize: 2, Rate: .2, Size: 100, Rounds: 1, Seed: 1,
				Warmup: time.Second, Duration: 3 * time.Second, Drain: 5 * time.Second,
				Transports: []string{"websocket"},
			}
			var memory, cpu []float64
			for b.Loop() {
				err := Run(b.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}}, func(_ int, w *result.Window) error {
					row := result.Rows([]result.Window{*w})[0]
					if row.Lost > 0 {
						b.Errorf("%d messages lost", row.Lost)
					}
					memory = append(memory, row.Generator.RSSBytesPerUser/1e3)
					cpu = append(cpu, row.Generator.CPUMicrosPerDelivery)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(median(memory), "KB/user")
			b.ReportMetric(median(cpu), "CPU-us/delivery")
		})
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// BenchmarkAlarm measures how late a goroutine is that an alarm wakes, and one that Go's timer
// wakes, with nothing else to do.
func BenchmarkAlarm(b *testing.B) {
	late := func(b *testing.B, wait func(time.Time)) {
		var late []float64
		for b.Loop() {
			at := time.Now().Add(time.Duration(100+rand.IntN(4000)) * time.Microsecond)
			wait(at)
			late = append(late, time.Since(at).Seconds()*1e6)
		}
		b.ReportMetric(median(late), "us-late/p50")
	}
	b.Run("wake=alarm", func(b *testing.B) {
		a, err := newAlarm()
		if err != nil {
			b.Fatal(err)
		}
		defer a.close()
		late(b, func(at time.Time) {
			if err := a.wait(context.Background(), at); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("wake=sleep", func(b *testing.B) {
		late(b, func(at time.Time) { time.Sleep(time.Until(at)) })
	})
}

// BenchmarkQuantiles measures how long it takes to say how late a window is so far that has delivered 5,000
// messages, polled every 5 seconds or pushed.
func BenchmarkQuantiles(b *testing.B) {
	for name, longest := range map[string]time.Duration{"polled": 5 * time.Second, "pushed": 2 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			l := newLedger(NewPlan(small, 1))
			for range 5000 {
				l.latency.Record(rand.N(longest))
			}
			for b.Loop() {
				l.quantiles()
			}
		})
	}
}
