package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"pushpull/transports"
)

// Users' requests are served here, everything else by net/http, which keeps two buffers of 4 KB, a deep
// stack and, while a poll is held, a second goroutine for each connection. An exchange takes a request
// only if it is plain: a GET or POST of a room in HTTP/1.1 with a small head. Anything else, and whatever
// follows on its connection, is net/http's.

const (
	headBuffer = 512                    // bytes of a head, while heads are small
	headMost   = 4 << 10                // bytes of a head: a larger one is left to net/http
	unreadMost = 64 << 10               // bytes of a request that are read after its answer
	linger     = 500 * time.Millisecond // for the client to read the answer to a request that it still sends
)

// An exchange serves the requests of one connection, one after another.
type exchange struct {
	service *service
	conn    *conn
	ctx     context.Context //nolint:containedctx // of the requests; it ends when the server stops

	buf        []byte
	start, end int // buf[start:end] has been read, and belongs to the next request
}

// serve serves c until it ends, is hijacked, or is handed over to net/http.
func (sv *service) serve(ctx context.Context, c *conn) {
	defer sv.busy.Add(-1)
	ctx = context.WithValue(ctx, connKey{}, c)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr())
	x := &exchange{service: sv, conn: c, ctx: ctx, buf: make([]byte, headBuffer)}
	run, ended := x.requests()
	if run != nil {
		sv.busy.Add(1)
		go func() { // with a stack that parsing the request has not made grow
			defer sv.busy.Add(-1)
			defer func() {
				if e := recover(); e != nil {
					sv.panicked(e)
					c.Close()
				}
			}()
			run()
		}()
	} else if ended {
		c.Close()
	}
}

// requests serves requests, and returns what is to be run with the connection afterwards, or whether it
// is to be closed.
func (x *exchange) requests() (run func(), ended bool) {
	var serving *response // nil: no handler runs
	defer func() {
		if e := recover(); e != nil {
			x.service.panicked(e)
			if serving != nil {
				x.service.names.leave(serving.user)
			}
			run, ended = nil, true
		}
	}()
	for {
		head, err := x.head()
		if err != nil {
			if errors.Is(err, errForeign) {
				return nil, !x.handOver()
			}
			return nil, true
		}
		req, err := x.parse(head)
		if err != nil {
			return nil, !x.handOver()
		}
		w := responses.Get().(*response)
		w.begin(x, req)
		serving = w
		x.service.routes.ServeHTTP(w, req)
		serving = nil
		switch {
		case w.hijacked:
			sv, run, user := x.service, w.run, w.user // without x, which would stay in memory for as long
			w.free()
			return func() {
				defer sv.names.leave(user)
				if run != nil {
					run()
				}
			}, false
		case w.held != nil:
			held := w.held
			w.free()
			if !x.hold(held) {
				return nil, true
			}
		default:
			kept := w.finish()
			x.service.names.leave(w.user)
			w.free()
			if !kept {
				return nil, true
			}
		}
	}
}

// panicked logs what a handler has panicked with, as net/http does: it must not end the process.
func (sv *service) panicked(e any) {
	if e != http.ErrAbortHandler {
		sv.Logger.Error("a handler failed", errorKey, fmt.Sprint(e), "stack", string(debug.Stack()))
	}
}

// errForeign means that a request is none of those that an exchange serves.
var errForeign = errors.New("left to net/http")

// head reads the next head, up to and including the empty line. It stays in buf until it is parsed.
func (x *exchange) head() ([]byte, error) {
	sv, searched, late := x.service, 0, false
	for {
		head := x.buf[x.start:x.end]
		from := max(0, searched-3)
		if i := bytes.Index(head[from:], []byte("\r\n\r\n")); i >= 0 {
			return head[:from+i+4], nil
		}
		if len(head) > 0 && !begins(head) || bareLine(head[from:]) || len(head) >= headMost {
			return nil, errForeign
		}
		searched = len(head)
		switch {
		case len(head) == 0 && x.conn.asked.Load():
			x.wait(sv.IdleTimeout)
		case !late:
			x.wait(sv.HeaderTimeout)
			late = true
		}
		if err := x.read(); err != nil {
			return nil, err
		}
		x.conn.asked.Store(true)
	}
}

// begins reports whether head may be, or become, the beginning of a request that an exchange serves.
func begins(head []byte) bool {
	for _, want := range []string{"GET /rooms/", "POST /rooms/", "GET /healthz "} {
		n := min(len(want), len(head))
		if string(head[:n]) == want[:n] {
			return true
		}
	}
	return false
}

// bareLine reports whether a line of text ends without a carriage return, as net/http allows. The first
// byte of text may be a line feed whose carriage return is not part of it.
func bareLine(text []byte) bool {
	for at := 1; at < len(text); at++ {
		if text[at] == '\n' && text[at-1] != '\r' {
			return true
		}
	}
	return false
}

