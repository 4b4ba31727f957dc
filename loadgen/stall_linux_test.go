package loadgen

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

const stall = 500 * time.Millisecond

// TestStall stops the server's process for half a second in the middle of a window, as a garbage
// collection would. A closed loop would see one slow message; here every message planned during the
// stall is late.
func TestStall(t *testing.T) {
	for _, transport := range []string{"websocket", "long-poll"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := stalled(t, transport)
			if got := w.Latency.Max(); got < stall-100*time.Millisecond {
				t.Errorf("the longest latency is %v, want about %v", got, stall)
			}
			// A quarter of the messages are planned during the stall, spread evenly over it, so a tenth of
			// all messages wait for more than 0.3 s.
			for p, least := range map[float64]time.Duration{.9: stall / 5, .99: stall / 2} {
				if got := w.Latency.Quantile(p); got < least {
					t.Errorf("the latency's p%v is %v, want at least %v", 100*p, got, least)
				}
			}
			// A user's POST waits for the response to its previous POST.
			if delay := w.SendDelay.Quantile(.99); transport == "long-poll" && delay < stall/4 {
				t.Errorf("the p99 of the send delay is %v", delay)
			}
			if row := result.Rows([]result.Window{w})[0]; row.Latency.P99 < 250 || len(row.Doubts) > 0 && row.Doubts[0].Code == "lost" {
				t.Errorf("p99 %v ms, doubts %v", row.Latency.P99, row.Doubts)
			}
		})
	}
}

// stalled measures a window during which the server stops for stall.
func stalled(t *testing.T, transport string) result.Window {
	t.Helper()
	s := small
	s.Rate, s.Duration, s.Transports = 20, 2, []string{transport}
	var once sync.Once
	resumed := make(chan struct{})
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Command: command()}}, Progress: func(p Progress) {
		if p.Phase != "measuring" || p.Delivered < 20 {
			return
		}
		once.Do(func() {
			if err := syscall.Kill(p.ServerPIDs[0], syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
			time.AfterFunc(stall, func() {
				defer close(resumed)
				if err := syscall.Kill(p.ServerPIDs[0], syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			})
		})
	}})
	if err != nil || len(windows) != 1 {
		t.Fatalf("%d windows and %v", len(windows), err)
	}
	within(t, resumed, func(struct{}) {})
	whole(t, s, windows[0])
	return windows[0]
}
