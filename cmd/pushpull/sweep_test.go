package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

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

// parsedSweep returns the options of a command line, and its command.
func parsedSweep(t *testing.T, args ...string) (*sweepOptions, *cobra.Command) {
	t.Helper()
	opts := &sweepOptions{scenario: scenarioOptions{usual: "chat"}}
	cmd := &cobra.Command{Use: "sweep"}
	opts.addFlags(cmd.Flags())
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return opts, cmd
}

// TestSweepKeepsNoSecrets checks that the password of a store is in no file, and must be given again.
func TestSweepKeepsNoSecrets(t *testing.T) {
	const address = "postgres://me:secret@localhost/chat"
	opts, cmd := parsedSweep(t, "--vary", "users=10,20", "--store", address)
	g, err := opts.plan(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := result.WriteIndex(dir, g.index); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, result.IndexFile))
	if err != nil || strings.Contains(string(data), "secret") || g.store != address {
		t.Errorf("%v, the store is %s, and the index is %s", err, g.store, data)
	}
	opts, cmd = parsedSweep(t, "--continue", dir)
	_, err = opts.again(cmd, nil)
	const want = "the index holds no secrets: give the address of the postgres store with --store again"
	if err == nil || err.Error() != want {
		t.Errorf("without the address: %v, want %s", err, want)
	}
	opts, cmd = parsedSweep(t, "--continue", dir, "--store", address)
	again, err := opts.again(cmd, nil)
	if err != nil || again.store != address || !reflect.DeepEqual(again.index, g.index) {
		t.Errorf("with the address: %v, %+v", err, again)
	}
}

// TestSweepRefusesForeignPoints checks that an index whose points are not its combinations is not measured.
func TestSweepRefusesForeignPoints(t *testing.T) {
	opts, cmd := parsedSweep(t, "--vary", "users=10,20")
	g, err := opts.plan(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string]func(*result.Index){
		"its points are not the combinations of its axes": func(x *result.Index) { x.Points[0].Dir = "elsewhere" },
		"not the index of a sweep: ":                      func(x *result.Index) { x.Axes[0].Values[0] = "many" },
		" holds a choice, not a sweep: ": func(x *result.Index) {
			x.Kind, x.Wanted = result.KindChoice, &result.Wanted{Users: 20, Rate: 1, WithinS: 1, Busy: .6, Processors: 1}
		},
	} {
		dir, index := t.TempDir(), g.index
		index.Axes = []result.Axis{{Key: "users", Values: []string{"10", "20"}}}
		index.Points = slices.Clone(index.Points)
		edit(&index)
		if err := result.WriteIndex(dir, index); err != nil {
			t.Fatal(err)
		}
		opts, cmd := parsedSweep(t, "--continue", dir)
		if _, err := opts.again(cmd, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestSweepAdvises checks that a point that does not fit is named, with advice that the flags of a sweep allow.
func TestSweepAdvises(t *testing.T) {
	const short = "9000 users need 9064 open files and this process may have 1000: use --agents auto --users 8000, or --users 800"
	for vary, want := range map[string]string{
		"users=10,20": "users=10: 9000 users need 9064 open files and this process may have 1000: use --agents auto --vary users up to 8000, or --vary users up to 800",
		"size=64,128": "size=64: " + short,
	} {
		opts, cmd := parsedSweep(t, "--vary", vary)
		g, err := opts.plan(cmd, nil)
		if err != nil {
			t.Fatal(err)
		}
		for code, err := range map[int]error{exitFailed: errors.New(short), exitUsage: usageError(errors.New(short))} {
			if got := g.advise(g.points[0], err); got.Error() != want || exitCode(got) != code {
				t.Errorf("%v with exit code %d, want %s with %d", got, exitCode(got), want, code)
			}
		}
	}
}

// TestSweepPlaces checks which agents and servers the points of a sweep have. Servers that are named stay.
func TestSweepPlaces(t *testing.T) {
	for flags, want := range map[string]struct {
		servers serversOptions
		agents  int
	}{
		"":                           {serversOptions{n: 1}, 0},
		"--agents 2":                 {serversOptions{n: 1}, 2},
		"--agents auto":              {serversOptions{n: 1}, 0}, // one process is enough
		"--servers 3 --spread rooms": {serversOptions{n: 3, by: spreadRooms}, 0},
		"--agents auto --servers 2 --spread rooms": {serversOptions{n: 2, by: spreadRooms}, 0},
		"--agents 2 --heartbeat 30s":               {serversOptions{n: 1, heartbeat: 30 * time.Second}, 2},
	} {
		opts, cmd := parsedSweep(t, append(strings.Fields(flags), "--vary", "users=20,40", "--room-size", "2")...)
		g, err := opts.plan(cmd, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.place(opts.agents); err != nil || len(g.placed) != 2 {
			t.Fatalf("%q: %d points are placed, %v", flags, len(g.placed), err)
		}
		for _, on := range g.placed {
			if on.servers != want.servers || on.agents.number != want.agents {
				t.Errorf("%q places a point on %+v and %d agents, want %+v", flags, on.servers, on.agents.number, want)
			}
		}
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
