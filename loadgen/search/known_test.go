package search

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// A queue is a server that takes one message after the other, each for the same time.
type queue struct {
	service time.Duration
	stalls  func(at time.Duration) time.Duration // how long a message that comes then waits for something else; nil: never
}

// window returns a window of a server with a Poisson process of messages, as the generator would measure it, in
// virtual time.
func (q queue) window(r *rand.Rand, rate float64, length time.Duration) *result.Window {
	w := &result.Window{
		Way: result.Way{Stream: true, Duplex: true}, Cores: 1, DurationS: length.Seconds(),
		Latency: result.NewHistogram(), Late: result.NewHistogram(),
		Server: &result.Process{}, Generator: result.Process{CPUS: .1 * length.Seconds()},
	}
	slices := make([]*result.Histogram, int(math.Ceil(length.Seconds())))
	for i := range slices {
		slices[i] = result.NewHistogram()
	}
	var at, free time.Duration
	for {
		at += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		if at >= length {
			break
		}
		begin := max(at, free)
		if q.stalls != nil {
			begin += q.stalls(begin)
		}
		free = begin + q.service
		w.Latency.Record(free - at)
		slices[int(at/time.Second)].Record(free - at)
		w.Delivered++
		w.DrainedS = max(0, (free - length).Seconds())
	}
	w.Planned, w.Sent, w.Expected = w.Delivered, w.Delivered, w.Delivered
	for i, h := range slices {
		w.Slices = append(w.Slices, result.Slice{AtS: float64(i), WidthS: 1, Latency: h})
	}
	return w
}

// find searches for the largest rate that a queue holds.
func (q queue) find(t *testing.T, seed uint64, from float64) Answer {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	c := Criteria{P99: 100 * time.Millisecond, Precision: .05, ServerCPUs: 1, InMemory: true}
	s := New(Options{From: from, Least: 150, Most: 50_000})
	windows(t, s, func(rate float64) Judgement { return Judge(q.window(r, rate, 4*time.Second), c, Conditions{}) })
	return s.Answer()
}

// TestKnownCapacity finds the capacity of a server that takes 2 ms for a message, which is 500 a second. Its queue
// makes messages late a little before that: with 480 a second the p99 of an M/D/1 queue is about 110 ms.
func TestKnownCapacity(t *testing.T) {
	q := queue{service: 2 * time.Millisecond}
	for seed := range uint64(8) {
		for _, from := range []float64{200, 500, 4000} {
			a := q.find(t, seed, from)
			if a.Holds < .95*480 || a.Holds > 1.05*500 || a.AtLeast || !a.Complete || a.Why.Limit != Waiting {
				t.Errorf("seed %d, from %v: %+v, want 500", seed, from, a)
			}
		}
	}
}

// TestTwice searches twice for each of many servers, which must agree within 15%.
func TestTwice(t *testing.T) {
	for seed := range uint64(20) {
		q := queue{service: time.Duration(200+100*seed) * time.Microsecond}
		first, second := q.find(t, seed, 300).Holds, q.find(t, seed+1000, 170).Holds
		if ratio := first / second; math.IsNaN(ratio) || ratio > 1.15 || ratio < 1/1.15 {
			t.Errorf("service of %v: %v, and then %v", q.service, first, second)
		}
	}
}

// TestStallingServer finds no load for a server that stops for 300 ms in each window, however fast it is otherwise.
func TestStallingServer(t *testing.T) {
	q := queue{service: 100 * time.Microsecond, stalls: func(at time.Duration) time.Duration {
		if at > 2*time.Second && at < 2300*time.Millisecond {
			return 2300*time.Millisecond - at
		}
		return 0
	}}
	if a := q.find(t, 1, 1000); a.Holds != 0 || a.Why.Broke != P99 {
		t.Errorf("%+v", a)
	}
}
