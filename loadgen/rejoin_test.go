package loadgen

import (
	"net/url"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/store/memory"
)

// TestRejoin kills one of three servers on one store while it is measured: its users go on
// elsewhere, and read on from where they were.
func TestRejoin(t *testing.T) {
	for _, transport := range []string{"short-poll@50ms", "long-poll", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Users, s.Rate, s.Warmup, s.Duration, s.Transports = 30, 20, 0, 1500*time.Millisecond, []string{transport}
			s.Drain = time.Minute // a starved machine sends late, too
			plan := NewPlan(s, 1)
			w, err := newWindow(s, transport, 1, plan)
			if err != nil {
				t.Fatal(err)
			}
			store := &memory.Store{}
			var bases []*url.URL
			var kills []func()
			for range 3 {
				base, kill := mortal(t, store)
				bases, kills = append(bases, base), append(kills, kill)
			}
			dies := time.AfterFunc(700*time.Millisecond, kills[1])
			defer dies.Stop()
			out, err := w.measure(t.Context(), bases)
			if err != nil {
				t.Fatal(err)
			}
			row := result.Rows([]result.Window{*out})[0]
			t.Logf("%d of %d delivered, %d of %d sent, %d rejoins, %v", row.Delivered, row.Expected, row.Sent, out.Planned, row.Rejoins, out.Errors)
			if row.Lost != 0 || row.Duplicated != 0 || row.Reordered != 0 || row.Misdelivered != 0 {
				t.Errorf("%+v", countsOf(*out))
			}
			// Of what was under way nobody knows whether it was stored; the rest has waited.
			if unsure := out.Planned - row.Sent; unsure > out.Planned/5 {
				t.Errorf("%d of %d messages are stored", row.Sent, out.Planned)
			}
			if row.Rejoins < s.Users/3 || row.FailedRequests < s.Users/3 || row.Servers != 3 {
				t.Errorf("%d rejoins and %d failed requests of %d users on %d servers", row.Rejoins, row.FailedRequests, s.Users, row.Servers)
			}
		})
	}
}
