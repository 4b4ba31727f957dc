package ci_test

import (
	"strings"
	"testing"

	"pushpull/report/ci"
)

// TestFailedWindows writes a run of which a transport could not be measured, and another one not in a round.
func TestFailedWindows(t *testing.T) {
	res := measured(map[string]float64{"websocket": 1, "long-poll": 2, "short-poll@1s": 500}, "websocket", "long-poll", "short-poll@1s")
	for i := range res.Windows {
		w := &res.Windows[i]
		if w.Transport == "websocket" || w.Transport == "long-poll" && w.Round == 2 {
			w.Failed = "joining: refused"
			if err := w.Settle(); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := ci.Outcome{Sides: []ci.Side{side("", res)}}
	run := parseJUnit(t, written(t, ci.JUnit, o))
	if run.Tests != 3 || run.Failures != 2 {
		t.Errorf("%+v", run)
	}
	for _, test := range run.Cases {
		want := map[string]string{
			"websocket": "not measured: joining: refused",
			"long-poll": "not to be believed: 1 of 6 windows not measured, in round 2: joining: refused",
		}[test.Name]
		if (test.Failure == nil) != (want == "") || want != "" && test.Failure.Message != want {
			t.Errorf("%s: %+v, want %q", test.Name, test.Failure, want)
		}
	}
	text := written(t, ci.Benchfmt, o)
	if !strings.Contains(text, "# websocket was not measured: joining: refused\n") || strings.Contains(text, "transport=websocket") ||
		strings.Count(text, "transport=long-poll/") != 5 || strings.Count(text, "transport=short-poll@1s/") != 6 {
		t.Error(text)
	}
	text = written(t, ci.Markdown, o)
	if !strings.Contains(text, "- `websocket`: not measured: joining: refused\n") || !strings.Contains(text, "| `websocket` | - | - |") ||
		!strings.Contains(text, "- `long-poll` is **not to be believed**: 1 of 6 windows") {
		t.Error(text)
	}
	if text = written(t, ci.BenchmarkAction, o); strings.Contains(text, "websocket") || !strings.Contains(text, `"long-poll p50"`) {
		t.Error(text)
	}
}
