package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// screens are the screens of the goldens, by the end of their names.
func screens() map[string]text.Screen {
	return map[string]text.Screen{
		"40":        {Columns: 40, UTF8: true},
		"60-ascii":  {Columns: 60},
		"80-ascii":  {},
		"80-colour": {UTF8: true, Colour: true},
		"120":       {Columns: 120, UTF8: true},
	}
}

// failed returns a run in which a transport could not be measured at all, and another not in one round.
func failed() report.Run {
	res := synthetic("", 1, four...).Result
	fails(res, "websocket", 0)
	fails(res, "long-poll", 2)
	return report.NewRun("", res)
}

// TestScreens draws tables on screens of all kinds.
func TestScreens(t *testing.T) {
	all := cases()
	all["failed"] = []report.Run{failed()}
	for _, name := range []string{"chat", "one-transport", "two-engines", "stores", "lost", "failed", "hostile"} {
		for kind, on := range screens() {
			t.Run(name+"-"+kind, func(t *testing.T) {
				var out bytes.Buffer
				if err := report.Table(&out, on, all[name]...); err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("screens", name+"-"+kind+".txt"), out.Bytes())
			})
		}
	}
}

var inks = regexp.MustCompile("\x1b\\[[0-9]+m")

// TestNothingWraps looks for lines that a screen would wrap, or could not show, in the tables of all
// results of the project and of all cases.
func TestNothingWraps(t *testing.T) {
	all := cases()
	paths, err := filepath.Glob("../results/*/result.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "../testdata/results/chat") {
		res, err := result.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = []report.Run{report.NewRun("", res)}
	}
	all["failed"] = []report.Run{failed()}
	for name, runs := range all {
		for _, columns := range []int{40, 60, 80, 120} {
			for _, on := range []text.Screen{{Columns: columns}, {Columns: columns, UTF8: true, Colour: true}} {
				var out bytes.Buffer
				if err := errors.Join(report.Table(&out, on, runs...), report.Details(&out, on, runs...)); err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(out.String(), "\n")
				lines = append(lines, report.Live(on, 0, runs[0].Run.Scenario.Transports[0], runs...)...)
				for _, line := range lines {
					bare := inks.ReplaceAllString(line, "")
					if width := text.Width(bare); width > columns {
						t.Errorf("%s: a line of %d columns on a screen of %d: %q", name, width, columns, line)
					}
					if bare != line && !on.Colour || text.Clean(bare) != bare {
						t.Errorf("%s: %q is not plain text", name, line)
					}
					if !on.UTF8 && strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
						t.Errorf("%s: %q is not ASCII", name, line)
					}
				}
			}
		}
	}
}

// TestLive draws the table of a run of which some windows have ended.
func TestLive(t *testing.T) {
	run := synthetic("", 1, four...)
	run.Windows = run.Windows[:2]
	run.Rows = run.Result.Rows()
	on := text.Screen{Columns: 79, UTF8: true}
	lines := report.Live(on, 0, "long-poll", run)
	golden(t, filepath.Join("screens", "live.txt"), []byte(strings.Join(lines, "\n")+"\n"))
	if n := len(report.Live(on, 0, "", run, synthetic("b", 1, webSocket))); n != 3+4+4+1 {
		t.Errorf("two runs take %d lines", n)
	}
	if !strings.Contains(fmt.Sprint(lines), "long-poll<") {
		t.Errorf("the transport under way is not marked: %q", lines)
	}
}
