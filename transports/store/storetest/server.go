package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// A Server is the real server behind a store. It is for one goroutine at a time.
type Server struct {
	URL string // the address of a store on it

	t       testing.TB
	program program
	user    *user // whom it runs as; nil: as the test
	command []string
	dir     string

	running *os.Process   // nil: it is not ours, or has been killed
	exited  chan struct{} // closed once it and all its children are gone
	output  *bytes.Buffer // what it has said, for who has seen it exit
}

// A program is a server that a test can start.
type program struct {
	name     string // of the executable
	folders  string // pattern of the folders where it may be if it is not in $PATH, the newest last; "": none
	install  string // the Debian package that it comes with
	variable string // of the environment: the URL of a server that runs already, and is used instead

	url     func(port int) string
	prepare func(executable, dir string) []string           // a command to run once before; nil: none
	command func(executable, dir string, port int) []string // the server, on loopback and in the foreground
	ready   func(ctx context.Context, url string) error     // nil once it answers

	unprivileged bool // it refuses to be run by root
}

// serve returns the server that the environment names, or starts one on a free port, in a
// directory of its own, and stops it when the test ends. Where the program is not installed the
// test is skipped, and fails in CI.
func (p program) serve(t testing.TB) *Server {
	t.Helper()
	if url := os.Getenv(p.variable); url != "" {
		return &Server{URL: url, t: t, program: p}
	}
	executable := p.find()
	if executable == "" {
		missing := fmt.Sprintf("no %s here: apt-get install %s, or set %s", p.name, p.install, p.variable)
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
	return slices.MaxFunc(found, func(a, b string) int { // version 9 is older than version 15
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// install makes the server's directory and starts it there for the first time.
func (s *Server) install(executable string) error {
	if s.program.unprivileged {
		var err error
		if s.user, err = unprivileged(); err != nil {
			return err
		}
	}
	// Not T.TempDir: another user than the test's may not enter the directory above that one.
	dir, err := os.MkdirTemp("", "pushpull-"+s.program.name+"-")
	if err != nil {
		return err
	}
	s.t.Cleanup(func() {
		s.stop() // the files go once nobody writes them
		if err := os.RemoveAll(dir); err != nil {
			s.t.Errorf("removing the files of %s: %v", s.program.name, err)
		}
	})
	s.dir = dir
	if err := s.user.own(dir); err != nil {
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
		// Between asking for a free port and using it somebody else may have taken it.
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

// Ours says whether the test has started the server, and so may kill it.
func (s *Server) Ours() bool { return s.command != nil }

// Kill ends the server without giving it a chance to tidy up, and returns once it is gone.
func (s *Server) Kill() {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatalf("%s can't be killed: it is not ours, or is dead already", s.program.name)
	}
	s.kill()
}

func (s *Server) kill() {
	s.running.Kill()
	<-s.exited
	s.running = nil
}

// Start starts a server that was killed, on the same port and with what it has kept. It returns
// once the server answers.
func (s *Server) Start() {
	s.t.Helper()
	if !s.Ours() || s.running != nil {
		s.t.Fatalf("%s can't be started: it is not ours, or runs already", s.program.name)
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
	cmd.WaitDelay = patience
	exited, started := s.exited, make(chan error, 1)
	go func() {
		defer close(exited)
		// The server ends when the thread ends that has started it, so this one waits for it.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// It ends only once the children, too, have let go of the output: none of them
			// answers any more, and none of them is in the way of the next start.
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.running = cmd.Process

	deadline := time.After(2 * patience)
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
		return fmt.Errorf("%q doesn't answer: %w: %s", s.command, err, s.output)
	}
}

// stop ends the server in its own way, so that it leaves nothing behind.
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
	case <-time.After(patience):
		s.kill()
	}
}
