package report_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// ranged returns run with intervals for its figures, of 7% below and 8% above each.
func ranged(run report.Run) report.Run {
	for i, row := range run.Rows {
		row.Intervals = map[string]result.Interval{}
		for _, m := range result.Metrics() {
			if x, ok := m.Value(row); ok && m.Measure() != "" {
				row.Intervals[m.Key] = result.Interval{Low: .93 * x, High: 1.08 * x}
			}
		}
		run.Rows[i] = row
	}
	return run
}

// pointOn returns the point of a run of that day of March 2026, whose server used that many times the usual CPU,
// after edit has changed its result.
func pointOn(day int, cpu float64, edit func(*result.Result)) report.Point {
	socket := webSocket
	socket.cpu *= cpu
	run := synthetic("", 1, longPoll, socket)
	run.Run.Started = time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC)
	if edit != nil {
		edit(run.Result)
	}
	return report.NewPoint(ranged(report.NewRun("run", run.Result)))
}

// history has a trend with a change of server CPU on the third day, a run that is not to be believed on the
// fourth, one that is without a transport on the fifth, and another machine from the sixth on; a second trend
// with another store; and a run alone.
func history() report.History {
	tagged := func(r *result.Result) {
		r.Run.Tags = map[string]string{"commit": "<b>\u202e\x1b[31m" + strings.Repeat("0123456789", 5)}
	}
	stored := func(r *result.Result) { r.Run.Scenario.Store = "sqlite" }
	return report.NewHistory(
		pointOn(9, 1, func(r *result.Result) { r.Run.Scenario.Users = 300 }),
		pointOn(2, 1, tagged),
		pointOn(1, 1, func(r *result.Result) { r.Run.Tags = map[string]string{"b": "2", "a": "日本"} }),
		pointOn(3, 1.5, nil),
		pointOn(4, 4, func(r *result.Result) {
			for i := range r.Windows {
				r.Windows[i].Lost, r.Windows[i].Delivered = 2, r.Windows[i].Delivered-2
			}
		}),
		pointOn(5, 1.5, func(r *result.Result) { fails(r, "websocket", 0) }),
		pointOn(6, 4, func(r *result.Result) { r.Run.Environment.Cores *= 2 }),
		pointOn(7, 3, func(r *result.Result) { r.Run.Environment.Cores *= 2 }),
		pointOn(7, 1, stored),
		pointOn(8, 1, stored),
	)
}

func TestHistory(t *testing.T) {
	h := history()
	if len(h.Trends) != 2 || len(h.Alone) != 1 {
		t.Fatalf("%d trends and %d runs alone, want 2 and 1", len(h.Trends), len(h.Alone))
	}
	for i, want := range []struct {
		days   []int
		detail string
	}{{[]int{7, 8}, "store sqlite"}, {[]int{1, 2, 3, 4, 5, 6, 7}, "store memory"}} {
		trend := h.Trends[i]
		if want := "chat: 200 users, 2 rounds of 20 s"; trend.Title != want {
			t.Errorf("trend %d is called %q, want %q", i, trend.Title, want)
		}
		if !strings.Contains(trend.Detail, want.detail) || !strings.Contains(trend.Detail, "users 200") {
			t.Errorf("trend %d is distinguished by %q, want %q and the users", i, trend.Detail, want.detail)
		}
		for k, day := range want.days {
			if got := trend.Points[k].Started.Day(); got != day {
				t.Errorf("point %d of trend %d is of day %d, want %d", k, i, got, day)
			}
		}
	}
}

func TestTrendGolden(t *testing.T) {
	h, dir := history(), t.TempDir()
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	charts := files(t, dir, "*.svg")
	if want := []string{
		"trend-2-p50.svg", "trend-2-p99.svg", "trend-2-server-cpu.svg", "trend-p50.svg", "trend-p99.svg", "trend-server-cpu.svg",
	}; strings.Join(charts, " ") != strings.Join(want, " ") {
		t.Fatalf("the charts are %q, want %q", charts, want)
	}
	for _, chart := range charts {
		svg := read(t, filepath.Join(dir, chart))
		report.CheckSVG(t, svg)
		checkPNG(t, filepath.Join(dir, strings.TrimSuffix(chart, ".svg")+".png"))
		golden(t, filepath.Join("trend", chart), svg)
	}
	for _, svg := range report.TrendDrawings(h) {
		report.CheckSVG(t, svg)
	}
	page := read(t, filepath.Join(dir, report.TrendPage))
	checkPage(t, page)
	golden(t, filepath.Join("trend", report.TrendPage), bare(page))
	var table bytes.Buffer
	if err := h.Table(&table, text.Screen{}); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("trend", "table.txt"), table.Bytes())
}

// TestTrendTable checks what the table says about the runs of WebSocket.
func TestTrendTable(t *testing.T) {
	var out, ascii bytes.Buffer
	if err := errors.Join(history().Table(&out, text.Screen{UTF8: true}), history().Table(&ascii, text.Screen{})); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(ascii.Bytes(), func(r rune) bool { return r > unicode.MaxASCII }); i >= 0 {
		t.Errorf("not ASCII: %q", ascii.Bytes()[i:min(ascii.Len(), i+20)])
	}
	_, table, _ := strings.Cut(out.String(), "store memory")
	_, table, _ = strings.Cut(table, "\nwebsocket")
	for line := range strings.Lines(out.String() + ascii.String()) {
		if n := text.Width(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
		if text.Clean(strings.TrimSuffix(line, "\n")) != strings.TrimSuffix(line, "\n") {
			t.Errorf("a line is not plain text: %q", line)
		}
	}
	lines := strings.Split(table, "\n")[2:]
	for i, want := range []string{
		"2026-03-01 12:00  a=日本 b=2 ", // all tags
		"2026-03-02 12:00  <b>",       // the tag commit
		"2026-03-03 12:00  ",
		"2026-03-04 12:00  ",
		"! not to be believed: ",
		"2026-03-05 12:00  ", // not measured
		"! not to be believed: not measured",
		"2026-03-06 12:00  ",
		"! another machine: cores 2 -> 4",
		"2026-03-07 12:00  ",
	} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
	for line, want := range map[int]string{
		1: "", // the same
		2: "+50%",
		3: "", // not to be believed
		5: "",
		7: "",     // another machine
		9: "-25%", // and the next run on it
	} {
		fields := strings.Fields(lines[line])
		if got := fields[len(fields)-2]; want != "" && got != want || want == "" && strings.ContainsAny(got, "%x") {
			t.Errorf("line %d says that CPU changed by %s, want %q: %s", line, got, want, lines[line])
		}
	}
}

// TestTrendFails checks errors of writing, and a history without a trend.
func TestTrendFails(t *testing.T) {
	h := history()
	for what, err := range map[string]error{
		"the table": h.Table(fullDisk{}, text.Screen{}),
		"the page":  h.HTML(fullDisk{}, report.Link{}),
		"a chart":   h.Trends[0].SVG(fullDisk{}, "trend-p99"),
	} {
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := h.Trends[0].PNG(fullDisk{}, "trend-p42"); err == nil || !strings.Contains(err.Error(), "no such chart") {
		t.Errorf("an unknown chart: %v", err)
	}
	if err := report.NewHistory(pointOn(1, 1, nil)).Write(t.TempDir()); err == nil {
		t.Error("no error without a trend")
	}
}
