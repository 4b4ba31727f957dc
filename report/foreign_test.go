package report_test

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/ci"
	"pushpull/report/text"
)

// against makes the long polls of a result those of nchan, which has no WebSocket here.
func against(res *result.Result) {
	s := &res.Run.Scenario
	s.Against = []result.ForeignServer{{Name: "nchan", Title: "nchan", Text: "nginx with a module.", Address: "http://127.0.0.1:8900/"}}
	for i := range s.Transports {
		if s.Transports[i] == "long-poll" {
			s.Transports[i] = "nchan/long-poll"
		}
	}
	s.Transports = append(s.Transports, "nchan/websocket")
	s.Lacking = []result.Lack{{Transport: "nchan/websocket", Why: "nchan has no websocket: it offers long-poll"}}
	for i := range res.Windows {
		if w := &res.Windows[i]; w.Transport == "long-poll" {
			w.Transport = "nchan/long-poll"
			w.Way.Title, w.Way.Server, w.Way.Lacks, w.Way.Batch = "long polling on nchan", "nchan", result.Lacks{Gaps: true}, 1
			w.Server = nil
		}
	}
}

// TestForeign shows a result with the rows of a foreign server: beside pushpull's own, with an empty one for a transport
// that it lacks, and a line that says who it is.
func TestForeign(t *testing.T) {
	res := synthetic("", 1, four...).Result
	against(res)
	run := report.NewRun("", res)
	var table, markdown, page, junit bytes.Buffer
	for _, err := range []error{
		report.Table(&table, text.Screen{Columns: 80}, run), report.HTML(&page, report.Link{}, run),
		ci.Markdown(&markdown, ci.Outcome{Sides: []ci.Side{{Result: res, Rows: run.Rows}}}),
		ci.JUnit(&junit, ci.Outcome{Sides: []ci.Side{{Result: res, Rows: run.Rows}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	words := strings.Join(strings.Fields(table.String()), " ")
	const about = "nchan: nginx with a module. It ran at http://127.0.0.1:8900/, and its figures hold what it did before. Its CPU and memory are unknown. Unlike pushpull's server: jumps over lost messages in silence; one message an answer."
	for _, want := range []string{
		about, "nchan/websocket - - ", "! nchan/websocket: not measured: nchan has no websocket: it offers long-poll", "Long polling on nchan is never the better choice: it is no better than WebSocket in any figure that is known.",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	for _, wrong := range []string{"could not be measured", "had a turn", "nchan/websocket: not measured\n"} {
		if strings.Contains(table.String(), wrong) {
			t.Errorf("%q in\n%s", wrong, table.String())
		}
	}
	for line := range strings.Lines(table.String()) {
		if text.Width(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than the screen: %s", line)
		}
	}
	if !strings.Contains(html.UnescapeString(page.String()), about) {
		t.Error("the page doesn't say who nchan is")
	}
	if !strings.Contains(markdown.String(), "nchan: nginx with a module. It ran at ") {
		t.Errorf("the summary doesn't say who nchan is:\n%s", markdown.String())
	}
	if !strings.Contains(junit.String(), `<skipped message="nchan has no websocket: it offers long-poll"`) {
		t.Errorf("a transport that its server lacks isn't skipped:\n%s", junit.String())
	}
	if result.Fatal(run.Rows) {
		t.Error("a transport that its server lacks spoils the run")
	}
}
