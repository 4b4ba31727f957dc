package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/loadgen/result"
)

// same-sweep A B compares two sweeps: their indexes but for time and command, and the windows of their points but
// for what was measured. All that the plan of a window determines must be the same.
func cmdSameSweep(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] same-sweep A B")
	}
	differs := func() string {
		var seen [2]string
		for i, dir := range args {
			dir = ts.MkAbs(dir)
			index, err := result.ReadIndex(dir)
			ts.Check(err)
			index.Started, index.Command = time.Time{}, ""
			seen[i] = fmt.Sprintf("%+v", index)
			for _, p := range index.Points {
				res, err := result.Open(filepath.Join(dir, p.Dir))
				if err != nil {
					return err.Error()
				}
				var windows []string
				for _, w := range res.Windows {
					windows = append(windows, fmt.Sprint(w.Transport, w.Round, w.Users, w.Servers, w.Planned, w.Expected, w.Interrupted, w.Failed))
				}
				slices.Sort(windows)
				seen[i] += fmt.Sprintf("\n%+v %v", res.Run.Scenario, windows)
			}
		}
		if seen[0] != seen[1] {
			return fmt.Sprintf("%s has\n%s\n%s has\n%s", args[0], seen[0], args[1], seen[1])
		}
		return ""
	}()
	switch {
	case neg && differs == "":
		ts.Fatalf("%s and %s are the same", args[0], args[1])
	case !neg && differs != "":
		ts.Fatalf("%s", differs)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "1 s",
		45 * time.Second:        "45 s",
		119 * time.Second:       "119 s",
		2 * time.Minute:         "2 min",
		59*time.Minute + 40e9:   "1 h 0 min",
		3*time.Hour + 20*60*1e9: "3 h 20 min",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
