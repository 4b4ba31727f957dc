package transporttest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// A network connects users to a server in memory. Its connections are net.Pipe's and hold
// nothing: a write lasts until the other side has read it, so that a user who doesn't read is
// noticed at once. Sockets would not do, a bubble doesn't know that it waits for them.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*network)(nil)

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	user, server := net.Pipe()
	select {
	case n.conns <- server:
		return user, nil
	case <-n.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A Wire is the connections of one user. It counts the answers that came on them.
type Wire struct {
	http.Transport

	mu      sync.Mutex
	conns   []net.Conn
	answers map[string]map[int]int // by method and status
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.Transport.RoundTrip(req)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.answers == nil {
			w.answers = map[string]map[int]int{}
		}
		if w.answers[req.Method] == nil {
			w.answers[req.Method] = map[int]int{}
		}
		w.answers[req.Method][resp.StatusCode]++
	}
	return resp, err
}

// dials keeps the connections that dial opens.
func (w *Wire) dials(dial func(context.Context, string, string) (net.Conn, error)) {
	w.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.conns = append(w.conns, conn)
		}
		return conn, err
	}
}

// cut takes the connections away.
func (w *Wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
}

// Answers returns how many requests of a method were answered with status; 0 stands for any.
func (w *Wire) Answers(method string, status int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status != 0 {
		return w.answers[method][status]
	}
	n := 0
	for _, count := range w.answers[method] {
		n += count
	}
	return n
}
