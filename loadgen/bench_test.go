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

	"pushpull/loadgen/alarm"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/process"
	"pushpull/transports/shortpoll"
)

// usage returns the usage of this process.
func usage(tb testing.TB) process.Usage {
	tb.Helper()
	u, err := process.Self()
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// A ration is an http.RoundTripper that sends a limited number of requests.
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

// BenchmarkPoll measures the generator's CPU time per short poll, compared with net/http's transport:
// 64 users on kept connections poll again at once, and a server in another process sends empty
// responses. The target is 0.016 CPU-s/1000polls.
func BenchmarkPoll(b *testing.B) {
	base := start(b)
	var counts wire.Counts
	for _, by := range []struct {
		name string
		make func() http.RoundTripper
	}{
		{"pushpull", func() http.RoundTripper { return &wire.Pool{Dialer: wire.NewDialer(base, &counts)} }},
		{"nethttp", func() http.RoundTripper { return &http.Transport{} }},
	} {
		b.Run("wire="+by.name, func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			before := usage(b)
			var users sync.WaitGroup
			for range 64 {
				users.Go(func() {
					poller := transports.Poller{
						Sender: transports.Sender{Target: transports.Target{Base: base, HTTP: ration{by.make(), &left}}, Room: "bench"},
						Name:   shortpoll.Name,
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

// BenchmarkSend measures the generator's CPU time per message sent by POST: 64 users on kept connections
// send again at once.
func BenchmarkSend(b *testing.B) {
	base := start(b)
	var counts wire.Counts
	var left atomic.Int64
	left.Store(int64(b.N))
	before := usage(b)
	var users sync.WaitGroup
	for range 64 {
		users.Go(func() {
			pool := &wire.Pool{Dialer: wire.NewDialer(base, &counts)}
			defer pool.Close()
			sender := transports.Sender{Target: transports.Target{Base: base, HTTP: pool}, Room: "bench"}
			for left.Add(-1) >= 0 {
				sender.Send(b.Context(), []byte("hello"), func(err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
		})
	}
	users.Wait()
	b.ReportMetric((usage(b).CPU-before.CPU).Seconds()/float64(b.N)*1000, "CPU-s/1000sends")
}

// BenchmarkUser measures the generator's resident memory per connected user and its CPU time per
// delivery: 1,000 and 5,000 users in pairs on WebSockets, each sending every five seconds. The target
// is 16 KB/user.
func BenchmarkUser(b *testing.B) {
	for _, users := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			s := Scenario{
				Name: "bench", Users: users, RoomSize: 2, Rate: .2, Size: 100, Rounds: 1, Seed: 1,
				Warmup: 1, Duration: 3, Drain: 5,
				Transports: []string{"websocket"},
			}
			var memory, cpu []float64
			for b.Loop() {
				err := Run(b.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}}, func(_ int, w *result.Window) error {
					row := result.Rows([]result.Window{*w})[0]
					if row.Lost > 0 {
						b.Errorf("%d messages lost", row.Lost)
					}
					if each := row.Generator.RSSBytesPerUser; each != nil {
						memory = append(memory, *each/1e3)
					}
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

// BenchmarkAlarm measures how late an alarm and a timer of Go wake a goroutine in an otherwise idle
// process.
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
		a, err := alarm.New()
		if err != nil {
			b.Fatal(err)
		}
		defer a.Close()
		late(b, func(at time.Time) {
			if err := a.Wait(context.Background(), at); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("wake=sleep", func(b *testing.B) {
		late(b, func(at time.Time) { time.Sleep(time.Until(at)) })
	})
}

// BenchmarkQuantiles measures how long quantiles takes in a window with 5,000 deliveries, which arrive
// by polls every 5 seconds or are pushed.
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
