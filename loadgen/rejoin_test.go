package loadgen

import (
	"net/url"
	"sync"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports/store/memory"
)

// TestRejoin kills one of three servers on a shared store during the window: its users join the others
// and resume from their cursors.
func TestRejoin(t *testing.T) {
	for _, transport := range specs("50ms") {
		t.Run(transport, func(t *testing.T) { rejoin(t, transport, false) })
	}
}

// TestRejoinAndResend is TestRejoin with messages that are sent again: every one of them is stored, and none twice.
func TestRejoinAndResend(t *testing.T) {
	for _, transport := range specs("50ms") {
		t.Run(transport, func(t *testing.T) { rejoin(t, transport, true) })
	}
}

func rejoin(t *testing.T, transport string, resend bool) {
	t.Parallel()
	s := small
	s.Resend = resend
	s.Users, s.Rate, s.Warmup, s.Duration, s.Transports = 30, 20, 0, 1.5, []string{transport}
	s.Drain = 60 // enough for a busy machine
	plan := NewPlan(s, 1)
	w, err := aWindow(s, transport, plan)
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
	die := sync.OnceFunc(kills[1])
	stop := watch(w, Progress{}, func(p Progress) {
		if p.Delivered > len(plan.Sends)/3 {
			die()
		}
	})
	out, err := w.measure(t.Context(), bases)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	row := result.Rows([]result.Window{*out})[0]
	t.Logf("%d of %d delivered, %d of %d sent, %d rejoins, %v", row.Delivered, row.Expected, row.Sent, out.Planned, row.Rejoins, out.Errors)
	if row.Lost != 0 || row.Duplicated != 0 || row.Reordered != 0 || row.Misdelivered != 0 {
		t.Errorf("%+v", countsOf(*out))
	}
	// It is unknown whether the messages in flight were stored; all others wait for the rejoin.
	unsure := out.Planned - row.Sent
	if most := out.Planned / 5; unsure > most || resend && unsure > 0 {
		t.Errorf("only %d of %d messages are known to be stored", row.Sent, out.Planned)
	}
	if row.Rejoins < s.Users/3 || row.FailedRequests < s.Users/3 || row.Servers != 3 {
		t.Errorf("%d rejoins and %d failed requests of %d users on %d servers", row.Rejoins, row.FailedRequests, s.Users, row.Servers)
	}
}
