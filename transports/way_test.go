package transports_test

import (
	"testing"
	"time"

	"pushpull/transports"
)

func TestWayValidate(t *testing.T) {
	valid := []transports.Way{
		{Title: "on a timer", Every: time.Second},
		{Title: "held", Hold: time.Second},
		{Title: "held, with a scan", Hold: time.Second, Scan: time.Millisecond},
		{Title: "one way", Stream: true},
		{Title: "both ways", Stream: true, Duplex: true},
		{Title: "with heartbeats", Stream: true, Heartbeat: time.Second},
	}
	for _, w := range valid {
		if err := w.Validate(); err != nil {
			t.Errorf("%+v: %v", w, err)
		}
		if w.Title = ""; w.Validate() == nil {
			t.Errorf("%+v is valid without a title", w)
		}
	}
	for _, w := range []transports.Way{
		{},
		{Every: time.Second, Hold: time.Second},
		{Every: time.Second, Stream: true},
		{Hold: time.Second, Stream: true},
		{Every: -time.Second},
		{Every: -time.Second, Stream: true},
		{Hold: -time.Second, Stream: true},
		{Hold: time.Second, Scan: -1},
		{Scan: time.Second},
		{Every: time.Second, Scan: time.Second},
		{Stream: true, Scan: time.Second},
		{Duplex: true},
		{Hold: time.Second, Duplex: true},
		{Hold: time.Second, Heartbeat: time.Second},
		{Stream: true, Heartbeat: -time.Second},
	} {
		if w.Title = "odd"; w.Validate() == nil {
			t.Errorf("%+v is valid", w)
		}
	}
}

func TestWayTimer(t *testing.T) {
	for want, w := range map[time.Duration]transports.Way{
		5 * time.Second:       {Every: 5 * time.Second},
		0:                     {Hold: 30 * time.Second},
		50 * time.Millisecond: {Hold: 30 * time.Second, Scan: 50 * time.Millisecond},
	} {
		if got := w.Timer(); got != want {
			t.Errorf("%+v has a timer of %v, want %v", w, got, want)
		}
	}
}

func TestWayPolls(t *testing.T) {
	for want, ways := range map[bool][]transports.Way{
		true:  {{Every: time.Second}, {Hold: time.Second}, {Hold: time.Second, Scan: time.Millisecond}},
		false: {{Stream: true}, {Stream: true, Duplex: true}},
	} {
		for _, w := range ways {
			if w.Polls() != want {
				t.Errorf("%+v polls: %t, want %t", w, w.Polls(), want)
			}
		}
	}
}

func TestParseInterval(t *testing.T) {
	for setting, want := range map[string]time.Duration{
		"": 30 * time.Second, "5s": 5 * time.Second, "1ms": time.Millisecond, "1h": time.Hour,
		// none of these
		"999us": 0, "1h0m0.001s": 0, "0s": 0, "-5s": 0, "5": 0, "soon": 0,
	} {
		got, err := transports.ParseInterval("sse", setting, "hold time", 30*time.Second)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %v, %v, want %v", setting, got, err, want)
		}
		if err != nil && err.Error() != "the hold time must be a time from 1ms to 1h, like sse@30s" {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

func TestTargetHeld(t *testing.T) {
	for hold, want := range map[time.Duration]time.Duration{0: time.Second, time.Millisecond: time.Millisecond, time.Minute: time.Second} {
		if got := (transports.Target{Hold: hold}).Held(time.Second); got != want {
			t.Errorf("with a cap of %v, a hold time of 1 s becomes %v, want %v", hold, got, want)
		}
	}
}
