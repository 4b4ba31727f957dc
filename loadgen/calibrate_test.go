package loadgen

import (
	"math"
	"slices"
	"testing"
	"time"
)

// TestCalibration holds what was calibrated against what the window itself carried: a byte that is
// counted wrongly shows in every exchange.
func TestCalibration(t *testing.T) {
	s := small
	s.Warmup, s.Duration = 500*time.Millisecond, 2*time.Second
	s.Transports = append(slices.Clone(s.Transports), "long-poll-scan@20ms")
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}})
	if err != nil {
		t.Fatal(err)
	}
	intervals := map[string]float64{"short-poll@200ms": .2, "long-poll": 30, "websocket": 0, "long-poll-scan@20ms": .02}
	for _, w := range windows {
		c := w.Calibration
		if c == nil || c.Bytes == nil {
			t.Fatalf("%s: calibrated %+v", w.Transport, c)
		}
		if w.IntervalS != intervals[w.Transport] {
			t.Errorf("%s: interval %v s", w.Transport, w.IntervalS)
		}
		if c.RoundTrip.Count() < 2 || c.RoundTrip.Quantile(.5) <= 0 || c.RoundTrip.Quantile(.5) > 100*time.Millisecond {
			t.Errorf("%s: %d round trips, p50 %v", w.Transport, c.RoundTrip.Count(), c.RoundTrip.Quantile(.5))
		}
		if woken := w.Transport == "long-poll" || w.Transport == "websocket"; woken != (c.Delivery.Count() > 0) || c.Delivery.Max() > time.Second {
			t.Errorf("%s: %d deliveries, up to %v", w.Transport, c.Delivery.Count(), c.Delivery.Max())
		}
		// Members read their own messages too.
		empty, full := float64(w.Wire.EmptyResponses), float64(w.Wire.Requests-w.Wire.Handshakes-w.Wire.EmptyResponses)
		want := float64(c.Bytes.Send)*float64(w.Sent) + float64(c.Bytes.Message)*float64(2*w.Sent) +
			float64(c.Bytes.Empty)*empty + float64(c.Bytes.Answer)*full
		if got := float64(w.Wire.BytesIn + w.Wire.BytesOut); math.Abs(got/want-1) > .03 { // sends at the borders, digits of a number
			t.Errorf("%s: %v bytes, where %+v makes %v", w.Transport, got, *c.Bytes, want)
		}
	}
}

// TestNoCalibration has no warm-up, in which to calibrate.
func TestNoCalibration(t *testing.T) {
	s := small
	s.Warmup, s.Duration, s.Transports = 0, 200*time.Millisecond, []string{"websocket"}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}})
	if err != nil || len(windows) != 1 {
		t.Fatalf("%d windows, %v", len(windows), err)
	}
	if c := windows[0].Calibration; c != nil {
		t.Errorf("calibrated %+v", *c)
	}
}
