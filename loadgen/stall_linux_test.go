package loadgen

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// TestStall stops the server's process for half a second in the midst of a window, as a pause to
// collect garbage would. Whoever measures only what was sent and answered sees one slow message;
// here every message that was to be sent meanwhile is late, and the generator is not to blame.
func TestStall(t *testing.T) {
	const stall = 500 * time.Millisecond
	s := small
	s.Rate, s.Duration = 20, 2*time.Second
	for _, transport := range []string{"websocket", "long-poll"} {
		t.Run(transport, func(t *testing.T) {
			s := s
			s.Transports = []string{transport}
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
			w := windows[0]
			whole(t, s, w)
			if got := w.Latency.Max(); got < stall-100*time.Millisecond || got > stall+500*time.Millisecond {
				t.Errorf("the longest latency is %v, want about %v", got, stall)
			}
			// A quarter of the messages were to be sent in the stall, evenly: a tenth of all waits for
			// more than 0.3 s of it.
			for p, least := range map[float64]time.Duration{.9: stall / 5, .99: stall / 2} {
				if got := w.Latency.Quantile(p); got < least {
					t.Errorf("the latency's p%v is %v, want at least %v", 100*p, got, least)
				}
			}
			if got := w.Latency.Quantile(.5); got > stall/5 {
				t.Errorf("half of the latencies are above %v, but three quarters are not of the stall", got)
			}
			if got := w.Late.Quantile(.99); got > 100*time.Millisecond {
				t.Errorf("the generator is said to be %v late", got)
			}
			// On a WebSocket users go on to send; those who POST wait for the answer to the one before.
			delay := w.SendDelay.Quantile(.99)
			if transport == "websocket" && delay > stall/2 || transport == "long-poll" && delay < stall/4 {
				t.Errorf("the p99 of the send delay is %v", delay)
			}
			if row := result.Rows(windows)[0]; row.Latency.P99 < 250 || len(row.Doubts) > 0 && row.Doubts[0].Code == "lost" {
				t.Errorf("p99 %v ms, doubts %v", row.Latency.P99, row.Doubts)
			}
		})
	}
}
