//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"pushpull/loadgen/result"
	"pushpull/report/check"
)

// module is the root of the module, as the tests of this package see it.
const module = "../.."

// action is the directory of the GitHub action in a checkout.
const action = ".github/actions/latency"

// TestDuet shows that the check works, on real servers: it passes a server beside itself, and
// fails one that was slowed by a quarter, on what was slowed alone.
//
// A pair is one window of each side: of more windows in fewer pairs a test of ranks would learn
// less. Of a few deliveries p99 is not judged, which both kinds of slowness touch too.
func TestDuet(t *testing.T) {
	pushpull := build(t)
	slowed := func(t *testing.T, how string) string {
		script := filepath.Join(t.TempDir(), "slowed")
		text := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\" %s\n", pushpull, how)
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
		// A message between two users is written three times: to each of them, and that it is stored.
		// To wake up and burn costs some more than what is burnt. Of a message in a hundred the
		// burning is in the way, so p50 has a part in it, of less than the tenth that is allowed.
		burn := cpuPerDelivery(t, pushpull) / 4 / 3
		t.Logf("burning %v a write", burn)
		head := slowed(t, fmt.Sprintf("--debug-burn %v", burn))
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--head", head, "--transports", "websocket", "--rounds", "20", "--min-effect", "10%")
		failed := found.Regressions()
		if len(failed) == 2 && failed[0].Metric == "p50" && failed[0].Detectable > 1.1 {
			// Where others take the processors, so that not even the tenth that is allowed could be
			// seen, what is burnt is missing elsewhere.
			t.Logf("p50 is worse on a busy machine: %v", failed[0])
			failed = failed[1:]
		}
		if code != exitRegression || !slices.Equal(metrics(failed), []string{"server-cpu"}) {
			t.Errorf("exit code %d, regressions %v, want server-cpu alone: %s", code, failed, said)
		}
	})
	t.Run("delay", func(t *testing.T) {
		// A user who asks every 50 ms waits for 25 of them on average.
		head := slowed(t, "--debug-delay 6250us")
		code, found, said := duetOf(t, pushpull, "--base", pushpull, "--head", head, "--transports", "short-poll@50ms", "--rounds", "10")
		if failed := metrics(found.Regressions()); code != exitRegression || !slices.Contains(failed, "p50") {
			t.Errorf("exit code %d, regressions %v, want p50: %s", code, failed, said)
		}
		for _, c := range found.Regressions() {
			if c.P == 1 { // no timing
				t.Errorf("a delay is no %v", c)
			}
		}
	})
}

// duetOf runs a duet of pairs of single windows.
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

// cpuPerDelivery measures what a delivery costs a server that is not slowed.
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

func metrics(comparisons []check.Comparison) (names []string) {
	for _, c := range comparisons {
		names = append(names, c.Metric)
	}
	return names
}

func table(r *check.Report) string {
	var text strings.Builder
	check.Table(&text, r)
	return text.String()
}

// run runs a command to its end, which may be any exit code.
func run(t *testing.T, cmd *exec.Cmd) (printed []byte, said string, code int) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "GITHUB_STEP_SUMMARY=") // that of the step that runs this test
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("running %s: %v", cmd, err)
	} else if ok {
		code = exit.ExitCode()
	}
	return out.Bytes(), complaint.String(), code
}

// needs ends a test that lacks a program, in CI as a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("PUSHPULL_CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// A latencyScript is .github/actions/latency/duet.sh in a checkout.
type latencyScript struct {
	checkout string
	tmp      string // where it keeps what it must remove
}

func newLatencyScript(t *testing.T, checkout string) latencyScript {
	t.Helper()
	checkout, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	return latencyScript{checkout, t.TempDir()}
}

// command runs the script, which puts its result into out.
func (s latencyScript) command(ctx context.Context, out string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.checkout, action, "duet.sh"), args...)
	cmd.Env = append(os.Environ(), "OUT="+out, "TMPDIR="+s.tmp,
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))
	return cmd
}

