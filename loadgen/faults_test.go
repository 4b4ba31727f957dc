package loadgen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/fault"
)

// aFault returns how a fault is measured on one server in memory, with a few users and within about a second.
func aFault(t *testing.T, name, transport string) FaultOptions {
	t.Helper()
	all := fault.List()
	i := slices.IndexFunc(all, func(f fault.Fault) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no fault %s", name)
	}
	return FaultOptions{
		Scenario: Scenario{
			Name: "faults", Users: 6, RoomSize: 3, Rate: 5, Size: 64, Warmup: .1, Duration: .8, Drain: 5, Rounds: 1, Seed: 3,
			Transports: []string{transport},
		},
		Side:      Side{Command: command(), Relay: []string{os.Args[0], "relay"}},
		Transport: transport, Fault: all[i], Round: 1,
	}
}

// TestBreak makes things break on a server in memory: nothing is lost in silence, nobody hangs, and everybody sends and
// receives again.
func TestBreak(t *testing.T) {
	for _, c := range []struct{ fault, transport string }{
		{"reset", "short-poll@50ms"},
		{"reset", "websocket"},
		{"cut-answer", "long-poll@1s"},
		{"cut-request", "sse"},
		{"restart", "long-poll@1s"},
		{"restart", "short-poll@50ms"},
		{"restart", "websocket-lean"},
		{"proxy-restart", "sse"},
		{"user-restart", "websocket"},
		{"abort", "long-poll@1s"},
		{"answer-twice", "sse"},
	} {
		t.Run(c.fault+" "+c.transport, func(t *testing.T) {
			t.Parallel()
			w, err := Break(t.Context(), aFault(t, c.fault, c.transport))
			if err != nil || w.Failed != "" {
				t.Fatal(err, w)
			}
			after := w.Aftermath
			t.Logf("%+v, %d rejoins, %v", *after, w.Rejoins, w.Errors)
			if after.Lost > 0 || after.Hung > 0 || after.Doubled > 0 {
				t.Errorf("%+v", *after)
			}
			if after.Fault != c.fault || after.Expected() < 12 || after.InTime == 0 || after.BeganS < .1 || after.EndedS < after.BeganS+aFault(t, c.fault, c.transport).Fault.Lasts.Seconds() {
				t.Errorf("%+v", *after)
			}
			if r := after.Recovery; c.fault == "restart" && (r == nil || r.Cut != 6 || r.Back != 6 || r.HalfS > r.AllS || r.AllS > after.RecoverS+60 || r.Connections < 6 || r.Requests < 6 || r.Steps != nil) {
				t.Errorf("all 6 users were cut off, and %+v", r)
			}
			if c.fault != "cut-answer" && c.fault != "answer-twice" && w.Rejoins == 0 { // whose place may be behind all that is sent
				t.Error("nobody had to join again")
			}
		})
	}
}

// TestBreakCant has a fault that fails, and a context that ends.
func TestBreakCant(t *testing.T) {
	bad := aFault(t, "reset", "websocket")
	bad.Fault.Begin = func(context.Context, *fault.Scene) error { return errors.New("no hammer") }
	if w, err := Break(t.Context(), bad); err != nil || w.Failed != "making the fault reset: no hammer" || w.Aftermath.Fault != "reset" {
		t.Errorf("%+v, %v", w, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	early := aFault(t, "reset", "websocket")
	stop := errors.New("enough")
	early.Fault.Begin = func(context.Context, *fault.Scene) error { cancel(stop); return nil }
	early.Fault.Lasts = time.Minute
	if w, err := Break(ctx, early); w != nil || !errors.Is(err, stop) {
		t.Errorf("%+v, %v", w, err)
	}
}

// TestBreakRetry has a proxy that makes requests again: messages without a key come twice, others don't.
func TestBreakRetry(t *testing.T) {
	for _, resend := range []bool{false, true} {
		t.Run(fmt.Sprint("resend ", resend), func(t *testing.T) {
			t.Parallel()
			o := aFault(t, "retry", "long-poll@1s")
			o.Scenario.Resend = resend
			w, err := Break(t.Context(), o)
			if err != nil || w.Failed != "" {
				t.Fatal(err, w)
			}
			if after := w.Aftermath; after.Lost > 0 || after.Hung > 0 || resend == (after.Doubled > 0) {
				t.Errorf("%+v", *after)
			}
		})
	}
}

// TestRestartResends restarts users while they send: with keys, every message is acknowledged.
func TestRestartResends(t *testing.T) {
	for _, transport := range []string{"short-poll@50ms", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			o := aFault(t, "user-restart", transport)
			o.Scenario.Resend, o.Scenario.Rate = true, 50
			w, err := Break(t.Context(), o)
			if err != nil || w.Failed != "" {
				t.Fatal(err, w)
			}
			if after := w.Aftermath; after.Unconfirmed+after.Refused+after.Lost+after.Hung+after.Doubled > 0 || w.Rejoins == 0 {
				t.Errorf("%+v, %d rejoins", *after, w.Rejoins)
			}
		})
	}
}

// TestPlaceOfSpreadRooms has several servers, of which the users of a room know one: they could not go on after it is
// killed.
func TestPlaceOfSpreadRooms(t *testing.T) {
	o := aFault(t, "kill", "sse")
	o.Side.Servers = 3
	if lack := o.Fault.Lacks(o.Place(false)); lack != "" {
		t.Errorf("on servers that share a store it lacks something: %s", lack)
	}
	o.Side.Spread = true
	if lack := o.Fault.Lacks(o.Place(false)); !strings.HasPrefix(lack, "each room is on one server") {
		t.Errorf("with rooms spread over them it lacks %q", lack)
	}
}
