//go:build timed && unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/text"
)

// The tests of this file judge times that they measure, so nothing else may run beside them: see make
// timed.

// TestTimedScripts compares measurements on a quiet machine with known values.
func TestTimedScripts(t *testing.T) {
	runScripts(t, testscript.Params{Dir: "testdata/timed"})
}

// TestTimedDuet checks the verdicts on real servers: a server compared with itself passes, and a server
// slowed by a quarter fails, only in the metric that was slowed. A server that starves the generator is
// found by the windows that it spoils.
//
// A pair is one window of each side, as a rank test learns more from many pairs than from long ones. p99,
// which both kinds of slowness affect, is not judged: the deliveries are too few.
func TestTimedDuet(t *testing.T) {
	pushpull := build(t)
	slowed := func(t *testing.T, environment, how string) string {
		script := filepath.Join(t.TempDir(), "slowed")
		text := fmt.Sprintf("#!/bin/sh\n%s exec %q \"$@\" %s\n", environment, pushpull, how)
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return script
	}

	t.Run("itself", func(t *testing.T) {
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--transports", "websocket", "--rounds", "12")
		if failed := found.Regressions(); len(failed) > 0 || code != exitFine && !(code == exitDoubtful && disturbed(said)) {
			t.Errorf("exit code %d, regressions %v: %s", code, failed, said)
		}
	})
	t.Run("burn", func(t *testing.T) {
		// A message between two users takes three writes: one to each user, and the acknowledgement.
		// Waking up to burn costs some CPU on top. The burning delays one message in a hundred, so p50
		// rises slightly, by less than the allowed tenth.
		burn := cpuPerDelivery(t, pushpull) / 4 / 3
		t.Logf("burning %v a write", burn)
		head := slowed(t, "", fmt.Sprintf("--debug-burn %v", burn))
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--head", head, "--transports", "websocket", "--rounds", "20", "--min-effect", "10%")
		failed := found.Regressions()
		if len(failed) == 2 && failed[0].Metric == "p50" && failed[0].Detectable > 1.1 {
			// Other processes use the processors, so that not even the allowed tenth could be detected:
			// then the burnt CPU time delays messages.
			t.Logf("p50 is worse on a busy machine: %v", failed[0])
			failed = failed[1:]
		}
		if code != exitRegression || !slices.Equal(metrics(failed), []string{"server-cpu"}) {
			t.Errorf("exit code %d, regressions %v, want server-cpu alone: %s", code, failed, said)
		}
	})
	t.Run("delay", func(t *testing.T) {
		// A poll every 50 ms adds 25 ms to a latency on average; the delay is a quarter of that.
		head := slowed(t, "", "--debug-delay 6250us")
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--head", head, "--transports", "short-poll@50ms", "--rounds", "10")
		if code != exitRegression {
			t.Errorf("exit code %d: %s", code, said)
		}
		delayed(t, found)
	})
	t.Run("starve", func(t *testing.T) {
		// Each write wastes three times the CPU time that there is, in more threads than the scheduler lets
		// the generator pass. So the generator is late, in windows of head alone.
		cores := runtime.NumCPU()
		head := slowed(t, fmt.Sprintf("GOMAXPROCS=%d", 12*cores), fmt.Sprintf("--debug-burn %v", time.Duration(cores)*1500*time.Microsecond))
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--head", head, "--transports", "websocket", "--rounds", "10")
		if failed := metrics(found.Regressions()); code != exitRegression || !slices.Contains(failed, "late-windows") {
			t.Errorf("exit code %d, regressions %v, want late-windows among them: %s", code, failed, said)
		}
	})
}

// duetOf runs a duet in pairs of one window of each side.
func duetOf(t *testing.T, pushpull string, args ...string) (code int, found *check.Report, said string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "duet")
	cmd := exec.CommandContext(t.Context(), pushpull, append([]string{"duet", "--slices", "1", "--quiet", "--json", "--out", out}, args...)...)
	begun := time.Now()
	printed, said, code := run(t, cmd)
	t.Logf("%v: exit code %d: %s", time.Since(begun).Round(time.Second), code, said)
	found = &check.Report{}
	if err := json.Unmarshal(printed, found); err != nil {
		t.Fatalf("exit code %d and %q: %v: %s", code, printed, err, said)
	}
	t.Logf("\n%s", table(found))
	return code, found, said
}

// cpuPerDelivery measures the CPU time of a delivery on a server that is not slowed.
func cpuPerDelivery(t *testing.T, pushpull string) time.Duration {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), pushpull, "run", "duet", "--transports", "websocket", "--rounds", "6",
		"--quiet", "--json", "--out", filepath.Join(t.TempDir(), "run"))
	printed, said, _ := run(t, cmd)
	var measured struct{ Transports []result.Row }
	if err := json.Unmarshal(printed, &measured); err != nil || len(measured.Transports) != 1 || measured.Transports[0].Server == nil {
		t.Fatalf("measuring the server: %q, %v: %s", printed, err, said)
	}
	return time.Duration(measured.Transports[0].Server.CPUMicrosPerDelivery * float64(time.Microsecond))
}

// delayed checks that a server that delays its writes is worse in p50, and otherwise only in timings.
func delayed(t *testing.T, found *check.Report) {
	t.Helper()
	failed := found.Regressions()
	if !slices.Contains(metrics(failed), "p50") {
		t.Errorf("regressions %v, want p50\n%s", failed, table(found))
	}
	for _, c := range failed {
		if c.P == 1 { // not a timing
			t.Errorf("a delay must not cause %v", c)
		}
	}
}

func metrics(comparisons []check.Comparison) (names []string) {
	for _, c := range comparisons {
		names = append(names, c.Metric)
	}
	return names
}

func table(r *check.Report) string {
	var words strings.Builder
	check.Table(&words, text.Screen{}, r)
	return words.String()
}
