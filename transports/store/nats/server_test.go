package nats_test

import (
	"bufio"
	"context"
	"errors"
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

// The environment of the process that is the server: its directory and port.
const serverFor = "PUSHPULL_NATS_TEST_SERVER"

// serveMain is the server's process, which ends with its standard input.
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
		return fmt.Errorf("the server said %q: %w", line, err)
	}
	s.url = strings.TrimSpace(line)
	return nil
}

// kill ends the server without a warning.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = s.input.Close()
}

// breakIt kills the server and starts it again where it was.
func (s *server) breakIt(t *testing.T) (mend func()) {
	s.kill()
	return func() {
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
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

// address returns that of a stream that isn't there yet, and goes with the test.
func (s *server) address(t *testing.T) string {
	name := fmt.Sprint("test-", streams.Add(1))
	t.Cleanup(func() {
		s.jetstream(t, func(ctx context.Context, js jetstream.JetStream) {
			if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Errorf("deleting stream %s: %v", name, err)
			}
		})
	})
	return s.url + "?stream=" + name
}

func (s *server) jetstream(t testing.TB, do func(context.Context, jetstream.JetStream)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // that of t may have ended
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

// edit changes a stream behind the back of the stores.
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
