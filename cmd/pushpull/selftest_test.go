package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"pushpull/loadgen/selftest"
)

// TestSelftestExits checks the exit code of a self-test that agrees, one that differs, and one that fails.
func TestSelftestExits(t *testing.T) {
	figures := []selftest.Figure{{Name: "lost", Known: &selftest.Known{Value: 3}, Measured: 2}}
	for name, c := range map[string]struct {
		lines []selftest.Line
		err   error
		code  int
		says  string
	}{
		"agrees": {
			[]selftest.Line{{Case: "lost", Verdict: selftest.OK}}, nil, exitFine, "",
		},
		"not judged": {
			[]selftest.Line{{Case: "round trip", Figures: figures}}, nil, exitFine, "",
		},
		"differs": {
			[]selftest.Line{{Case: "honest", Verdict: selftest.OK}, {Case: "lost", Verdict: selftest.Differs, Figures: figures}},
			nil, exitDoubtful, "1 of 2 measurements differ ",
		},
		"fails": {
			[]selftest.Line{{Case: "lost", Verdict: selftest.Differs}}, errors.New("no such port"), exitFailed, "no such port",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newSelftestCommand()
			var out strings.Builder
			cmd.SetOut(&out)
			cmd.SetErr(io.Discard)
			opts := selftestOptions{run: func(_ context.Context, _ selftest.Options, emit func(selftest.Line)) error {
				for _, l := range c.lines {
					emit(l)
				}
				return c.err
			}}
			err := runSelftest(t.Context(), cmd, opts, nil)
			if got := exitCode(err); got != c.code || err != nil && !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("exit code %d and %v, want %d and %q", got, err, c.code, c.says)
			}
			if n := strings.Count(out.String(), "\n"); n != len(c.lines)+1 {
				t.Errorf("%d lines, want %d and a header:\n%s", n, len(c.lines), out.String())
			}
			if name == "differs" && !strings.Contains(out.String(), "differs  3 lost ") {
				t.Errorf("the figure that differs is missing:\n%s", out.String())
			}
		})
	}
}

// A self-test that fails prints what it has measured as JSON, too.
func TestSelftestFailsWithJSON(t *testing.T) {
	for lines, want := range map[int]int{0: 0, 2: 1} { // objects
		cmd := newSelftestCommand()
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(io.Discard)
		opts := selftestOptions{printJSON: true, run: func(_ context.Context, _ selftest.Options, emit func(selftest.Line)) error {
			for range lines {
				emit(selftest.Line{Case: "lost", Verdict: selftest.OK})
			}
			return errors.New("no such port")
		}}
		if err := runSelftest(t.Context(), cmd, opts, nil); exitCode(err) != exitFailed {
			t.Errorf("exit code %d, want %d", exitCode(err), exitFailed)
		}
		if got := strings.Count(out.String(), `"schema"`); got != want || strings.Count(out.String(), `"lost"`) != lines {
			t.Errorf("%d lines: %q", lines, out.String())
		}
	}
}
