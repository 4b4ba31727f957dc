package loadgen

import (
	"os"
	"testing"

	"pushpull/loadgen/result"
)

// TestHTTP2 measures transports over HTTP/1.1 and over HTTP/2: what users send, ask and get is the same. Over HTTP/2
// each has one connection, and the headers take fewer bytes. WebSockets are left out.
func TestHTTP2(t *testing.T) {
	s := Scenario{
		Name: "http2", Users: 6, RoomSize: 3, Rate: 20, Size: 64, Warmup: .3, Duration: .5, Drain: 5, Rounds: 1, Seed: 1,
		Transports: []string{"short-poll@50ms", "long-poll", "sse", "websocket"},
	}
	command := []string{os.Args[0], "serve"}
	sides := []Side{{Command: command}, {Command: command, HTTP2: true}}
	windows := map[string][2]*result.Window{}
	err := Run(t.Context(), Options{Scenario: s, Sides: sides}, func(side int, w *result.Window) error {
		if w.Failed != "" || w.Lost > 0 || w.Duplicated > 0 || w.FailedRequests > 0 || w.Rejoins > 0 || w.Delivered != w.Expected {
			t.Errorf("%s over HTTP/%d: %+v", w.Transport, side+1, w)
		}
		both := windows[w.Transport]
		both[side] = w
		windows[w.Transport] = both
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for transport, both := range windows {
		one, two := both[0], both[1]
		if one.Way.Duplex {
			if two != nil {
				t.Errorf("%s was measured over HTTP/2", transport)
			}
			continue
		}
		// Requests count by their time, so what a pause of the machine moves over the border of the measured part counts in
		// one window and not in the other. A request that counted as two would show in any case.
		if sends := [2]int64{one.Traffic.Posts, two.Traffic.Posts}; one.Delivered == 0 || one.Delivered != two.Delivered || 2*sends[0] > 3*sends[1] || 2*sends[1] > 3*sends[0] {
			t.Errorf("%s: %d deliveries of %d sends, over HTTP/2 %d of %d", transport, one.Delivered, one.Traffic.Posts, two.Delivered, two.Traffic.Posts)
		}
		if !two.Way.HTTP2 || two.Traffic.Connections != 6 {
			t.Errorf("%s: %d connections over HTTP/2 (%+v), want 6", transport, two.Traffic.Connections, two.Way)
		}
		if one.Way.EveryS > 0 && (one.Traffic.EmptyResponses == 0 || two.Traffic.EmptyResponses == 0) {
			t.Errorf("%s: %d and %d empty answers", transport, one.Traffic.EmptyResponses, two.Traffic.EmptyResponses)
		}
		bytes := func(w *result.Window) float64 {
			return float64(w.Traffic.BytesIn+w.Traffic.BytesOut) / float64(w.Delivered)
		}
		if !one.Way.Stream && bytes(two) > .8*bytes(one) {
			t.Errorf("%s: %.0f bytes a delivery, over HTTP/2 %.0f", transport, bytes(one), bytes(two))
		}
	}
	if lacks := (Options{Sides: sides}).Lacking(1, s); len(lacks) == 0 || lacks[0].Why == "" {
		t.Errorf("the side with HTTP/2 lacks %v", lacks)
	}
}
