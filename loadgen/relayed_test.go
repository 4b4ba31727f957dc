package loadgen

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

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

// TestRelayed measures every transport through a relay, which passes everything on: nothing is lost, and what the users
// count is what they count without it.
func TestRelayed(t *testing.T) {
	s := Scenario{
		Name: "relayed", Users: 6, RoomSize: 3, Rate: 20, Size: 64, Warmup: .2, Duration: .5, Drain: 5, Rounds: 1, Seed: 1,
		Transports: specs("50ms"),
	}
	sides := []Side{{Command: []string{os.Args[0], "serve"}}, {Command: []string{os.Args[0], "serve"}, Relay: []string{os.Args[0], "relay"}}}
	sent := map[string][2]int{}
	err := Run(t.Context(), Options{Scenario: s, Sides: sides}, func(side int, w *result.Window) error {
		if w.Failed != "" || w.Lost > 0 || w.Duplicated > 0 || w.FailedRequests > 0 || w.Rejoins > 0 {
			t.Errorf("%s: %+v", w.Transport, w)
		}
		both := sent[w.Transport]
		both[side] = w.Delivered
		sent[w.Transport] = both
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for transport, both := range sent {
		if both[0] == 0 || both[0] != both[1] {
			t.Errorf("%s: %d deliveries, and %d through a relay", transport, both[0], both[1])
		}
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
