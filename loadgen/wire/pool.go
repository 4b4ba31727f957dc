// Package wire is a simulated user's own connections: it dials, keeps connections alive and counts
// what they carry, TLS included.
//
// A Dialer is shared by the users of a server, a Pool belongs to one user, and Counts are the
// totals of all. What arrives on an idle connection answers no request, and ends the connection. Heads
// of answers are read up to 1 MiB, bodies up to 16 MiB, and any framing of RFC 9112 is understood.
// Connections are closed so that they hold no local port afterwards.
//
// The package measures no time and knows no transport. It follows no redirect, decodes no compressed
// answer, and speaks to no proxy.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

const idleLimit = 30 * time.Second // a server may have closed a connection that has been idle for longer

// A Pool is one user's connections to the server under test, as an http.RoundTripper that keeps a
// simulated user small. It dials if no idle connection is left, keeps connections alive, starts no
// goroutine, and hands over the connection of an upgrade as the Body of the response. It is safe
// for concurrent use.
type Pool struct {
	Dialer *Dialer

	// Sessions are resumed by the connections over TLS; nil: each makes a full handshake.
	Sessions *Sessions

	mu       sync.Mutex
	idle     []*conn // the last one was used last
	closed   bool
	carried  carried
	shared   *shared      // the connection over HTTP/2; nil: there is none
	answered atomic.Int64 // when a poll was answered last, in nanoseconds since the Unix epoch; 0: none was
}

var _ http.RoundTripper = (*Pool)(nil)

// ErrStale is the error of a connection that ended before the first byte of a response.
var ErrStale = errors.New("the server closed the connection without an answer")

// RoundTrip implements http.RoundTripper. A request goes out on a connection that is seen to be open
// and on which nothing has arrived since the last answer; all others are closed. A GET that meets a
// connection closed by the server in the next moment is tried once more on a new one. Other requests
// can't be repeated, and neither can a GET that must be sent Once (transports.Purpose). A *LimitError is the error of an answer that is too long, also of reading the
// Body.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	purpose, given := transports.PurposeOf(req)
	if !given {
		purpose.Stream = p.Dialer.Stream && req.Method == http.MethodGet
	}
	if p.Dialer.HTTP2 {
		return p.roundTrip(req, purpose)
	}
	c := p.take()
	for c != nil && !c.quiet() {
		c.close()
		c = p.take()
	}
	if c != nil {
		resp, err := p.exchange(c, req, purpose)
		if !errors.Is(err, ErrStale) || req.Method != http.MethodGet || purpose.Once {
			return resp, err
		}
	}
	c, err := p.Dialer.dial(req.Context(), &p.carried, p.Sessions)
	if err != nil {
		if purpose.Request == transports.Send {
			err = fmt.Errorf("%w: %w", transports.ErrUnsent, err)
		}
		return nil, err
	}
	return p.exchange(c, req, purpose)
}

// Answered reports whether a poll was answered by a success, since Forget was called last.
func (p *Pool) Answered() bool { return p.answered.Load() != 0 }

// AnsweredAt returns when the latest of these answers came; the Unix epoch if there was none.
func (p *Pool) AnsweredAt() time.Time { return time.Unix(0, p.answered.Load()) }

// Forget makes Answered return false, as after requests that were no polls of the user.
func (p *Pool) Forget() { p.answered.Store(0) }

// Carried returns how many connections the user has made, and the bytes that they have carried so far, in both
// directions, with those of TLS.
func (p *Pool) Carried() (connections, bytes int64) {
	return p.carried.connections.Load(), p.carried.bytes.Load()
}

// Open dials a connection that a later request will use.
func (p *Pool) Open(ctx context.Context) error {
	if p.Dialer.HTTP2 {
		_, err := p.share(ctx)
		return err
	}
	c, err := p.Dialer.dial(ctx, &p.carried, p.Sessions)
	if err == nil {
		p.put(c)
	}
	return err
}

// Close closes the idle connections. Connections in use are closed once they become idle.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	shared := p.shared
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	if shared != nil {
		_ = shared.Close() // whatever it says, the user has gone
	}
	for _, c := range idle {
		c.close()
	}
}

func (p *Pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(c.used) < idleLimit {
			return c
		}
		c.close()
	}
	return nil
}

func (p *Pool) put(c *conn) {
	c.used = time.Now()
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if closed {
		c.close()
	}
}

