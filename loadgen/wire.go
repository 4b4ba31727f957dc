package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// Counts counts what connections carry. It is safe for concurrent use; its zero value is ready.
type Counts struct {
	connections, requests, handshakes, empty, posts, in, out atomic.Int64

	handshakeIn, handshakeOut atomic.Int64 // of in and out, the bytes of the handshakes, TLS included
}

// totals returns what was carried so far, the bytes of handshakes apart.
func (c *Counts) totals() result.Wire {
	handshakeIn, handshakeOut := c.handshakeIn.Load(), c.handshakeOut.Load()
	return result.Wire{
		Connections: c.connections.Load(), Requests: c.requests.Load(), Handshakes: c.handshakes.Load(),
		EmptyResponses: c.empty.Load(), Posts: c.posts.Load(),
		BytesIn: c.in.Load() - handshakeIn, BytesOut: c.out.Load() - handshakeOut,
		HandshakeBytes: handshakeIn + handshakeOut,
	}
}

// since returns what was carried from start to end, as result.Wire defines it: what opened the
// connections counts in full.
func since(start, end result.Wire) result.Wire {
	end.Requests += start.Handshakes - start.Requests
	end.EmptyResponses -= start.EmptyResponses
	end.Posts -= start.Posts
	end.BytesIn -= start.BytesIn
	end.BytesOut -= start.BytesOut
	return end
}

const (
	responseBuffer = 512              // bytes; a longer header line is read all the same
	idleLimit      = 30 * time.Second // an idle connection older than that may have been closed by the server
)

// A Dialer opens the connections of many users. It is safe for concurrent use.
type Dialer struct {
	Counts *Counts

	address string
	tls     *tls.Config // nil for plain HTTP
}

