package selftest

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"pushpull/loadgen/relay"
)

// TestMain runs a relay if that is the only argument, as the self-test starts one.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"relay"}) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		if err := relay.Serve(ctx, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// TestNetworks runs the cases of networks. How exact they are depends on how busy the machine is, but no byte comes
// sooner than it can.
func TestNetworks(t *testing.T) {
	o := Options{Relay: []string{os.Args[0], "relay"}, Cases: []string{"far-away", "bandwidth"}, Transports: []string{"websocket"}}
	figures := map[string]Figure{}
	err := Run(t.Context(), o, func(l Line) {
		for _, f := range l.Figures {
			if l.Verdict != "" {
				figures[f.Name] = f
			}
			if l.Verdict == Differs && f.agrees() && len(l.Figures) == 1 {
				t.Errorf("%s differs, and agrees: %+v", l.Case, f)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]float64{"round trip": 49.9, "with connecting": 99.9} {
		if f := figures[name]; f.Known == nil || f.Measured < least {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := figures["down"]; f.Known == nil || f.Measured <= 0 || f.Measured > 1.2*f.Known.Value {
		t.Errorf("bandwidth: %+v", f)
	}
}

// TestNoRelay checks that the cases of networks are left out without a relay.
func TestNoRelay(t *testing.T) {
	if err := (Options{Cases: []string{"jitter"}}).Validate(); err == nil {
		t.Error("a network without a relay can be tested")
	}
	cases, _, err := Options{}.selected()
	if err != nil || slices.ContainsFunc(cases, func(c Case) bool { return c.network != nil }) {
		t.Errorf("%v, %d cases", err, len(cases))
	}
}