// exchange sends req on c and reads the head of the response. The limit of the request is a deadline
// of the connection, which costs no timer of its own.
func (p *Pool) exchange(c *conn, req *http.Request, purpose transports.Purpose) (_ *http.Response, err error) {
	ctx := req.Context()
	c.limitTo(transports.LimitOf(ctx)) // before AfterFunc, which must have the last word
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if err == nil {
			return
		}
		stop()
		c.close()
		err = reason(ctx, err)
	}()
	var in, out, opening int64 // bytes so far; the connection's TLS handshake belongs to the first request
	first := !c.carried
	if c.carried = true; first {
		opening = c.meter.out.Load()
	} else {
		in, out = c.meter.consumed(), c.meter.out.Load()
	}
	counts := p.Dialer.Counts
	c.allow("head", headLimit)
	upgrade := req.Header["Upgrade"] != nil
	c.gentle = req.Method != http.MethodGet || upgrade
	if err := c.send(req, p.Dialer); err != nil {
		c.gentle = false
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	// A server may answer and close before it has read all of a request (RFC 9112, section 9.5).
	_, err = c.answers.Peek(1)
	if c.cut == nil || err == nil {
		counts.sent(purpose)
	}
	if err != nil {
		if c.cut != nil {
			err = c.cut
		}
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	if first {
		opening += c.meter.recordStart()
	}
	resp, framing, err := c.readAnswer(req)
	if err != nil {
		return nil, err
	}
	c.gentle = upgrade && resp.StatusCode != http.StatusSwitchingProtocols
	framing.keep = framing.keep && c.cut == nil && !transports.Spent(resp.StatusCode)
	opened := opens(purpose, resp)
	handshake := opened
	if purpose.Request == transports.Handshake {
		handshake = true
	}
	if handshake {
		counts.handshakes.Add(1)
	}
	if opened {
		counts.opened(resp.Header)
		unread := c.unread()
		counts.handshakeIn.Add(c.meter.consumed() - in - unread)
		counts.handshakeOut.Add(c.meter.out.Load() - out)
		c.allow("stream", unlimited)
	} else {
		if !handshake {
			counts.opening.Add(opening)
		}
		c.allow("body", bodyLimit)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if !stop() {
			return nil, context.Cause(ctx)
		}
		c.limitTo(nil)
		resp.Body = &upgraded{conn: c, departures: p.Dialer.Departures}
		return resp, nil
	}
	if opened {
		c.limitTo(nil) // the stream lasts
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // its deadline may be the one taken away
		}
	}
	b := &body{framing: framing, pool: p, conn: c, req: req, stop: stop}
	if handshake && !opened {
		b.before, b.written = in, c.meter.out.Load()-out
		b.handshake = true
	}
	resp.Body = b
	if err := p.took(resp, b, purpose); err != nil {
		return nil, err
	}
	if resp.ContentLength == 0 {
		b.release(true)
	}
	return resp, nil
}

// took takes note of an answer to a poll, and makes a body that can't be read say so. body is that of resp.
func (p *Pool) took(resp *http.Response, body interface {
	io.Closer
	transports.Emptier
}, purpose transports.Purpose,
) error {
	if purpose.Request == transports.Poll {
		if resp.StatusCode < http.StatusBadRequest {
			p.answered.Store(time.Now().UnixNano())
		}
		if resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
			body.Empty()
		}
	}
	if coding := contentCoding(resp); coding != "" && resp.ContentLength != 0 && purpose.Request != transports.Send {
		if resp.StatusCode < 300 {
			return fmt.Errorf("the server encoded the body of its answer as %.100q, though the request accepts no encoding: turn compression off for %s, in nginx by gzip off, in HAProxy without compression algo", coding, resp.Request.URL.Path)
		}
		resp.Body, resp.ContentLength = note{strings.NewReader("a body encoded as " + coding), body}, -1 // the status says enough
	}
	return nil
}

// limitTo sets the deadline of an exchange, or takes it away if there is none.
func (c *conn) limitTo(exceeded *transports.TimeoutError) {
	var deadline time.Time
	if exceeded != nil {
		deadline = time.Now().Add(exceeded.Limit)
	}
	c.SetDeadline(deadline)
}

// reason returns why reading or writing failed with err during a request: the request was given up, its
// limit has passed, or else err.
func reason(ctx context.Context, err error) error {
	exceeded := transports.LimitOf(ctx)
	switch {
	case err == io.EOF:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case exceeded != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return exceeded
	}
	return err
}

// A note stands for a body that can't be read.
type note struct {
	io.Reader
	io.Closer
}

// opens reports whether an exchange has opened a stream. A request that was answered 101 has asked for that.
func opens(purpose transports.Purpose, resp *http.Response) bool {
	return purpose.Request != transports.Send && (purpose.Stream || purpose.Request == transports.Handshake && resp.StatusCode == http.StatusSwitchingProtocols) &&
		(resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode == http.StatusOK)
}

// An upgraded is the connection after a 101, as net/http hands it over.
type upgraded struct {
	conn       *conn
	departures *Departures
	ended      atomic.Bool // the server has closed it, or it is broken
	closed     atomic.Bool
}

func (u *upgraded) Read(p []byte) (int, error) {
	if answers := u.conn.answers; answers != nil {
		if answers.Buffered() > 0 {
			return answers.Read(p)
		}
		u.conn.answers = nil // its buffer is no longer needed
	}
	n, err := u.conn.Read(p)
	return n, u.failed(err)
}

func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.conn.Write(p)
	return n, u.failed(err)
}

func (u *upgraded) failed(err error) error {
	switch {
	case err == nil:
	case u.closed.Load():
		err = net.ErrClosed
	case !errors.Is(err, os.ErrDeadlineExceeded):
		u.ended.Store(true)
	}
	return err
}

// SetReadDeadline and SetWriteDeadline are those of a net.Conn.
func (u *upgraded) SetReadDeadline(t time.Time) error { return u.conn.SetReadDeadline(t) }

func (u *upgraded) SetWriteDeadline(t time.Time) error { return u.conn.SetWriteDeadline(t) }

// Close ends reads and writes at once. The connection is then left to the server, which closes it once
// it has read what was written, like the close frame of a WebSocket.
func (u *upgraded) Close() error {
	switch {
	case u.closed.Swap(true):
		return net.ErrClosed
	case u.ended.Load():
		u.conn.close()
	default:
		u.departures.leave(u.conn)
	}
	return nil
}