// NewDialer returns a Dialer to the server at base, whose connections are counted in counts.
func NewDialer(base *url.URL, counts *Counts) *Dialer {
	d := &Dialer{Counts: counts}
	port := base.Port()
	if base.Scheme == "https" {
		d.tls = &tls.Config{ServerName: base.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	d.address = net.JoinHostPort(base.Hostname(), port)
	return d
}

func (d *Dialer) dial(ctx context.Context) (*conn, error) {
	var dialer net.Dialer
	plain, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	d.Counts.connections.Add(1)
	c := &conn{}
	c.counted.Conn, c.counted.counts = plain, d.Counts
	c.Conn = &c.counted
	if d.tls != nil {
		secure := tls.Client(&c.counted, d.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		c.Conn = secure
	}
	c.answers = bufio.NewReaderSize(c.Conn, responseBuffer)
	return c, nil
}

// A Wire is one user's connections to the server under test: an http.RoundTripper that keeps a
// simulated user small. It opens a connection when no idle one is left, keeps it alive, starts no
// goroutine, and hands over the connection of an upgrade as the Body of the answer. It counts
// what it carries. It follows no redirect, knows no proxy and no HTTP/2. It is safe for
// concurrent use.
type Wire struct {
	Dialer *Dialer

	mu     sync.Mutex
	idle   []*conn // the one used last is at the end
	closed bool
}

var _ http.RoundTripper = (*Wire)(nil)

// errStale says that a connection ended before the first byte of an answer.
var errStale = errors.New("the server closed the connection without an answer")

// RoundTrip implements http.RoundTripper. It retries once, on a new connection, a GET that met a
// connection which the server had closed meanwhile. What can't be repeated is sent only on a
// connection that is seen to be open.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	c := w.take()
	for c != nil && req.Method != http.MethodGet && c.ended() {
		c.Close()
		c = w.take()
	}
	if c != nil {
		resp, err := w.exchange(c, req)
		if !errors.Is(err, errStale) || req.Method != http.MethodGet {
			return resp, err
		}
	}
	c, err := w.Dialer.dial(req.Context())
	if err != nil {
		if req.Method == http.MethodPost {
			err = fmt.Errorf("%w: %w", transports.ErrUnsent, err)
		}
		return nil, err
	}
	return w.exchange(c, req)
}

// Open opens a connection for the first request.
func (w *Wire) Open(ctx context.Context) error {
	c, err := w.Dialer.dial(ctx)
	if err == nil {
		w.put(c)
	}
	return err
}

// Close closes the idle connections; those in use are closed when they become idle.
func (w *Wire) Close() {
	w.mu.Lock()
	idle := w.idle
	w.idle, w.closed = nil, true
	w.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

func (w *Wire) take() *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.idle) > 0 {
		c := w.idle[len(w.idle)-1]
		w.idle = w.idle[:len(w.idle)-1]
		if time.Since(c.used) < idleLimit {
			return c
		}
		c.Close()
	}
	return nil
}

func (w *Wire) put(c *conn) {
	c.used = time.Now()
	w.mu.Lock()
	closed := w.closed
	if !closed {
		w.idle = append(w.idle, c)
	}
	w.mu.Unlock()
	if closed {
		c.Close()
	}
}

// exchange sends req on c and reads the head of its answer.
func (w *Wire) exchange(c *conn, req *http.Request) (_ *http.Response, err error) {
	ctx := req.Context()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if err == nil {
			return
		}
		stop()
		c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	counts := w.Dialer.Counts
	if err := c.send(req); err != nil {
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	if req.Method == http.MethodPost {
		counts.posts.Add(1)
	} else {
		counts.requests.Add(1)
	}
	if _, err := c.answers.Peek(1); err != nil {
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	resp, err := http.ReadResponse(c.answers, req)
	for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(c.answers, req) // 100 and 103 only announce the answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		counts.handshakes.Add(1)
		counts.handshakeIn.Add(c.counted.in.Load() - int64(c.answers.Buffered()))
		counts.handshakeOut.Add(c.counted.out.Load())
		if !stop() {
			return nil, context.Cause(ctx)
		}
		resp.Body = &upgraded{conn: c}
		return resp, nil
	case resp.StatusCode == http.StatusNoContent && req.Method == http.MethodGet:
		counts.empty.Add(1)
	}
	b := &body{ReadCloser: resp.Body, wire: w, conn: c, stop: stop, keep: !resp.Close}
	resp.Body = b
	if resp.ContentLength == 0 {
		b.release(true)
	}
	return resp, nil
}

// A conn is one connection of a user.
type conn struct {
	net.Conn // the counted one, or TLS over it

	counted counted
	answers *bufio.Reader
	used    time.Time // when it became idle
}

// ended says whether the server has closed an idle connection, as servers do after a while, or at
// once with one that never asked anything.
func (c *conn) ended() bool {
	raw, ok := c.counted.Conn.(syscall.Conn)
	return ok && socketEnded(raw)
}

var requests = sync.Pool{New: func() any { return new([]byte) }}

// send writes a request in one piece.
func (c *conn) send(req *http.Request) error {
	pooled := requests.Get().(*[]byte)
	defer requests.Put(pooled)
	buf := append((*pooled)[:0], req.Method...)
	buf = append(buf, ' ')
	buf = append(buf, req.URL.RequestURI()...)
	buf = append(buf, " HTTP/1.1\r\nHost: "...)
	buf = append(buf, req.Host...)
	buf = append(buf, "\r\n"...)
	for key, values := range req.Header {
		for _, value := range values {
			buf = append(buf, key...)
			buf = append(buf, ": "...)
			buf = append(buf, value...)
			buf = append(buf, "\r\n"...)
		}
	}
	var text []byte
	if req.Body != nil {
		defer req.Body.Close()
		var err error
		if text, err = io.ReadAll(req.Body); err != nil {
			return err
		}
	}
	if len(text) > 0 || req.Method == http.MethodPost {
		buf = append(buf, "Content-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(text)), 10)
		buf = append(buf, "\r\n"...)
	}
	buf = append(buf, "\r\n"...)
	buf = append(buf, text...)
	*pooled = buf
	_, err := c.Write(buf)
	return err
}

// counted counts the bytes of a connection.
type counted struct {
	net.Conn

	counts  *Counts
	in, out atomic.Int64 // of this connection
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.counts.in.Add(int64(n))
	c.in.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.counts.out.Add(int64(n))
	c.out.Add(int64(n))
	return n, err
}

// body is the body of an answer. When it has been read, its connection is idle again.
type body struct {
	io.ReadCloser

	wire *Wire
	conn *conn
	stop func() bool
	keep bool // the server keeps the connection open
	done bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.release(err == io.EOF)
	}
	return n, err
}

// Close gives up what has not been read, and the connection with it.
func (b *body) Close() error {
	b.release(false)
	return nil
}

func (b *body) release(whole bool) {
	if b.done {
		return
	}
	b.done = true
	whole = whole && b.conn.answers.Buffered() == 0 // more would be read as the next answer
	if b.stop() && whole && b.keep {
		b.wire.put(b.conn)
	} else {
		b.conn.Close()
	}
}

// upgraded is the connection after a 101, as net/http hands it over.
type upgraded struct {
	conn *conn
}

func (u *upgraded) Read(p []byte) (int, error) {
	if answers := u.conn.answers; answers != nil {
		if answers.Buffered() > 0 {
			return answers.Read(p)
		}
		u.conn.answers = nil // its buffer is not needed any more
	}
	return u.conn.Conn.Read(p)
}

func (u *upgraded) Write(p []byte) (int, error) { return u.conn.Conn.Write(p) }

func (u *upgraded) Close() error { return u.conn.Conn.Close() }
