//go:build unix

package loadgen

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/store/memory"
)

// A binary is a copy of this test binary that serves, and an other one, which serves likewise.
type binary struct {
	path, other string
	content     []byte
}

func newBinary(t *testing.T) binary {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := binary{filepath.Join(dir, "server"), filepath.Join(dir, "other"), content}
	write(t, b.path, content)
	write(t, b.other, append(bytes.Clone(content), 0)) // the system ignores what follows the program
	return b
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := writeProgram(path, content); err != nil {
		t.Fatal(err)
	}
}

// writeProgram writes a file that can be started at once. A process that another test starts meanwhile
// would have it open for writing for a moment, and the system refuses to start such a file.
func writeProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755)
}

// TestProgram changes the file of a program between two starts.
func TestProgram(t *testing.T) {
	t.Parallel()
	linux := runtime.GOOS == "linux"
	for name, c := range map[string]struct {
		change func(b binary) error
		other  bool // the second server is another program
		gone   bool // there is no second server
	}{
		"left alone": {change: func(binary) error { return nil }},
		"touched": {change: func(b binary) error {
			return os.Chtimes(b.path, time.Time{}, time.Unix(1, 0))
		}},
		"built again": {change: func(b binary) error {
			if err := writeProgram(b.other, b.content); err != nil {
				return err
			}
			return os.Rename(b.other, b.path)
		}},
		"renamed over": {change: func(b binary) error { return os.Rename(b.other, b.path) }, other: !linux},
		"removed":      {change: func(b binary) error { return os.Remove(b.path) }, gone: !linux},
		"overwritten": {change: func(b binary) error {
			return writeProgram(b.path, append(bytes.Clone(b.content), 0))
		}, other: true},
		"a link to another": {change: func(b binary) error {
			if err := os.Remove(b.path); err != nil {
				return err
			}
			return os.Symlink(b.other, b.path)
		}, other: !linux},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBinary(t)
			p := opened(t, b.path)
			if s := started(t, p); s.Other {
				t.Error("the first server is another program")
			}
			if err := c.change(b); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second start may take another path than the first
				if c.gone {
					refused(t, p, b.path)
				} else if s := started(t, p); s.Other != c.other {
					t.Errorf("another program: %t, want %t", s.Other, c.other)
				}
			}
		})
	}
}

func opened(t *testing.T, path string) *Program {
	t.Helper()
	p, err := OpenProgram(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// started starts a server of a program, and stops it.
func started(t *testing.T, p *Program) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), p, command())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return s
}

// refused checks that a program can't be started, and that the error names its file and what to do.
func refused(t *testing.T, p *Program, path string) {
	t.Helper()
	s, err := StartServer(t.Context(), p, command())
	if err == nil {
		s.Stop()
		t.Fatal("it was started")
	}
	if want := path + " was changed or removed since it was first read: leave it alone, "; !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q, want one line with %q", err, want)
	}
}

// TestScript changes a script that serves, and what it runs.
func TestScript(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string // to be completed with the path of the binary
		change func(script string, b binary) error
		other  bool
		gone   bool
	}{
		"left alone": {script: "exec %s \"$@\"", change: func(string, binary) error { return nil }},
		"that changes": {
			script: "exec %s \"$@\"", other: true,
			change: func(script string, b binary) error {
				return writeProgram(script, fmt.Appendf(nil, "#!/bin/sh\n# changed\nexec %s \"$@\"\n", b.path))
			},
		},
		"that is removed": {
			script: "exec %s \"$@\"", gone: true,
			change: func(script string, _ binary) error { return os.Remove(script) },
		},
		"that runs another binary": {
			script: "exec %s \"$@\"", other: runtime.GOOS == "linux", // other systems can't tell
			change: func(_ string, b binary) error { return os.Rename(b.other, b.path) },
		},
		"that stays": { // what it runs can't be seen: see the comment on Program
			script: "%s \"$@\"; exit $?", other: false,
			change: func(_ string, b binary) error { return os.Rename(b.other, b.path) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBinary(t)
			script := filepath.Join(t.TempDir(), "script")
			write(t, script, fmt.Appendf(nil, "#!/bin/sh\n"+c.script+"\n", b.path))
			p := opened(t, script)
			started(t, p)
			if err := c.change(script, b); err != nil {
				t.Fatal(err)
			}
			if c.gone {
				refused(t, p, script)
			} else if s := started(t, p); s.Other != c.other {
				t.Errorf("another program: %t, want %t", s.Other, c.other)
			}
		})
	}
}

// TestOpenProgram opens what is no program.
func TestOpenProgram(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if p, err := OpenProgram(path); err == nil || !strings.HasPrefix(err.Error(), "reading the program: ") || !strings.Contains(err.Error(), path) {
			p.Close()
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// TestOtherProgram overwrites a program in the middle of a run, once its window has ended: the later
// windows are marked, those before are not.
func TestOtherProgram(t *testing.T) {
	b := newBinary(t)
	p := opened(t, b.path)
	s := small
	s.Transports, s.Rounds, s.Warmup, s.Duration = []string{"websocket"}, 3, 0, .1
	var marked []bool
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{{Program: p, Command: command()}}}, func(_ int, w *result.Window) error {
		if marked = append(marked, w.OtherProgram); len(marked) == 1 {
			write(t, b.path, append(bytes.Clone(b.content), 0))
		}
		return nil
	})
	if want := []bool{false, true, true}; err != nil || !slices.Equal(marked, want) {
		t.Errorf("another program in windows: %t, %v; want %t", marked, err, want)
	}
}

// TestOtherTarget measures a running server, which runs another program after the first window.
func TestOtherTarget(t *testing.T) {
	for name, c := range map[string]struct {
		then string // the program after the first window, at first it is "first"
		want []bool
	}{
		"another":          {"second", []bool{false, true, true}},
		"the same":         {"first", []bool{false, false, false}},
		"one that is mute": {"", []bool{false, false, false}}, // as older versions are
	} {
		t.Run(name, func(t *testing.T) {
			var program atomic.Value
			program.Store("first")
			to := foreign(t, &memory.Store{})
			mux := http.NewServeMux()
			mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
			mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("program") != "1" {
					t.Error("the target was not asked for its program")
				}
				fmt.Fprintf(w, `{"process":{"rss_bytes":1,"program":%q}}`, program.Load())
			})
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			s := small
			s.Transports, s.Rounds, s.Warmup, s.Duration = []string{"short-poll@50ms"}, 3, 0, .1
			var marked []bool
			err = Run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}}, func(_ int, w *result.Window) error {
				marked = append(marked, w.OtherProgram)
				program.Store(c.then)
				return nil
			})
			if err != nil || !slices.Equal(marked, c.want) {
				t.Errorf("another program in windows: %t, %v; want %t", marked, err, c.want)
			}
		})
	}
}
