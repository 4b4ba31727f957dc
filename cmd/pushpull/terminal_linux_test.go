package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushpull/loadgen/result"
)

// terminal returns the two ends of a new terminal: what its window holds, and what programs write to.
func terminal(t *testing.T) (window, programs *os.File) {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		lacking(t, err)
	}
	t.Cleanup(func() { window.Close() })
	if err := unix.IoctlSetPointerInt(int(window.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(window.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		lacking(t, err)
	}
	t.Cleanup(func() { programs.Close() })
	return window, programs
}

// quick are the arguments of a run of several short windows.
func quick(out string, rounds string) []string {
	return []string{
		"run", "chat", "--users", "4", "--rate", "20", "--warmup", "0s", "--duration", "300ms",
		"--rounds", rounds, "--transports", "websocket", "--out", out, "--junit", filepath.Join(filepath.Dir(out), "junit.xml"),
	}
}

// complete checks that a run in out left a result with so many windows, or more, its report, and JUnit XML.
func complete(t *testing.T, out string, windows int) {
	t.Helper()
	res, err := result.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Windows) < windows {
		t.Errorf("%d windows are kept, want %d", len(res.Windows), windows)
	}
	for _, name := range []string{"run/report.html", "run/latency.svg", "junit.xml"} {
		if info, err := os.Stat(filepath.Join(filepath.Dir(out), name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty: %v", name, err)
		}
	}
}

// code waits for a command and returns its exit code.
func code(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	limit := time.AfterFunc(scriptTimeout, func() { cmd.Process.Kill() })
	defer limit.Stop()
	_ = cmd.Wait() // the exit code is checked
	return cmd.ProcessState.ExitCode()
}

// TestTerminalCloses closes the terminal of a run in the middle: the run is interrupted by SIGHUP, or goes
// on to its end if that is ignored, and leaves everything on the disk.
func TestTerminalCloses(t *testing.T) {
	t.Parallel()
	pushpull := build(t)
	for name, c := range map[string]struct {
		before string
		codes  []int
		rounds int
	}{
		"hung up": {"", []int{exitFailed}, 1},
		"nohup":   {"trap '' HUP; ", []int{exitFine, exitDoubtful}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "run")
			window, programs := terminal(t)
			rounds := "1000"
			if c.rounds > 1 {
				rounds = fmt.Sprint(c.rounds)
			}
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", c.before + `exec "$@"`, "sh", pushpull}, quick(out, rounds)...)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = programs, programs, programs
			cmd.Env = append(os.Environ(), "TERM=xterm", "GITHUB_STEP_SUMMARY=")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			programs.Close()
			shown, seen := bufio.NewReader(window), ""
			for !strings.Contains(seen, "delivered ") || !strings.Contains(seen, "round 2/") {
				some, err := shown.ReadString('\n')
				seen += some
				if err != nil {
					t.Fatalf("%v after %q", err, seen)
				}
			}
			window.Close()
			if got := code(t, cmd); got != c.codes[0] && got != c.codes[len(c.codes)-1] {
				t.Errorf("exit code %d, want one of %v", got, c.codes)
			}
			complete(t, out, c.rounds)
		})
	}
}

// TestNobodyReads doesn't read the output of a run until everything is on the disk. The pipe, which is
// full from the start, must not hold up the run.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	pushpull := build(t)
	out := filepath.Join(t.TempDir(), "run")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	filler := bytes.Repeat([]byte("."), fill(t, w))
	cmd := exec.CommandContext(t.Context(), pushpull, quick(out, "3")...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	// JUnit XML is the last file.
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(out), "junit.xml")); err == nil {
			break
		}
		if time.Since(begun) > scriptTimeout {
			cmd.Process.Kill()
			t.Fatalf("the run waits for a reader")
		}
	}
	complete(t, out, 3)
	printed, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	text, full := bytes.CutPrefix(printed, filler)
	if got := code(t, cmd); got != exitFine && !(got == exitDoubtful && disturbed(string(text))) {
		t.Errorf("exit code %d: %s", got, text)
	}
	if !full || !bytes.HasPrefix(text, []byte("round 1/3 ")) || !bytes.Contains(text, []byte("report.html\n")) {
		t.Errorf("the late reader sees %q", text)
	}
}

// fill fills a pipe and returns how many bytes it holds.
func fill(t *testing.T, w *os.File) (n int) {
	t.Helper()
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		more, err := unix.Write(fd, []byte("."))
		if err != nil {
			break
		}
		n += more
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return n
}
