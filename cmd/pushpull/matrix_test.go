package main

import (
	"testing"

	"pushpull/loadgen/result"
)

// TestNothingBroke says why there is no window: it failed, or nothing could be measured.
func TestNothingBroke(t *testing.T) {
	m := &matrix{record: &record{results: []*recorder{{}}}}
	if got, want := m.reason(), "there is no transport"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	m.leftOut = [][]result.LeftOut{nil, {{Fault: "kill", Why: "there is one server"}}}
	if got, want := m.reason(), "kill: there is one server"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	m.record.results[0].result.Windows = []result.Window{{Failed: "the users didn't join", Aftermath: &result.Aftermath{Fault: "reset"}}}
	if got, want := m.reason(), "reset: the users didn't join"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
