package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// batchUser simulates a user that asks again at once after an answer with as many messages as one may hold.
func batchUser(s theory.ShortPoll, polls int) func(random *rand.Rand) part {
	return func(random *rand.Rand) part {
		p := part{counts: map[string]float64{}, seconds: float64(polls) * s.Interval}
		next := random.ExpFloat64() / s.Rate
		for poll := random.Float64() * s.Interval; poll < p.seconds; poll += s.Interval {
			waiting := 0.0
			for ; next <= poll; next += random.ExpFloat64() / s.Rate {
				waiting++
			}
			for full := true; full; {
				took := min(waiting, s.Batch)
				waiting -= took
				full = took == s.Batch
				if p.counts["requests"]++; took == 0 {
					p.counts["empty"]++
				}
				p.counts["messages"] += took
			}
		}
		return p
	}
}

func TestShortPollBatch(t *testing.T) {
	for _, s := range []theory.ShortPoll{
		{Interval: 1, Rate: .7, Batch: 1}, {Interval: 5, Rate: 2, Batch: 1}, {Interval: 2, Rate: 3, Batch: 4}, {Interval: 1, Rate: 1, Batch: 100},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			all := simulate(batchUser(s, 3000))
			agrees(t, "requests per second", s.RequestsPerSecond(), all, perSecond("requests"))
			agrees(t, "share of empty answers", s.EmptyShare(), all, ratio("empty", "requests"))
			agrees(t, "requests per message", s.RequestsPerMessage(), all, ratio("requests", "messages"))
		})
	}
	for _, s := range []theory.ShortPoll{{Interval: 1, Batch: 3}, {Interval: 1e6, Rate: 1e6, Batch: 3}} { // they must end
		if x := s.RequestsPerSecond(); math.IsNaN(x) || x < 1e-6 {
			t.Errorf("%+v: %v requests a second", s, x)
		}
	}
}

// TestLongPollBatch answers each message by itself, or as many as fit.
func TestLongPollBatch(t *testing.T) {
	l := theory.LongPoll{Gap: .1, Rate: 20, Hold: 30}
	if merged := l.RequestsPerSecond(); merged > 10 {
		t.Fatalf("%v requests a second", merged)
	}
	for batch, want := range map[float64]float64{1: 20, 2: 10, 100: l.RequestsPerSecond()} {
		l.Batch = batch
		if got := l.RequestsPerSecond(); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v messages an answer: %v requests a second, want %v", batch, got, want)
		}
	}
}

// TestForeign predicts rows of foreign servers, as far as theory holds for them.
func TestForeign(t *testing.T) {
	const seconds, sent = 40 * 40., 800.
	foreign := func(way result.Way, change func(*result.Way)) result.Way {
		way.Server = "nchan"
		change(&way)
		return way
	}
	same := func(*result.Way) {}
	for name, c := range map[string]struct {
		way      result.Way
		change   func(*result.Result)
		none     bool    // there is no theory at all
		requests float64 // handshakes included
		latency  bool
		bytes    float64 // a delivery; 0: unknown
	}{
		"a timer":                   {foreign(onTimer, same), nil, false, seconds / 5, true, (seconds/5*(math.Exp(-10)*100+(1-math.Exp(-10))*150) + sent*(300+4*80)) / 2400},
		"one message an answer":     {foreign(onTimer, func(w *result.Way) { w.Batch = 1 }), nil, false, seconds/5 + seconds*2, false, 0},
		"one at a time, but near":   {foreign(onTimer, func(w *result.Way) { w.Batch = 1 }), nearby, false, seconds/5 + seconds*2, true, 0},
		"a window that is shorter":  {foreign(onTimer, func(w *result.Way) { w.Batch, w.EveryS = 1, 40 }), nil, false, seconds/40 + seconds*2/2, false, 0}, // half of its messages are fetched in it
		"acknowledged with a poll":  {foreign(onTimer, same), slow, false, seconds / 5, false, 0},
		"a timer, unacknowledged":   {foreign(onTimer, func(w *result.Way) { w.Lacks.Acks = true }), nil, false, seconds / 5, false, 0},
		"held, without round trips": {foreign(held, same), connects, true, 0, false, 0},
		"over HTTP/2":               {foreign(onTimer, func(w *result.Way) { w.HTTP2 = true }), nil, false, seconds / 5, true, 0},
		"a stream":                  {foreign(stream, same), nil, false, 120, false, sent * (300 + 4*80) / 2400},
		"a stream of rooms of two":  {foreign(stream, same), func(r *result.Result) { r.Run.Scenario.RoomSize = 2 }, false, 120, true, sent * (300 + 2*80) / 2400},
		"without one's own":         {foreign(stream, func(w *result.Way) { w.Lacks.Echo = true }), nil, false, 120, false, sent * (300 + 3*80) / 2400},
		"with heartbeats":           {foreign(beating, same), nil, false, 120, false, 0},
	} {
		r := made(c.way)
		for i := range r.Windows {
			r.Windows[i].Store = nil
			if c.way.Stream {
				r.Windows[i].Traffic.Handshakes = 60 // some users needed several requests
			}
		}
		if c.change != nil {
			c.change(r)
		}
		p := theory.Rows(r)[0].Theory
		if (p == nil) != c.none {
			t.Fatalf("%s: %+v", name, p)
		}
		if p == nil {
			continue
		}
		if math.Abs(p.Requests-c.requests) > .01*c.requests || p.StoreReads != 0 || (p.P50 != nil) != c.latency {
			t.Errorf("%s: %+v, want %v requests", name, p, c.requests)
		}
		if c.bytes > 0 && (p.BytesPerDelivery == nil || math.Abs(*p.BytesPerDelivery-c.bytes) > .02*c.bytes) || name == "with heartbeats" && p.BytesPerDelivery != nil {
			t.Errorf("%s: %v bytes a delivery, want %v", name, p.BytesPerDelivery, c.bytes)
		}
		for _, m := range result.Metrics() {
			if x, ok := m.Theory, m.Key == "store-reads"; ok && x != nil {
				if _, known := x(theory.Rows(r)[0]); known {
					t.Errorf("%s: theory says how often the store of a foreign server is read", name)
				}
			}
		}
	}
}

// nearby makes the round trip that of a server nearby.
func nearby(r *result.Result) {
	for i := range r.Windows {
		r.Windows[i].Calibration.RoundTrip = of(9, 100*time.Microsecond)
	}
}

// slow makes acknowledgements take as long as those that come with a poll.
func slow(r *result.Result) {
	for i := range r.Windows {
		r.Windows[i].Accept = of(400, 3*time.Second)
	}
}

// connects makes the round trips those of TCP alone.
func connects(r *result.Result) {
	for i := range r.Windows {
		r.Windows[i].Calibration.Connects = true
	}
}
