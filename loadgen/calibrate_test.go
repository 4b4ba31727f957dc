package loadgen

import (
	"math"
	"slices"
	"testing"

	"pushpull/transports/all"
)

// TestCalibration compares the calibrated bytes with those that the window carried: a miscounted byte
// multiplies with the number of exchanges.
func TestCalibration(t *testing.T) {
	for _, transport := range append(slices.Clone(small.Transports), "long-poll-scan@20ms") {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Warmup, s.Duration, s.Transports = 2, 2, []string{transport}
			windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}})
			if err != nil {
				t.Fatal(err)
			}
			w := windows[0]
			c := w.Calibration
			if c == nil || c.Bytes == nil {
				t.Fatalf("%s: calibrated %+v", w.Transport, c)
			}
			client, err := all.Client(transport)
			if err != nil {
				t.Fatal(err)
			}
			if want := WayOf(client.Way()); w.Way != want {
				t.Errorf("%s is measured as %+v, want %+v", w.Transport, w.Way, want)
			}
			if c.RoundTrip.Count() < 2 || c.RoundTrip.Quantile(.5) <= 0 {
				t.Errorf("%s: %d round trips, p50 %v", w.Transport, c.RoundTrip.Count(), c.RoundTrip.Quantile(.5))
			}
			if woken := client.Way().Timer() == 0; woken != (c.Delivery.Count() > 0) {
				t.Errorf("%s: %d deliveries, up to %v", w.Transport, c.Delivery.Count(), c.Delivery.Max())
			}
			// Members read their own messages, too.
			empty, full := float64(w.Traffic.EmptyResponses), float64(w.Traffic.Requests-w.Traffic.Handshakes-w.Traffic.EmptyResponses)
			want := float64(c.Bytes.Send)*float64(w.Sent) + float64(c.Bytes.Message)*float64(2*w.Sent) +
				float64(c.Bytes.Empty)*empty + float64(c.Bytes.Answer)*full
			// Exchanges cross the ends of the window, more of them if they take long. Numbers may have fewer digits.
			tolerance := .03 + w.Latency.Max().Seconds()/w.DurationS
			if got := float64(w.Traffic.BytesIn + w.Traffic.BytesOut); math.Abs(got/want-1) > tolerance {
				t.Errorf("%s: %v bytes, want %v according to %+v", w.Transport, got, want, *c.Bytes)
			}
		})
	}
}

// TestNoCalibration checks that nothing is calibrated without a warm-up, the time for it.
func TestNoCalibration(t *testing.T) {
	s := small
	s.Warmup, s.Duration, s.Transports = 0, .2, []string{"websocket"}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}})
	if err != nil || len(windows) != 1 {
		t.Fatalf("%d windows, %v", len(windows), err)
	}
	if c := windows[0].Calibration; c != nil {
		t.Errorf("calibrated %+v", *c)
	}
}