// wait sets the time that the client has. A server that stops ends every wait.
func (x *exchange) wait(d time.Duration) {
	x.conn.SetReadDeadline(time.Now().Add(d))
	if x.ctx.Err() != nil {
		x.conn.SetReadDeadline(past)
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// read reads more of a head. The buffer grows as the head does.
func (x *exchange) read() error {
	if x.start == x.end {
		x.start, x.end = 0, 0
		if len(x.buf) > headBuffer {
			x.buf = make([]byte, headBuffer)
		}
	}
	if x.end == len(x.buf) {
		into := x.buf
		if x.start == 0 {
			into = make([]byte, min(2*len(x.buf), headMost))
		}
		x.end = copy(into, x.buf[x.start:x.end])
		x.start, x.buf = 0, into
	}
	n, err := x.conn.Read(x.buf[x.end:])
	x.end += n
	if n > 0 {
		return nil
	}
	return err
}

// handOver leaves the connection to net/http, with what was read of it. It returns false if the server
// is stopping.
func (x *exchange) handOver() bool {
	x.conn.early = bytes.Clone(x.buf[x.start:x.end])
	x.service.conns.release(x.conn)
	select {
	case x.service.foreign <- x.conn:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// parse parses a head, which is no longer in buf then. The error means that it is not plain; it stays
// in buf.
func (x *exchange) parse(head []byte) (*http.Request, error) {
	req, ok := plain(x.ctx, head)
	if !ok || !x.service.takes(req.URL.Path) {
		return nil, errForeign
	}
	x.start += len(head)
	x.conn.spoke.Store(true)
	if req.ContentLength > 0 {
		req.Body = &requestBody{exchange: x, left: req.ContentLength}
	}
	return req, nil
}

// takes reports whether a path is one that an exchange serves: a room's messages, a transport whose
// handler doesn't wait, or the one by which users measure a round trip.
func (sv *service) takes(path string) bool {
	if path == "/healthz" {
		return true
	}
	rest, ok := strings.CutPrefix(path, "/rooms/")
	room, name, found := strings.Cut(rest, "/")
	return ok && found && isRoom(room) && (name == "messages" || sv.quick[name])
}

// quick reports whether the handlers of a transport return at once, and so don't need to learn that
// their client has gone: they answer, hold the poll (transports.Holder) or detach. Only a scan waits.
func quick(way transports.Way) bool { return way.Scan == 0 }

// plain parses a head, up to its empty line, as net/http does, but takes a third of its time. ok is false
// unless the request is a GET or POST, its head consists of lines that every parser reads alike, and it has one
// Host, and a body of a known length if it is a POST. Requests with anything else are left to net/http: two
// parsers that disagree would let a request pass as two.
func plain(ctx context.Context, head []byte) (req *http.Request, ok bool) {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	if !begins(head) || !printable(line) {
		return nil, false
	}
	method, line, _ := strings.Cut(line, " ")
	target, protocol, _ := strings.Cut(line, " ")
	at, err := url.ParseRequestURI(target)
	if err != nil || protocol != "HTTP/1.1" {
		return nil, false
	}
	req = &http.Request{
		Method: method, URL: at, RequestURI: target, Proto: protocol, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	fields := strings.Count(rest, "\n")
	req.Header = make(http.Header, fields)
	values := make([]string, fields) // of all headers that are there once
	hosts, lengths := 0, 0
	for {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if line == "" {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) || !printable(value) {
			return nil, false
		}
		value = strings.Trim(value, " \t")
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Host":
			hosts++
			req.Host = value
			continue
		case "Content-Length":
			n, err := strconv.ParseUint(value, 10, 40)
			if err != nil {
				return nil, false
			}
			req.ContentLength = int64(n)
			lengths++
		case "Transfer-Encoding", "Expect", "Trailer", "Te", "Pragma":
			return nil, false
		}
		if before, again := req.Header[name]; again {
			req.Header[name] = append(before, value)
			continue
		}
		values[0] = value
		req.Header[name], values = values[:1:1], values[1:]
	}
	if hosts != 1 || !isHost(req.Host) || lengths > 1 || (method == http.MethodPost) != (lengths == 1) {
		return nil, false
	}
	req.Close = transports.Lists(req.Header["Connection"], "close")
	return req.WithContext(ctx), true
}

func printable(line string) bool {
	for _, c := range []byte(line) {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isHost reports whether a value is a host as hosts are in life: a name or an address, and a port.
func isHost(value string) bool {
	for _, c := range []byte(value) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("-_.:[]", c) < 0 {
			return false
		}
	}
	return len(value) > 0
}

// isToken reports whether name is a token (RFC 9110, section 5.6.2) as the names of headers are in life:
// of letters, digits, - and _.
func isToken(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(name) > 0
}

// A requestBody reads the body of a request.
type requestBody struct {
	*exchange
	left   int64
	closed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.left == 0:
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	n, err := copy(p, b.buf[b.start:b.end]), error(nil)
	if n > 0 {
		b.start += n
	} else {
		n, err = b.conn.Read(p)
	}
	if b.left -= int64(n); err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if b.left == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (b *requestBody) Close() error {
	b.closed = true
	return nil
}
