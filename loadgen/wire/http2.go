package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// Over HTTP/2 (RFC 9113) a user has one connection, on which each request is a stream. net/http speaks the protocol,
// with prior knowledge where there is no TLS. Requests and empty answers are counted as over HTTP/1.1, and bytes at the
// connection, so after HPACK. The bytes of a request that opens an event stream may include some of another one that is
// made at the same time.

// dialing is what a dial needs to know of the connection that it is for.
type dialing struct {
	dialer   *Dialer
	socket   *socket
	user     *carried
	sessions *Sessions
}

type dialingKey struct{}

// newTransport returns what opens the connections over HTTP/2 of all users.
func (d *Dialer) newTransport() *http.Transport {
	t := &http.Transport{
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxResponseHeaderBytes: headLimit,
	}
	dial := func(ctx context.Context) (dialing, error) {
		of := ctx.Value(dialingKey{}).(dialing)
		plain, err := of.dialer.connect(ctx)
		if err == nil {
			of.socket.open(plain, of.dialer.Counts, of.user)
		}
		return of, err
	}
	if d.tls == nil {
		t.Protocols.SetUnencryptedHTTP2(true)
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			of, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return of.socket, nil
		}
		return t
	}
	t.Protocols.SetHTTP2(true)
	config := d.tls.Clone()
	config.NextProtos = []string{"h2"}
	t.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		of, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, d.limit)
		defer cancel()
		secure := tls.Client(of.socket, of.sessions.config(config))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = of.socket.Close() // err says more
			return nil, err
		}
		of.dialer.Counts.secured(secure.ConnectionState())
		return secure, nil
	}
	return t
}

// A socket is the connection below HTTP/2, and below TLS.
type socket struct {
	meter

	sends atomic.Int64 // messages on their way
	read  atomic.Bool  // something was read
	http1 atomic.Bool  // what was read first is the answer of HTTP/1.1
}

// Read looks for the answer of a server that doesn't speak HTTP/2. net/http names it in its error only if the answer
// arrives after the first request was begun.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.meter.Read(b)
	if n > 0 && !s.read.Swap(true) {
		s.http1.Store(bytes.HasPrefix(b[:n], []byte("HTTP/1.")))
	}
	return n, err
}

// Close closes the connection. It resets it, so that it holds no local port, unless a message may be under way.
func (s *socket) Close() error {
	if tcp, ok := s.Conn.(*net.TCPConn); ok && s.sends.Load() == 0 {
		_ = tcp.SetLinger(0) // if it fails, the connection is closed as usual
	}
	return s.Conn.Close()
}

// A shared is the connection over HTTP/2 of one user.
type shared struct {
	*http.ClientConn

	socket *socket
	used   atomic.Bool // by a request
}

// share returns the user's connection over HTTP/2, which it opens unless there is one.
func (p *Pool) share(ctx context.Context) (*shared, error) {
	p.mu.Lock()
	defer p.mu.Unlock() // also while it dials: a second request is to use the same connection
	if p.shared != nil && p.shared.Err() == nil && !p.closed {
		return p.shared, nil
	}
	if p.shared != nil {
		_ = p.shared.Close() // it has ended
		p.shared = nil
	}
	d := p.Dialer
	s := &shared{socket: &socket{}}
	var err error
	ctx = context.WithValue(ctx, dialingKey{}, dialing{d, s.socket, &p.carried, p.Sessions})
	if s.ClientConn, err = d.http2().NewClientConn(ctx, d.scheme(), d.address); err != nil {
		if s.socket.speaksHTTP1(err) {
			return nil, errHTTP1
		}
		return nil, d.late(ctx, err, "open a connection over HTTP/2")
	}
	p.shared = s
	return s, nil
}

func (d *Dialer) scheme() string {
	if d.tls != nil {
		return "https"
	}
	return "http"
}

// ErrUpgrade is the error of a WebSocket over HTTP/2.
var ErrUpgrade = errors.New("over HTTP/2 there is no upgrade to a WebSocket (RFC 9113, section 8.6), and net/http doesn't speak RFC 8441")

// errHTTP1 is the error of a server that doesn't speak HTTP/2.
var errHTTP1 = errors.New("the server, or the proxy before it, doesn't speak HTTP/2: measure over HTTP/1.1, or switch HTTP/2 on, in nginx by http2 on, in HAProxy by alpn h2")

