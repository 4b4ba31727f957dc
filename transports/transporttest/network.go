package transporttest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// A network connects users to a server in memory. Its connections are those of net.Pipe, which
// buffer nothing: a write blocks until the other side has read it, so a user that doesn't read is
// noticed at once. Sockets would stop the bubble's clock while a goroutine waits for them.
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

// Conns holds the connections of one user and counts the responses.
type Conns struct {
	http.Transport

	mu      sync.Mutex
	conns   []net.Conn
	answers map[string]map[int]int // by method and status
}

// RoundTrip implements http.RoundTripper.
func (w *Conns) RoundTrip(req *http.Request) (*http.Response, error) {
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

// dials makes w dial with dial, and keep the connections for cut.
func (w *Conns) dials(dial func(context.Context, string, string) (net.Conn, error)) {
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

// cut closes all connections.
func (w *Conns) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
}

// Answers returns the number of requests with a method that were answered with status; 0 stands for
// any status.
func (w *Conns) Answers(method string, status int) int {
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
