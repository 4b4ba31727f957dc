//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
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
)

// module is the root of the module, relative to this package.
const module = "../.."

// action is the directory of the GitHub action in a checkout.
const action = ".github/actions/latency"

// run runs a command to its end and returns its output, its standard error and its exit code.
func run(t *testing.T, cmd *exec.Cmd) (printed []byte, said string, code int) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "GITHUB_STEP_SUMMARY=") // else a test run in CI would write to the summary of its own step
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("running %s: %v", cmd, err)
	} else if ok {
		code = exit.ExitCode()
	}
	return out.Bytes(), complaint.String(), code
}

// needs skips a test if a program is missing; in CI the test fails instead.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, err)
		}
	}
}

// lacking skips a test that can't run here; in CI the test fails instead.
func lacking(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("PUSHPULL_CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// A latencyScript is .github/actions/latency/duet.sh in a checkout.
type latencyScript struct {
	checkout string
	tmp      string // its TMPDIR, empty again after each run
}

func newLatencyScript(t *testing.T, checkout string) latencyScript {
	t.Helper()
	checkout, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	return latencyScript{checkout, t.TempDir()}
}

// command returns the command that runs the script with its result in out.
func (s latencyScript) command(ctx context.Context, out string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.checkout, action, "duet.sh"), args...)
	cmd.Env = append(os.Environ(), "OUT="+out, "TMPDIR="+s.tmp,
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))
	return cmd
}

// leavesNothing checks that the script has removed its temporary files.
func (s latencyScript) leavesNothing(t *testing.T) {
	t.Helper()
	if left, err := os.ReadDir(s.tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// fewUsers are flags for a duet that is quick, but too small to judge a server by, which is allowed here.
var fewUsers = []string{
	"--", "--transports", "websocket", "--users", "2", "--rate", "20",
	"--warmup", "0s", "--duration", "300ms", "--rounds", "1", "--slices", "1",
	"--allow-missing", "websocket",
}

// reports checks that a duet succeeded and wrote all its files to a directory. On a busy machine the
// generator may have been late, which is no fault of the script.
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
			t.Errorf("%s is missing or empty: %v", name, err)
		}
	}
}

// TestLatencyScript compares this module with a copy of itself. The other cases use trees with a program
// that measures nothing and is built quickly.
func TestLatencyScript(t *testing.T) {
	t.Parallel()
	needs(t, "bash", "git", "tar")
	t.Run("module", func(t *testing.T) {
		t.Parallel()
		here := newLatencyScript(t, module)
		out := filepath.Join(t.TempDir(), "a result")
		_, said, code := run(t, here.command(t.Context(), out, append([]string{copyModule(t)}, fewUsers...)...))
		reports(t, code, said, out)
		here.leavesNothing(t)
	})

	tree := fakeModule(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{
			"-C", tree, "-c", "user.name=test", "-c", "user.email=test@example.com",
		}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		if _, said, code := run(t, cmd); code != 0 {
			t.Fatalf("git %v: %s", args, said)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(tree, "cmd/pushpull", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	git("add", "--force", ".")
	git("commit", "--quiet", "--message", "works")
	git("tag", "works")
	write("broken.go", "package main\n\nfunc broken() int {}\n")
	git("add", ".")
	git("commit", "--quiet", "--message", "broken")
	git("tag", "broken")
	os.Remove(filepath.Join(tree, "cmd/pushpull/broken.go")) // the working tree builds again; only the commit is broken
	write("name.go", "package main\n\nconst name = \"the working tree\"\n")

	measures := func(t *testing.T, base, head string, args ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "result")
		script := newLatencyScript(t, tree)
		printed, said, code := run(t, script.command(t.Context(), out, args...))
		want := fmt.Sprintf("base %s\nhead %s\nout %s\njunit %[3]s/junit.xml\nmarkdown %[3]s/summary.md\n"+
			"benchfmt %[3]s/bench.txt\nbenchmark-action %[3]s/bench.json\nargs [quick 3]\n", base, head, out)
		if string(printed) != want || code != exitRegression || said != "" {
			t.Errorf("exit code %d, %s\n got %s\nwant %s", code, said, printed, want)
		}
		script.leavesNothing(t)
	}
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		measures(t, "the working tree", "the working tree", tree, "--", "quick", "3")
	})
	t.Run("commit", func(t *testing.T) {
		t.Parallel()
		measures(t, "a commit", "the working tree", "works", "--", "quick", "3")
	})
	t.Run("two trees", func(t *testing.T) {
		t.Parallel()
		measures(t, "the working tree", "a commit", tree, "works", "--", "quick", "3")
	})
	t.Run("broken", func(t *testing.T) {
		t.Parallel()
		script := newLatencyScript(t, tree)
		_, said, code := run(t, script.command(t.Context(), t.TempDir(), "works", "broken"))
		if code != exitFailed || !strings.Contains(said, "broken.go:3") {
			t.Errorf("exit code %d: %s", code, said)
		}
		script.leavesNothing(t)
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		script := newLatencyScript(t, tree)
		cmd := script.command(t.Context(), t.TempDir(), tree, "--", "until interrupted")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := bufio.NewScanner(stdout)
		for printed.Scan() && printed.Text() != "measuring" {
		}
		cmd.Process.Signal(syscall.SIGTERM)
		var rest []string
		for printed.Scan() {
			rest = append(rest, printed.Text())
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || !slices.Equal(rest, []string{"interrupted"}) {
			t.Errorf("exit code %d after %q", code, rest)
		}
		script.leavesNothing(t)
	})
	t.Run("wrong use", func(t *testing.T) {
		t.Parallel()
		script := newLatencyScript(t, tree)
		for _, args := range [][]string{
			{}, {"--quick"}, {"no-such-commit"}, {t.TempDir()}, {tree, "--quick"}, {tree, tree, "--quick"},
		} {
			printed, said, code := run(t, script.command(t.Context(), "", args...))
			if code != exitUsage || len(printed) > 0 || !strings.HasPrefix(said, "duet.sh: ") || !strings.Contains(said, "\nusage: duet.sh BASE ") {
				t.Errorf("%q: exit code %d, %s%s", args, code, printed, said)
			}
		}
		script.leavesNothing(t)
	})
}

// fakeModule returns a tree with the script and a cmd/pushpull that only prints its arguments.
func fakeModule(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	script, err := os.ReadFile(filepath.Join(module, action, "duet.sh"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/fake/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":                         "module pushpull\n\ngo 1.26\n",
		"cmd/pushpull/main.go":           string(program),
		"cmd/pushpull/name.go":           "package main\n\nconst name = \"a commit\"\n",
		filepath.Join(action, "duet.sh"): string(script),
	} {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// copyModule returns a copy of the module without its results and its history.
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
		case d.Name() == ".git" || !d.Type().IsRegular(): // in a worktree .git is a file that points to the repository
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

// TestLatencyAction runs the measuring step of the GitHub action with a script that only prints its
// arguments.
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
			t.Errorf("%s is used but not declared", used[0])
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
			t.Errorf("%s: an expression in a script is run as shell code; pass it by env", step.Name)
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
		t.Errorf("%d steps run a script, want one", steps)
	}
}
