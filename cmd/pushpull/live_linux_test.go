package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
)

// A view is what a terminal shows: it knows the sequences of package main.
type view struct {
	rows   []string
	at     int // row of the cursor
	column int
	wide   int // columns; longer lines are wrapped
}

// part matches a control sequence or a character.
var part = regexp.MustCompile(`\x1b\[([0-9]*)([A-Za-z])|(?s:.)`)

func (v *view) print(s string) {
	for _, m := range part.FindAllStringSubmatch(s, -1) {
		n, _ := strconv.Atoi(m[1])
		switch {
		case m[2] == "A":
			v.at -= n
		case m[2] == "K":
			v.rows[v.at] = v.rows[v.at][:v.column]
		case m[2] == "J":
			v.rows = v.rows[:v.at+1]
			v.rows[v.at] = v.rows[v.at][:v.column]
		case m[2] != "": // colours
		case m[0] == "\r":
			v.column = 0
		case m[0] == "\n":
			v.at++
		default:
			if v.column == v.wide {
				v.at, v.column = v.at+1, 0
			}
			v.grow()
			row := v.rows[v.at] + strings.Repeat(" ", max(0, v.column-len(v.rows[v.at])))
			v.rows[v.at] = row[:v.column] + m[0] + row[min(len(row), v.column+1):]
			v.column++
		}
		v.grow()
	}
}

func (v *view) grow() {
	for len(v.rows) <= v.at {
		v.rows = append(v.rows, "")
	}
}

// narrow changes the width, and wraps the rows as most terminals do. The cursor stands behind the last one.
func (v *view) narrow(wide int) {
	var rows []string
	for _, row := range v.rows {
		for len(row) > wide {
			rows = append(rows, row[:wide])
			row = row[wide:]
		}
		rows = append(rows, row)
	}
	v.rows, v.wide = rows, wide
	v.at = len(rows) - 1
	v.column = len(rows[v.at])
}

// TestLiveView draws the progress of a run on terminals of several sizes, one of which becomes narrower. Each
// shows the table as far as there is room, and nothing is left of it in the end.
func TestLiveView(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("LC_ALL", "C")
	for _, c := range []struct {
		columns, rows, then int
		table               bool
	}{
		{120, 24, 0, true},
		{80, 24, 0, true},
		{60, 24, 0, true},
		{40, 24, 0, true},
		{100, 24, 50, true},
		{80, 6, 0, false},
		{12, 24, 0, true},
	} {
		name := fmt.Sprintf("%dx%d to %d", c.columns, c.rows, c.then)
		screen, programs := terminal(t)
		resize := func(columns int) {
			size := &unix.Winsize{Col: uint16(columns), Row: uint16(c.rows)}
			if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, size); err != nil {
				t.Fatal(err)
			}
		}
		resize(c.columns)
		window := bufio.NewReader(screen)
		_, stderr := newStreams(programs, programs)
		seen := &view{rows: []string{""}, wide: c.columns}
		look := func() {
			if err := stderr.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			seen.print(printedOn(t, window, programs))
		}
		show := newProgress(stderr, false, false, colourAuto)
		res := &result.Result{Run: result.Run{Scenario: result.Scenario{Transports: []string{"short-poll@5s", "long-poll", "websocket"}}}}
		follow := func() []report.Run { return []report.Run{{Result: res, Rows: res.Rows()}} }
		show.runs = follow()
		fmt.Fprintln(stderr, "before")
		now := loadgen.Progress{
			Transport: "long-poll", Round: 1, Rounds: 2, Window: 1, Windows: 6, Phase: "measuring",
			Users: 20, Joined: 20, Planned: 11, Sent: 4, Delivered: 3, Left: 31 * time.Second,
		}
		show.update(now)
		look()
		w := &result.Window{Transport: "long-poll", Round: 1, Users: 20, DurationS: 1, Sent: 9, Expected: 9, Delivered: 9, Latency: result.NewHistogram()}
		w.Latency.Record(3 * time.Millisecond)
		if err := w.Settle(); err != nil {
			t.Fatal(err)
		}
		res.Windows = append(res.Windows, *w)
		show.window(now, w, follow())
		now.Transport = "websocket"
		if c.then > 0 {
			resize(c.then)
			seen.narrow(c.then)
		}
		show.update(now)
		show.update(now)
		look()
		all := strings.Join(seen.rows, "\n")
		for _, want := range []struct {
			pattern string
			shown   bool
		}{
			{`^before\n`, true},
			{`(?m)^transport +within`, c.table && c.columns > 20},
			{`(?m)^long-poll +3\.00 ms`, c.table && c.columns > 20},
			{`(?m)^websocket< +-`, c.table && c.columns > 20},
			{`long-poll<`, false},
			{`0:31`, true},
		} {
			if got := regexp.MustCompile(want.pattern).MatchString(all); got != want.shown {
				t.Errorf("%s: %s matches: %t:\n%s", name, want.pattern, got, all)
			}
		}
		if strings.Count(all, "0:31") > 1 {
			t.Errorf("%s: two states are shown:\n%s", name, all)
		}
		w.Failed = "joining: refused"
		show.window(now, w, follow())
		show.update(now)
		show.stopping()
		show.update(now)
		show.end()
		fmt.Fprintln(stderr, "after")
		look()
		want := []string{"before", heading(now) + "  not measured: joining: refused", "stopping, what was measured is kept; Ctrl-C once more ends at once", "after", ""}
		if got := unwrapped(seen); !slices.Equal(got, want) {
			t.Errorf("%s: the end is %q, want %q", name, got, want)
		}
	}
}

// unwrapped returns the lines of a view, without the wrapping of what is printed in one line.
func unwrapped(v *view) (lines []string) {
	joined := false
	for _, row := range v.rows {
		if joined {
			lines[len(lines)-1] += row
		} else {
			lines = append(lines, row)
		}
		joined = len(row) == v.wide
	}
	return lines
}

// printedOn returns what has been printed on a terminal since the last call. It marks the end, as a terminal
// hands over what programs have written some time later.
func printedOn(t *testing.T, screen *bufio.Reader, programs *os.File) string {
	t.Helper()
	const end = '\x00'
	if _, err := programs.Write([]byte{end}); err != nil {
		t.Fatal(err)
	}
	printed, err := screen.ReadString(end)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(printed, string(end))
}
