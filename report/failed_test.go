package report_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// fails makes the windows of a transport in a result failed ones: all, or those of one round.
func fails(res *result.Result, transport string, round int) {
	for i := range res.Windows {
		if w := &res.Windows[i]; w.Transport == transport && (round == 0 || w.Round == round) {
			w.Failed = "joining: <refused>"
			if err := w.Settle(); err != nil {
				panic(err)
			}
		}
	}
}

// TestFailedWindows shows results with windows that failed: a row without a measured window says why, and
// nothing shows a number for it.
func TestFailedWindows(t *testing.T) {
	res := synthetic("", 1, four...).Result
	fails(res, "websocket", 0)
	fails(res, "long-poll", 2)
	run := report.NewRun("", res)
	var table, data bytes.Buffer
	if err := report.Table(&table, text.Screen{}, run); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for line := range strings.Lines(table.String()) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "websocket" {
			continue
		}
		shown++
		if rest := slices.Compact(fields[1:]); len(rest) != 1 || rest[0] != "-" {
			t.Errorf("a row without a measured window: %s", line)
		}
	}
	if shown != 1 { // not among those that used a store, nor those that theory predicts
		t.Errorf("it has %d rows: %s", shown, table.String())
	}
	for _, want := range []string{
		"! websocket: not measured: joining: <refused>\n",
		"! long-poll: 1 of 2 windows not measured, in round 2: joining: <refused>\n",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in %s", want, table.String())
		}
	}
	if strings.Contains(table.String(), "nothing was delivered") {
		t.Errorf("what was not measured delivered nothing: %s", table.String())
	}
	words := report.Answer(run)
	if !strings.Contains(words, "WebSocket could not be measured: see the doubts.") || strings.Contains(words, "The numbers of WebSocket") ||
		!strings.Contains(words, "The numbers of long polling are not to be believed") {
		t.Error(words)
	}

	if err := report.CSV(&data, run); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&data).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"run", "scenario", "transport", "users", "servers", "rounds", "failed_windows", "believed", "doubts"}
	for _, line := range lines[1:] {
		if line[2] != "websocket" {
			continue
		}
		for i, cell := range line {
			if (cell != "") != slices.Contains(known, lines[0][i]) {
				t.Errorf("%s is %q in CSV", lines[0][i], cell)
			}
		}
	}

	for _, chart := range report.Charts() {
		var svg bytes.Buffer
		if err := report.SVG(&svg, chart.Name, run); err != nil {
			t.Fatal(err)
		}
		if says := strings.Contains(svg.String(), ">not measured<"); says != (chart.Name != "latency") { // it has curves of what was delivered only
			t.Errorf("%s says that it was not measured: %t", chart.Name, says)
		}
	}
	for _, transport := range []string{"short-poll@5s", "short-poll@1s", "long-poll"} { // nothing is left
		fails(res, transport, 0)
	}
	if err := report.Write(t.TempDir(), report.NewRun("", res)); err != nil {
		t.Error(err)
	}
}
