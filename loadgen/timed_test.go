//go:build timed

package loadgen

import (
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// The tests of this file judge times that they measure, so nothing else may run beside them: see make
// timed.

// TestTimedRun checks the times of TestRun, which are right only on a quiet machine.
func TestTimedRun(t *testing.T) {
	windows, err := run(t.Context(), Options{Scenario: small, Sides: []Side{{Command: command()}}})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]result.Window{}
	for _, w := range windows {
		whole(t, small, w)
		by[w.Transport] = w
		if w.DurationS < .9 || w.DurationS > 1.1 {
			t.Errorf("%s: measured for %v s, want 1", w.Transport, w.DurationS)
		}
		if lag := w.Store.Appends - int64(w.Sent); lag < -20 || lag > 20 { // sends near the start or the end
			t.Errorf("%s: %d appends for %d messages", w.Transport, w.Store.Appends, w.Sent)
		}
		if w.Traffic.BytesIn < int64(w.Delivered*small.Size) || w.Traffic.BytesOut < int64(w.Sent*small.Size) {
			t.Errorf("%s: %d bytes in for %d messages, %d out for %d", w.Transport, w.Traffic.BytesIn, w.Delivered, w.Traffic.BytesOut, w.Sent)
		}
	}
	// A message wakes both members of a pair; a response now and then carries two messages.
	if w := by["long-poll"]; w.Traffic.Requests < int64(w.Delivered) || w.Traffic.Requests > 3*int64(w.Delivered) {
		t.Errorf("long-poll: %d requests for %d deliveries", w.Traffic.Requests, w.Delivered)
	}
	for _, name := range []string{"long-poll", "short-poll@200ms"} {
		if w := by[name]; w.Traffic.Posts < int64(w.Sent)-20 || w.Traffic.Posts > int64(w.Sent)+20 {
			t.Errorf("%s: %d posts for %d messages", name, w.Traffic.Posts, w.Sent)
		}
	}
	// 20 users poll 5 times in a second, whether there are messages or not.
	if w := by["short-poll@200ms"]; w.Traffic.Requests < 70 || w.Traffic.Requests > 150 || w.Traffic.EmptyResponses < 10 {
		t.Errorf("short-poll: %d requests, %d empty responses, want about 100 requests", w.Traffic.Requests, w.Traffic.EmptyResponses)
	}
	// A message waits half the interval on average.
	if mean := by["short-poll@200ms"].Latency.Mean(); mean < 70*time.Millisecond || mean > 180*time.Millisecond {
		t.Errorf("short-poll: a mean of %v, want about 100 ms", mean)
	}
	for _, name := range []string{"long-poll", "websocket"} {
		if p50 := by[name].Latency.Quantile(.5); p50 <= 0 || p50 > 50*time.Millisecond {
			t.Errorf("%s: a median of %v", name, p50)
		}
	}
}
