package check

import (
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

// failing returns res with the windows of a transport failed in some rounds; none: all.
func failing(res *result.Result, transport string, rounds ...int) *result.Result {
	for i := range res.Windows {
		w := &res.Windows[i]
		if w.Transport != transport || len(rounds) > 0 && !slices.Contains(rounds, w.Round) {
			continue
		}
		w.Failed = "joining: refused"
		if err := w.Settle(); err != nil {
			panic(err)
		}
	}
	return res
}

// TestFailedWindows compares results of which windows failed: what could not be measured is not judged, and a
// round without a partner is not compared.
func TestFailedWindows(t *testing.T) {
	whole := func() *result.Result { return made{rounds: 12}.result() }
	for _, c := range []struct {
		name       string
		base, head *result.Result
		gap        string // the only one; empty: there is none
		doubts     int
		pairs      int // of which the p50 of websocket is compared
	}{
		{"head", whole(), failing(whole(), "websocket"), "websocket: not measured in head: joining: refused", 0, 0},
		{"base", failing(whole(), "websocket"), whole(), "requests, store-reads, bytes, p50, p99 and server-cpu of websocket: not measured in base: joining: refused", 0, 0},
		{"some rounds of head", whole(), failing(whole(), "websocket", 2, 7), "", 1, 10},
		{"some rounds of base", failing(whole(), "websocket", 12), whole(), "", 1, 11},
	} {
		r, err := Compare(c.base, c.head, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		gaps, want := r.Gaps(r.Unjudged()), []string{c.gap}
		if c.gap == "" {
			want = nil
		}
		if !slices.Equal(gaps, want) || r.Doubts != c.doubts || len(r.Regressions()) > 0 {
			t.Errorf("%s: not judged %q, want %q; %d doubts, want %d: %q; regressions %v", c.name, gaps, want, r.Doubts, c.doubts, r.Warnings, r.Regressions())
		}
		if pairs := r.find("websocket", "p50").Pairs; pairs != c.pairs {
			t.Errorf("%s: %d pairs, want %d", c.name, pairs, c.pairs)
		}
	}
	if _, err := Compare(whole(), failing(failing(whole(), "websocket"), "long-poll"), Options{}); err == nil || !strings.HasPrefix(err.Error(), "head holds no window that was measured to its end") {
		t.Errorf("nothing of head was measured: %v", err)
	}
}
