package loadgen

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startScript starts a shell script as a foreign server.
func startScript(t *testing.T, text string) (*Server, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "start.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := OpenProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(program.Close)
	return startServer(t.Context(), program, nil, []string{path}, nil, true)
}

// lives reports whether a process runs. One that has ended stays known until its parent asks for it.
func lives(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// TestStopForeign stops scripts that started children: those that end at once, and some that ignore SIGTERM. None of
// them is left.
func TestStopForeign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		killed bool
	}{
		"that end":                 {"sleep 1000 & echo $! >$CHILD; echo listening on http://127.0.0.1:1; wait", false},
		"that is replaced":         {"sleep 1000 & echo $! >$CHILD; echo listening on http://127.0.0.1:1; exec sleep 1000", false},
		"whose child ignores it":   {"(trap '' TERM; sleep 1000 & echo $! >$CHILD; wait) & sleep .3; echo listening on http://127.0.0.1:1; wait", false},
		"that ignores it, as both": {"trap '' TERM; sleep 1000 & echo $! >$CHILD; echo listening on http://127.0.0.1:1; wait", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			note := filepath.Join(t.TempDir(), "child")
			server, err := startScript(t, "CHILD="+note+"\n"+c.script)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(note)
			if err != nil {
				t.Fatal(err)
			}
			child, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil || !lives(child) {
				t.Fatal(child, err)
			}
			err = server.Stop()
			if (err != nil) != c.killed || err != nil && !strings.Contains(err.Error(), "after SIGTERM, and was killed") {
				t.Errorf("stopping it: %v", err)
			}
			for end := time.Now().Add(5 * time.Second); lives(child) || lives(server.PID); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("a process is left")
				}
			}
		})
	}
}

// TestStartForeign starts scripts that don't serve. Their children are not left behind either.
func TestStartForeign(t *testing.T) {
	t.Parallel()
	note := filepath.Join(t.TempDir(), "child")
	if _, err := startScript(t, "sleep 1000 & echo $! >"+note+"; echo hello; wait"); err == nil || !strings.Contains(err.Error(), `it printed "hello\n" instead of its address`) {
		t.Errorf("%v", err)
	}
	data, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	for end := time.Now().Add(5 * time.Second); lives(child); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a child is left")
		}
	}
	if _, err := startScript(t, "echo no such port >&2; exit 3"); err == nil || !strings.HasSuffix(err.Error(), "it ended before it printed its address: no such port") {
		t.Errorf("%v", err)
	}
}

// TestOrphan kills the process that has started a foreign server, which gets SIGTERM then.
func TestOrphan(t *testing.T) {
	t.Parallel()
	note := filepath.Join(t.TempDir(), "pid")
	parent, err := startScript(t, "exec "+os.Args[0]+" orphan "+note)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Stop()
	data, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	server, err := strconv.Atoi(string(data))
	if err != nil || !lives(server) {
		t.Fatal(server, err)
	}
	_ = syscall.Kill(parent.PID, syscall.SIGKILL)
	for end := time.Now().Add(5 * time.Second); lives(server); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			_ = syscall.Kill(server, syscall.SIGKILL)
			t.Fatal("the server outlives the process that has started it")
		}
	}
}
