package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"pushpull/transports/scratch"
)

const (
	startTimeout = time.Minute      // how long a server may take until it answers
	exitTimeout  = 30 * time.Second // how long it may take to stop
)

// A Server is the real server behind a store. It is for one goroutine at a time.
type Server struct {
	URL string // the address of a store on it

	t       testing.TB
	program program
	user    *user // the user it runs as; nil: that of the test
	command []string
	dir     string

	running *os.Process   // nil: the test did not start it, or has killed it
	exited  chan struct{} // closed once it and all its children have exited
	output  *bytes.Buffer // may be read once exited is closed
}

// A program is a server that a test can start.
type program struct {
	name     string // of the executable
	folders  string // pattern of the folders to search if it is not in $PATH; "": none
	install  string // its Debian package
	variable string // the environment variable with the URL of a running server to use instead

	url     func(port int) string
	prepare func(executable, dir string) []string           // a command to run once before the first start; nil: none
	command func(executable, dir string, port int) []string // the server, on loopback and in the foreground
	ready   func(ctx context.Context, url string) error     // returns nil once the server answers

	unprivileged bool // it refuses to run as root
}

// serve returns the server that the environment names, or starts one on a free port in a new
// directory and stops it when the test ends. If the program is not installed, the test is skipped;
// in CI it fails.
func (p program) serve(t testing.TB) *Server {
	t.Helper()
	if url := os.Getenv(p.variable); url != "" {
		return &Server{URL: url, t: t, program: p}
	}
	executable := p.find()
	if executable == "" {
		missing := fmt.Sprintf("%s is not installed: run apt-get install %s, or set %s", p.name, p.install, p.variable)
		if os.Getenv("PUSHPULL_CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	s := &Server{t: t, program: p}
	t.Cleanup(s.stop)
	if err := s.install(executable); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	return s
}

func (p program) find() string {
	if path, err := exec.LookPath(p.name); err == nil {
		return path
	}
	if p.folders == "" {
		return ""
	}
	found, _ := filepath.Glob(filepath.Join(p.folders, p.name))
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { // the newest: a longer path has a higher version
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// install creates the server's directory and starts the server in it.
func (s *Server) install(executable string) error {
	if s.program.unprivileged {
		var err error
		if s.user, err = unprivileged(); err != nil {
			return err
		}
	}
	// Not T.TempDir: its parent can't be entered by another user, and a killed test would leave it behind.
	made, err := scratch.Make("pushpull-" + s.program.name)
	if err != nil {
		return err
	}
	s.t.Cleanup(func() {
		s.stop() // before its files are removed
		if err := made.Remove(); err != nil {
			s.t.Errorf("removing the files of %s: %v", s.program.name, err)
		}
	})
	dir := made.Path
	s.dir = dir
	if err := errors.Join(made.Share(), s.user.own(dir)); err != nil {
		return err
	}
	if s.program.prepare != nil {
		command := s.program.prepare(executable, dir)
		cmd := exec.CommandContext(s.t.Context(), command[0], command[1:]...)
		cmd.Dir, cmd.SysProcAttr = dir, s.user.attributes()
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("running %q: %w: %s", command, err, output)
		}
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.URL, s.command = s.program.url(port), s.program.command(executable, dir, port)
		// Another process may have taken the port meanwhile.
		if err = s.start(); err == nil || attempt == 3 {
			return err
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Ours reports whether the test has started the server, and so may kill it.
func (s *Server) Ours() bool { return s.command != nil }

// Kill kills the server, as a crash would, and returns once it has exited.
func (s *Server) Kill() {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatalf("%s can't be killed: the test did not start it, or has killed it already", s.program.name)
	}
	s.kill()
}

func (s *Server) kill() {
	s.running.Kill()
	<-s.exited
	s.running = nil
}

// Start starts a killed server again, on the same port and files. It returns once the server
// answers.
func (s *Server) Start() {
	s.t.Helper()
	if !s.Ours() || s.running != nil {
		s.t.Fatalf("%s can't be started: it runs already, or the test did not start it", s.program.name)
	}
	if err := s.start(); err != nil {
		s.t.Fatalf("starting %s again: %v", s.program.name, err)
	}
}

func (s *Server) start() error {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	s.output, s.exited = new(bytes.Buffer), make(chan struct{})
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.output, s.output
	cmd.SysProcAttr = s.user.attributes()
	cmd.WaitDelay = exitTimeout
	exited, started := s.exited, make(chan error, 1)
	go func() {
		defer close(exited)
		// Pdeathsig kills the server when the thread that started it ends, so the thread is kept.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// Wait returns once the server's children have closed the output too, so that none of
			// them still answers or holds the port at the next start.
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.running = cmd.Process

	deadline := time.After(startTimeout)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := s.program.ready(ctx, s.URL)
		cancel()
		if err == nil {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-exited:
			s.running = nil
		case <-deadline:
			s.kill()
		}
		tick.Stop()
		return fmt.Errorf("waiting for %q to answer: %w: %s", s.command, err, s.output)
	}
}

// stop lets the server shut down by itself, so that it leaves nothing behind.
func (s *Server) stop() {
	if s.running == nil {
		return
	}
	if err := s.running.Signal(os.Interrupt); err != nil {
		s.kill()
		return
	}
	select {
	case <-s.exited:
		s.running = nil
	case <-time.After(exitTimeout):
		s.kill()
	}
}
