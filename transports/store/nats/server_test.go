package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pushpull/transports/store/nats"
)

// serverFor is the environment variable of the server's process. It holds the port and directory.
const serverFor = "PUSHPULL_NATS_TEST_SERVER"

// serveMain runs the server in a process of its own, until standard input ends.
func serveMain(job string) error {
	port, dir, _ := strings.Cut(job, " ")
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	url, stop, err := nats.Serve(dir, number)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println(url)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A server is a process of its own, so that it can be killed.
type server struct {
	dir, url string
	process  *exec.Cmd
	input    io.Closer
}

// start starts the server, on its old port if it had one.
func (s *server) start() error {
	port := "-1"
	if s.url != "" {
		port = s.url[strings.LastIndex(s.url, ":")+1:]
	}
	s.process = exec.Command(os.Args[0])
	s.process.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", serverFor, port, s.dir))
	s.process.Stderr = os.Stderr
	input, err := s.process.StdinPipe()
	if err != nil {
		return err
	}
	s.input = input
	output, err := s.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return fmt.Errorf("reading the server's URL from %q: %w", line, err)
	}
	s.url = strings.TrimSpace(line)
	return nil
}

// kill kills the server, as a crash would.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = s.input.Close()
}

// breakIt kills the server; mend starts it again on the same port and files.
func (s *server) breakIt(t *testing.T) (mend func()) {
	s.kill()
	return func() {
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
}

// rewind copies the files of the server; back restores them, as after a loss of power.
func (s *server) rewind(t *testing.T, _ string) (back func()) {
	mend := s.breakIt(t)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	mend()
	return func() {
		mend := s.breakIt(t)
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(s.dir, os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
		mend()
	}
}

func newServer(t testing.TB) *server {
	s := &server{dir: t.TempDir()}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

var streams atomic.Int64

// address returns the address of a new stream.
func (s *server) address(*testing.T) string {
	return fmt.Sprint(s.url, "?stream=test-", streams.Add(1))
}

func (s *server) jetstream(t testing.TB, do func(context.Context, jetstream.JetStream)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the context of t may have ended
	defer cancel()
	conn, err := client.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	do(ctx, js)
}

// edit changes the configuration of a stream, as an administrator could.
func (s *server) edit(t testing.TB, address string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	_, name, named := strings.Cut(address, "?stream=")
	if !named {
		name = nats.DefaultStream
	}
	s.jetstream(t, func(ctx context.Context, js jetstream.JetStream) {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		change(&c)
		if _, err := js.UpdateStream(ctx, c); err != nil {
			t.Fatal(err)
		}
	})
}
