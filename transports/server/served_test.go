package server

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A served is a running server, and one client of it.
type served struct {
	t      *testing.T
	dial   func() (net.Conn, error)
	client *http.Client
	base   string
	stop   func() error // stops the server and returns what Serve returned
}

// serve serves s on l until the test ends.
func serve(t *testing.T, s *Server, l net.Listener, dial func() (net.Conn, error)) *served {
	t.Helper()
	if s.Store == nil {
		s.Store = &memory.Store{First: 1}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	wire := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() },
	}
	sd := &served{t: t, dial: dial, client: &http.Client{Transport: wire}, base: "http://" + l.Addr().String()}
	sd.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		wire.CloseIdleConnections()
		return err
	})
	return sd
}

// onLoopback serves s on a port of this machine. Serve must end without an error.
func onLoopback(t *testing.T, s *Server) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sd := serve(t, s, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	t.Cleanup(func() {
		if err := sd.stop(); err != nil {
			t.Error("Serve:", err)
		}
	})
	return sd
}

// inBubble serves s on a network with buffers, for tests in virtual time. The test must call stop.
func inBubble(t *testing.T, s *Server) *served {
	t.Helper()
	return onNetwork(t, s, transporttest.Buffered(0))
}

// onNetwork is inBubble on a network of the test.
func onNetwork(t *testing.T, s *Server, n *transporttest.Network) *served {
	t.Helper()
	return serve(t, s, n, func() (net.Conn, error) { return n.Dial(t.Context(), "", "") })
}

// onPipes serves s on pipes, all of whose requests are net/http's. The test must call stop.
func onPipes(t *testing.T, s *Server) *served {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	return serve(t, s, l, l.dial)
}

// pipes is a listener whose connections are net.Pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// onBoth runs a test in virtual time with the server's own request loop, and with net/http's.
func onBoth(t *testing.T, test func(t *testing.T, begin func(*testing.T, *Server) *served)) {
	for name, begin := range map[string]func(*testing.T, *Server) *served{"Buffered": inBubble, "Pipes": onPipes} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, begin) })
		})
	}
}

// do sends a request and returns the response and its body. header is "Name: value" or empty.
func (sd *served) do(method, path, body, header string) (*http.Response, string) {
	sd.t.Helper()
	req, err := http.NewRequest(method, sd.base+path, strings.NewReader(body))
	if err != nil {
		sd.t.Fatal(err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := sd.client.Do(req)
	if err != nil {
		sd.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		sd.t.Fatal(err)
	}
	return resp, string(data)
}

func (sd *served) stats() Stats {
	sd.t.Helper()
	_, body := sd.do("GET", "/stats", "", "")
	var s Stats
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		sd.t.Fatalf("%v in %s", err, body)
	}
	return s
}

// until waits for ok, which depends on goroutines that serve real sockets.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for tick := time.NewTicker(time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("never happened:", what)
		}
	}
}

// A fake is a transport that consists of a handler.
type fake http.HandlerFunc

func (f fake) Handler(transports.Log) http.Handler { return http.HandlerFunc(f) }

func (fake) Way() transports.Way { return transports.Way{Title: "fake", Stream: true} }

// withFake returns a server whose only transport is h, at /rooms/{room}/fake.
func withFake(h http.HandlerFunc) *Server {
	return &Server{Transports: map[string]transports.Endpoint{"fake": fake(h)}}
}
