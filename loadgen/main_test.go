package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// TestMain makes this binary a server when it is started as one: what is measured is never in the
// process that measures.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serve())
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each server under -race takes a second to end
	goleak.VerifyTestMain(m)
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

// start starts a server process that ends with the test.
func start(tb testing.TB) *url.URL {
	tb.Helper()
	s, err := StartServer(tb.Context(), "", command())
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
