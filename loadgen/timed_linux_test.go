//go:build timed

package loadgen

import (
	"testing"
	"time"
)

// TestTimedStall checks the times of TestStall on a quiet machine: messages outside the stall are fast,
// and the generator is not late.
func TestTimedStall(t *testing.T) {
	for _, transport := range []string{"websocket", "long-poll"} {
		t.Run(transport, func(t *testing.T) {
			w := stalled(t, transport)
			if got := w.Latency.Max(); got > stall+500*time.Millisecond {
				t.Errorf("the longest latency is %v, want about %v", got, stall)
			}
			if got := w.Latency.Quantile(.5); got > stall/5 {
				t.Errorf("the median latency is %v, but the stall delays only a quarter of the messages", got)
			}
			if got := w.Late.Quantile(.99); got > 100*time.Millisecond {
				t.Errorf("the generator is reported as %v late", got)
			}
			// A WebSocket user keeps sending without waiting for acknowledgements.
			if delay := w.SendDelay.Quantile(.99); transport == "websocket" && delay > stall/2 {
				t.Errorf("the p99 of the send delay is %v", delay)
			}
		})
	}
}
