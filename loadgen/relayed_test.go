package loadgen

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/network"
	"pushpull/loadgen/relay"
	"pushpull/loadgen/result"
)

// serveRelay is the main function of a relay.
func serveRelay() int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := relay.Serve(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestRelayed measures every transport through a relay, which passes everything on.
func TestRelayed(t *testing.T) {
	s := Scenario{
		Name: "relayed", Users: 6, RoomSize: 3, Rate: 20, Size: 64, Warmup: .2, Duration: .5, Drain: 5, Rounds: 1, Seed: 1,
		Transports: specs("50ms"),
	}
	side := Side{Command: []string{os.Args[0], "serve"}, Relay: []string{os.Args[0], "relay"}}
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{side}}, func(_ int, w *result.Window) error {
		if w.Failed != "" || w.Sent < w.Planned || w.Delivered == 0 || w.Lost > 0 || w.Duplicated > 0 || w.FailedRequests > 0 || w.Rejoins > 0 {
			t.Errorf("%s: %+v", w.Transport, w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNetwork measures transports over a network: no message comes sooner than it can, and the round trip of the
// calibration is that of the network.
func TestNetwork(t *testing.T) {
	s := Scenario{
		Name: "far", Users: 4, RoomSize: 2, Rate: 10, Size: 64, Warmup: .6, Duration: .5, Drain: 5, Rounds: 1, Seed: 1,
		Transports: []string{"short-poll@50ms", "long-poll", "websocket"},
	}
	side := Side{
		Command: []string{os.Args[0], "serve"}, Relay: []string{os.Args[0], "relay"}, Network: network.Profile{RTTS: .04, UpBPS: 1e6},
	}
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{side}}, func(_ int, w *result.Window) error {
		if w.Failed != "" || w.Lost > 0 || w.Delivered == 0 {
			t.Errorf("%s: %+v", w.Transport, w)
			return nil
		}
		if least := w.Latency.Quantile(.01); least < 39*time.Millisecond {
			t.Errorf("%s: a message came within %v", w.Transport, least)
		}
		c := w.Calibration
		if c.RoundTrip.Count() == 0 || c.RoundTrip.Quantile(0) < 39*time.Millisecond {
			t.Errorf("%s: %d round trips, the first of %v", w.Transport, c.RoundTrip.Count(), c.RoundTrip.Quantile(0))
		}
		if c.Direct.Count() == 0 || c.Direct.Quantile(0) > 39*time.Millisecond || c.NetworkS < .04 || c.NetworkS > .05 {
			t.Errorf("%s: %d direct round trips, the first of %v; the network adds %v s", w.Transport, c.Direct.Count(), c.Direct.Quantile(0), c.NetworkS)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoRelay measures a window whose relay doesn't start.
func TestNoRelay(t *testing.T) {
	s := Scenario{Name: "x", Users: 2, RoomSize: 2, Rate: 1, Size: 64, Duration: .1, Rounds: 1, Seed: 1, Transports: []string{"websocket"}}
	side := Side{Command: []string{os.Args[0], "serve"}, Relay: []string{os.Args[0], "no relay"}}
	if err := Run(t.Context(), Options{Scenario: s, Sides: []Side{side}}, nil); err == nil || !strings.Contains(err.Error(), "the relay: ") {
		t.Errorf("%v, want that the relay does not start", err)
	}
}