// speaksHTTP1 reports whether err, of a connection, is that of a server that doesn't speak HTTP/2: it refuses the
// protocol in the TLS handshake, or answers the beginning of a connection in HTTP/1.1.
func (s *socket) speaksHTTP1(err error) bool {
	// crypto/tls doesn't export its error.
	return s.http1.Load() || strings.HasSuffix(err.Error(), "tls: no application protocol")
}

// roundTrip makes a request over HTTP/2.
func (p *Pool) roundTrip(req *http.Request, purpose transports.Purpose) (*http.Response, error) {
	if req.Header["Upgrade"] != nil {
		return nil, ErrUpgrade
	}
	for again := req.Method == http.MethodGet && !purpose.Once; ; again = false {
		s, err := p.share(req.Context())
		if err != nil {
			if purpose.Request == transports.Send {
				err = fmt.Errorf("%w: %w", transports.ErrUnsent, err)
			}
			return nil, err
		}
		resp, err := p.stream(s, req, purpose)
		if !again || !errors.Is(err, ErrStale) || s.Err() == nil {
			return resp, err
		}
	}
}

// stream makes a request as a stream of s. The limit of the request is a timer, as other streams share the connection.
func (p *Pool) stream(s *shared, req *http.Request, purpose transports.Purpose) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	limit := func() bool { return true }
	if exceeded := transports.LimitOf(ctx); exceeded != nil {
		limit = time.AfterFunc(exceeded.Limit, func() { cancel(exceeded) }).Stop
	}
	b := &streamed{pool: p, ctx: ctx, left: bodyLimit, end: func() { limit(); cancel(nil) }}
	if purpose.Request == transports.Send {
		s.socket.sends.Add(1)
		defer s.socket.sends.Add(-1)
	}
	counts, in, out := p.Dialer.Counts, s.socket.in.Load(), s.socket.out.Load()
	opening := int64(0)
	if !s.used.Swap(true) {
		opening = in + out
		in, out = 0, 0 // what opens the connection belongs to the first request
	}
	resp, err := s.RoundTrip(p.Dialer.spell(req, ctx))
	if err == nil || s.socket.out.Load() > out {
		counts.sent(purpose)
	}
	if err != nil {
		defer b.end()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case s.socket.speaksHTTP1(err):
			return nil, errHTTP1
		}
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	if resp.ProtoMajor != 2 {
		resp.Body.Close()
		b.end()
		return nil, errHTTP1
	}
	b.body, resp.Body = resp.Body, b
	opened := opens(purpose, resp)
	if opened || purpose.Request == transports.Handshake {
		counts.handshakes.Add(1)
		counts.handshakeIn.Add(s.socket.in.Load() - in)
		counts.handshakeOut.Add(s.socket.out.Load() - out)
	} else {
		counts.opening.Add(opening)
	}
	if opened { // it lasts
		counts.opened(resp.Header)
		b.left = unlimited
		limit()
	}
	if err := p.took(resp, b, purpose); err != nil {
		_ = b.Close() // err says more
		return nil, err
	}
	return resp, nil
}

// spell returns req as it goes out: with the query and the credentials of the server's address, and nothing that
// net/http would add.
func (d *Dialer) spell(req *http.Request, ctx context.Context) *http.Request { //nolint:revive // ctx replaces that of req
	sent := req.WithContext(ctx)
	sent.Header = maps.Clone(req.Header)
	if sent.Header == nil {
		sent.Header = http.Header{}
	}
	sent.Header["User-Agent"] = []string{""} // net/http leaves it out
	if name, value, ok := strings.Cut(strings.TrimSuffix(d.header, "\r\n"), ": "); ok {
		sent.Header[name] = []string{value}
	}
	u := *req.URL
	u.Scheme, u.Host = d.scheme(), d.base.Host
	if d.query != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+d.query, "&")
	}
	sent.URL = &u
	return sent
}

// A streamed is the body of an answer over HTTP/2.
type streamed struct {
	body  io.ReadCloser
	pool  *Pool
	ctx   context.Context //nolint:containedctx // of the request
	left  int64           // bytes that may still be read
	end   func()          // ends ctx and its limit
	empty bool            // it was counted as an answer without a message
}

var _ transports.Emptier = (*streamed)(nil)

// Empty implements transports.Emptier.
func (b *streamed) Empty() {
	if !b.empty {
		b.empty = true
		b.pool.Dialer.Counts.empty.Add(1)
	}
}

func (b *streamed) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &LimitError{"body", bodyLimit}
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == nil:
	case b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	case err == io.EOF:
		b.end()
	default:
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return n, err
}

// Close gives up the rest of the stream. The connection stays.
func (b *streamed) Close() error {
	b.end()
	return b.body.Close()
}