// leavesNothing checks that the script has removed what it made for itself.
func (s latencyScript) leavesNothing(t *testing.T) {
	t.Helper()
	if left, err := os.ReadDir(s.tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// fewUsers are flags for users so few, in windows so short, that they say nothing of a server.
var fewUsers = []string{
	"--", "--transports", "websocket", "--users", "2", "--rate", "20",
	"--warmup", "0s", "--duration", "300ms", "--rounds", "1", "--slices", "1",
}

// reports checks that a duet ended well and has left all that it should in a directory. That the
// generator was late, on a busy machine, is no fault of the script.
func reports(t *testing.T, code int, said, out string) {
	t.Helper()
	if code != exitFine && !(code == exitDoubtful && disturbed(said)) {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for _, name := range []string{
		"base/result.jsonl", "head/result.jsonl", "report.html", "latency.svg",
		"junit.xml", "summary.md", "bench.txt", "bench.json",
	} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("no %s: %v", name, err)
		}
	}
}

// TestLatencyScript compares this module with a copy of itself, first a directory, then a commit.
func TestLatencyScript(t *testing.T) {
	needs(t, "bash", "git", "tar")
	copied := copyModule(t)
	here, there := newLatencyScript(t, module), newLatencyScript(t, copied)

	t.Run("directory", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "a result")
		_, said, code := run(t, here.command(t.Context(), out, append([]string{copied}, fewUsers...)...))
		reports(t, code, said, out)
		here.leavesNothing(t)
	})

	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{
			"-C", copied, "-c", "user.name=test", "-c", "user.email=test@example.com",
		}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		if _, said, code := run(t, cmd); code != 0 {
			t.Fatalf("git %v: %s", args, said)
		}
	}
	git("init", "--quiet")
	git("add", "--force", ".")
	git("commit", "--quiet", "--message", "works")
	git("tag", "works")
	broken := filepath.Join(copied, "cmd/pushpull/broken.go")
	if err := os.WriteFile(broken, []byte("package main\n\nfunc broken() int {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", broken)
	git("commit", "--quiet", "--message", "broken")
	os.Remove(broken) // and whole again, but for a commit

	t.Run("commit", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "result")
		_, said, code := run(t, there.command(t.Context(), out, append([]string{"works"}, fewUsers...)...))
		reports(t, code, said, out)
		there.leavesNothing(t)
	})
	t.Run("broken", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "result")
		_, said, code := run(t, there.command(t.Context(), out, "works", "HEAD"))
		if code != exitFailed || !strings.Contains(said, "broken.go:3") {
			t.Errorf("exit code %d: %s", code, said)
		}
		there.leavesNothing(t)
	})
	t.Run("interrupted", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "result")
		flags := append(slices.Clone(fewUsers), "--rounds", "1000")
		cmd := there.command(t.Context(), out, append([]string{copied}, flags...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		stopped := make(chan error, 1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { stopped <- cmd.Wait() }()
		for begun := time.Now(); lines(filepath.Join(out, "head", result.File)) < 3; time.Sleep(10 * time.Millisecond) {
			if time.Since(begun) > 2*patience {
				cmd.Process.Kill()
				t.Fatalf("nothing was measured: %v: %s", <-stopped, &said)
			}
		}
		cmd.Process.Signal(syscall.SIGTERM)
		<-stopped
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(said.String(), "interrupted: what was measured of base and head is in "+out) {
			t.Errorf("exit code %d: %s", code, &said)
		}
		there.leavesNothing(t)
	})
	t.Run("wrong use", func(t *testing.T) {
		for _, args := range [][]string{
			{}, {"--quick"}, {"no-such-commit"}, {t.TempDir()}, {copied, "--quick"}, {copied, copied, "--quick"},
		} {
			printed, said, code := run(t, there.command(t.Context(), "", args...))
			if code != exitUsage || len(printed) > 0 || !strings.HasPrefix(said, "duet.sh: ") || !strings.Contains(said, "\nusage: duet.sh BASE ") {
				t.Errorf("%q: exit code %d, %s%s", args, code, printed, said)
			}
		}
		there.leavesNothing(t)
	})
}

// copyModule copies the module's files, without results and the history.
func copyModule(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(module, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || name == "results"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case d.Name() == ".git" || !d.Type().IsRegular(): // a worktree's .git is a file that leads to its repository
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func lines(file string) int {
	data, _ := os.ReadFile(file)
	return bytes.Count(data, []byte("\n"))
}

// TestLatencyAction runs the step of the GitHub action that measures, with a script that only says
// what it is called with.
func TestLatencyAction(t *testing.T) {
	needs(t, "bash")
	source, err := os.ReadFile(filepath.Join(module, action, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Name, Run string
				Env       map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(source, &described); err != nil {
		t.Fatal(err)
	}
	for _, used := range regexp.MustCompile(`inputs\.([a-z-]+)`).FindAllSubmatch(source, -1) {
		if _, ok := described.Inputs[string(used[1])]; !ok {
			t.Errorf("there is no %s", used[0])
		}
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "duet.sh"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, step := range described.Runs.Steps {
		if step.Run == "" {
			continue
		}
		steps++
		if strings.Contains(step.Run, "${{") {
			t.Errorf("%s: an expression in a script is run as a part of it", step.Name)
		}
		for _, c := range []struct{ inputs, flags []string }{
			{nil, nil},
			{
				[]string{"quick=true", "metric=p50,p95", "min-effect=10%", "scenario=a scenario.yaml", "args=--rounds 3 * --slices\n2"},
				[]string{"--rounds", "3", "*", "--slices", "2", "--quick", "--metric=p50,p95", "--min-effect=10%", "--", "a scenario.yaml"},
			},
			{[]string{"scenario=$(false)`false`\"; false '"}, []string{"--", "$(false)`false`\"; false '"}},
		} {
			cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
			cmd.Env = append(os.Environ(), "GITHUB_ACTION_PATH="+dir, "GITHUB_WORKSPACE=/head")
			for name, value := range step.Env {
				input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
				value := described.Inputs[input].Default
				for _, given := range c.inputs {
					if v, ok := strings.CutPrefix(given, input+"="); ok {
						value = v
					}
				}
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			printed, said, code := run(t, cmd)
			want := strings.Join(append([]string{"/head/.latency-base", "/head", "--"}, c.flags...), "\n") + "\n"
			if code != 0 || string(printed) != want {
				t.Errorf("%q: exit code %d: %s\n got %q\nwant %q", c.inputs, code, said, printed, want)
			}
		}
	}
	if steps != 1 {
		t.Errorf("%d steps run something, want one", steps)
	}
}
