package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports/all"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// TestMain makes this binary a server if it is started as one, as the generator and the server must be
// different processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serve())
	}
	if len(os.Args) > 1 && os.Args[1] == "relay" {
		os.Exit(serveRelay())
	}
	if len(os.Args) > 1 && os.Args[1] == "bunching" {
		os.Exit(bunching())
	}
	if len(os.Args) > 1 && os.Args[1] == "strange" {
		os.Exit(serveStrange())
	}
	if len(os.Args) > 2 && os.Args[1] == "orphan" {
		os.Exit(startOrphan(os.Args[2]))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each server under -race takes a second to end
	goleak.VerifyTestMain(m)
}

// specs returns every transport on the list. Those that a timer delays get that one.
func specs(timer string) []string {
	names := all.Names()
	for i, name := range names {
		if client, err := all.Client(name); err == nil && client.Way().Timer() > 0 {
			names[i] = name + "@" + timer
		}
	}
	return names
}

func serve() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Printf("listening on http://%s\n", listener.Addr())
	s := &server.Server{Store: &memory.Store{}}
	if err := s.Serve(ctx, listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// command starts this binary as a server.
func command() []string { return []string{os.Args[0], "serve"} }

// answering starts a server that answers every request with the same bytes and closes the connection.
func answering(tb testing.TB, answer string) *url.URL {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			tb.Error(err)
			return
		}
		io.WriteString(conn, answer)
		conn.Close()
	}))
	tb.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return base
}

// soon is the limit of everything that must not hang.
const soon = 10 * time.Second

var errGone = errors.New("the test has ended it")

// within passes the next value of a channel to took. The test fails if there is none soon.
func within[T any](t *testing.T, c <-chan T, took func(T)) {
	t.Helper()
	select {
	case v := <-c:
		took(v)
	case <-time.After(soon):
		t.Fatalf("nothing was received within %v", soon)
	}
}

// start starts a server process that ends with the test.
func start(tb testing.TB) *url.URL {
	tb.Helper()
	s, err := StartServer(tb.Context(), nil, command())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s.Base
}
