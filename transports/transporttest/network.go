package transporttest

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Network connects users to a server in memory. Sockets would stop the bubble's clock while a goroutine
// waits for them. It is a net.Listener, for the server.
type Network struct {
	HTTP2 bool                    // users speak HTTP/2 on it
	Wrap  func(net.Conn) net.Conn // wraps users' ends of connections, as for TLS; nil: they are used as they are

	pair    func() (user, server net.Conn)
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	refuses atomic.Bool
}

var _ net.Listener = (*Network)(nil)

// Pipes returns a network whose connections buffer nothing, like those of net.Pipe: a write blocks until
// the other side has read it, so a user that doesn't read is noticed at once. They can't be written to
// without waiting.
func Pipes() *Network { return newNetwork(net.Pipe) }

// Buffered returns a network whose connections hold up to so many bytes each way, as sockets do; 0:
// 64 KiB. The server's end is a transports.TryWriter.
func Buffered(bytes int) *Network {
	return newNetwork(func() (user, server net.Conn) { return newBuffered(cmp.Or(bytes, 64<<10)) })
}

func newNetwork(pair func() (user, server net.Conn)) *Network {
	return &Network{pair: pair, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (n *Network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections stay open.
func (n *Network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr implements net.Listener.
func (n *Network) Addr() net.Addr { return address }

// Refuse makes every Dial from now on fail. The server doesn't notice.
func (n *Network) Refuse() { n.refuses.Store(true) }

// Dial connects to the server. The network and the address are ignored.
func (n *Network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if n.refuses.Load() {
		return nil, syscall.ECONNREFUSED
	}
	user, server := n.pair()
	if n.Wrap != nil {
		user = n.Wrap(user)
	}
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
	severed bool
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
			if w.severed { // while it was dialled
				conn.Close()
			}
			w.conns = append(w.conns, conn)
		}
		return conn, err
	}
}

// cut closes all connections, for good.
func (w *Conns) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.severed = true
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
