package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/transports"
)

// Users' requests are served here, everything else by net/http, which keeps two buffers of 4 KB, a deep
// stack and, while a poll is held, a second goroutine for each connection. An exchange takes a request
// only if it is plain: a GET or POST of a room in HTTP/1.1 with a small head. Anything else, and whatever
// follows on its connection, is net/http's.

const (
	headBuffer = 512     // bytes of a head, while heads are small
	headMost   = 4 << 10 // bytes of a head: a larger one is left to net/http
	unreadMost = 64 << 10
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
			if e != http.ErrAbortHandler {
				x.service.Logger.Error("a handler failed", errorKey, fmt.Sprint(e), "stack", string(debug.Stack()))
			}
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
				if run != nil {
					run()
				}
				sv.names.leave(user)
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
	x.service.conns.keep(x.conn, false)
	select {
	case x.service.foreign <- x.conn:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// parsers read heads that are in memory.
var parsers = sync.Pool{New: func() any { return &parser{lines: bufio.NewReaderSize(nil, headMost)} }}

type parser struct {
	head  bytes.Reader
	lines *bufio.Reader
}

// parse parses a head, which is no longer in buf then. The error means that it is not plain; it stays
// in buf.
func (x *exchange) parse(head []byte) (*http.Request, error) {
	length, ok := plain(head)
	if !ok {
		return nil, errForeign
	}
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	p.head.Reset(head)
	p.lines.Reset(&p.head)
	req, err := http.ReadRequest(p.lines)
	if err != nil || !x.service.takes(req.URL.Path) {
		return nil, errForeign
	}
	x.start += len(head)
	req.Body = http.NoBody
	if length > 0 {
		req.Body = &requestBody{exchange: x, left: length}
	}
	return req.WithContext(x.ctx), nil
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
// their client has gone: they answer, hold the poll (transports.Holder) or detach.
func quick(way transports.Way) bool { return way.Every > 0 || way.Scan == 0 }

// plain reports whether a head, up to its empty line, is that of a GET or POST, consists of lines that
// every parser reads alike, has one Host, and a body of a known length, if any. Requests with anything else
// are left to net/http: two parsers that disagree would let a request pass as two.
func plain(head []byte) (length int64, ok bool) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !begins(line) || !bytes.HasSuffix(line, []byte(" HTTP/1.1")) || !printable(line) {
		return 0, false
	}
	hosts, lengths := 0, 0
	for {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) == 0 {
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !isToken(name) || !printable(value) {
			return 0, false
		}
		switch {
		case is(name, "host"):
			hosts++
			if !isHost(bytes.Trim(value, " \t")) {
				return 0, false
			}
		case is(name, "content-length"):
			n, err := strconv.ParseUint(string(bytes.Trim(value, " \t")), 10, 40)
			if err != nil {
				return 0, false
			}
			length = int64(n)
			lengths++
		case is(name, "transfer-encoding"), is(name, "expect"), is(name, "trailer"), is(name, "te"):
			return 0, false
		}
	}
	body := string(head[:4]) == "POST"
	return length, hosts == 1 && lengths <= 1 && body == (lengths == 1)
}

func is(name []byte, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(string(name), lower)
}

func printable(line []byte) bool {
	for _, c := range line {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isHost reports whether a value is a host as hosts are in life: a name or an address, and a port.
func isHost(value []byte) bool {
	for _, c := range value {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("-_.:[]", c) < 0 {
			return false
		}
	}
	return len(value) > 0
}

// isToken reports whether name is a token (RFC 9110, section 5.6.2) as the names of headers are in life:
// of letters, digits, - and _.
func isToken(name []byte) bool {
	for _, c := range name {
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

// A response is the ResponseWriter of an exchange. It writes an answer in one piece if its body is small
// or has no declared length.
type response struct {
	exchange *exchange
	req      *http.Request
	header   http.Header
	status   int    // 0: not set yet
	text     []byte // the head, once it is made, and the body
	headed   bool   // the head is in text, or written
	whole    bool   // nothing is written: the answer is composed in text
	broken   error  // of writing

	hijacked bool
	run      func()    // with the hijacked connection, once the handler has returned
	held     *heldPoll // the request is answered later
	user     *presence // of the request; nil: it gives no name
}

var (
	_ http.ResponseWriter  = (*response)(nil)
	_ http.Hijacker        = (*response)(nil)
	_ transports.Detacher  = (*response)(nil)
	_ transports.Holder    = (*response)(nil)
	_ transports.Follower  = (*heldPoll)(nil)
	_ transports.TryWriter = (*conn)(nil)
)

var responses = sync.Pool{New: func() any { return &response{header: http.Header{}} }}

func (w *response) begin(x *exchange, req *http.Request) { w.exchange, w.req = x, req }

// free makes w ready for another request.
func (w *response) free() {
	clear(w.header)
	text := w.text[:0]
	if cap(text) > 16<<10 {
		text = nil
	}
	*w = response{header: w.header, text: text}
	responses.Put(w)
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.broken != nil {
		return 0, w.broken
	}
	if !w.headed && len(w.header["Content-Length"]) > 0 {
		w.text, w.headed = w.appendHead(w.text[:0], -1), true
	}
	if w.headed && !w.whole && len(w.text)+len(p) > headMost {
		if len(w.text) > 0 {
			_, w.broken = w.exchange.conn.Write(w.text)
			w.text = w.text[:0]
		}
		if w.broken == nil {
			_, w.broken = w.exchange.conn.Write(p)
		}
		return len(p), w.broken
	}
	w.text = append(w.text, p...)
	return len(p), nil
}

// appendHead appends the status line and the headers. length is that of the body, or -1 if the header
// has it.
func (w *response) appendHead(buf []byte, length int) []byte {
	buf = append(buf, "HTTP/1.1 "...)
	buf = strconv.AppendInt(buf, int64(w.status), 10)
	buf = append(buf, ' ')
	buf = append(buf, http.StatusText(w.status)...)
	buf = append(buf, "\r\n"...)
	for _, name := range w.names() {
		for _, value := range w.header[name] {
			buf = append(buf, name...)
			buf = append(buf, ": "...)
			buf = append(buf, value...)
			buf = append(buf, "\r\n"...)
		}
	}
	buf = append(buf, "Date: "...)
	buf = time.Now().UTC().AppendFormat(buf, http.TimeFormat)
	if length >= 0 && w.status != http.StatusNoContent && w.status >= http.StatusOK {
		buf = append(buf, "\r\nContent-Length: "...)
		buf = strconv.AppendInt(buf, int64(length), 10)
	}
	return append(buf, "\r\n\r\n"...)
}

// names returns the names of the headers in the order in which they are written.
func (w *response) names() []string {
	var few [12]string
	names := few[:0]
	for name := range w.header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// bytes returns the whole answer, if nothing of it is written yet. It is valid until the next call.
func (w *response) bytes() []byte {
	w.WriteHeader(http.StatusOK)
	if w.headed {
		return w.text
	}
	body := len(w.text)
	w.text = w.appendHead(w.text, body)
	head := len(w.text) - body
	w.text = append(w.text, w.text[:body]...)
	return w.text[body : body+head+body]
}

// finish writes the answer and returns whether the connection can carry another request.
func (w *response) finish() (kept bool) {
	x := w.exchange
	left := int64(0)
	if body, ok := w.req.Body.(*requestBody); ok {
		left = body.left
	}
	closing := w.req.Close || left > 0 || x.ctx.Err() != nil
	if closing && !w.headed {
		w.header.Set("Connection", "close")
	}
	closing = closing || len(w.header["Connection"]) > 0
	if w.broken == nil {
		w.broken = x.conn.send(w.bytes())
	}
	x.conn.deadline.Store(0)
	if left > 0 && w.broken == nil {
		x.linger()
	}
	return w.broken == nil && !closing
}

// linger lets the client read an answer that came before it has sent its whole request: closing at once
// would reset the connection, and the answer would be lost.
func (x *exchange) linger() {
	if x.conn.CloseWrite() == nil {
		x.conn.SetReadDeadline(time.Now().Add(linger))
		_, _ = io.CopyN(io.Discard, x.conn, unreadMost)
	}
}

// SetReadDeadline is for an http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error { return w.exchange.conn.SetReadDeadline(t) }

// SetWriteDeadline is for an http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.whole {
		return nil
	}
	return w.exchange.conn.SetWriteDeadline(t)
}

// Hijack implements http.Hijacker. As with net/http, a head is written if its status is set, as before a
// change of protocols. The buffers are small, as most of what hijacks needs none.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	x := w.exchange
	w.hijacked = true
	if w.status != 0 {
		w.text = w.appendHead(w.text[:0], -1)
		if err := x.conn.send(w.text); err != nil {
			x.conn.Close()
			return nil, nil, err
		}
	}
	x.service.conns.keep(x.conn, false)
	x.conn.early = bytes.Clone(x.buf[x.start:x.end])
	x.start, x.end = 0, 0
	return x.conn, bufio.NewReadWriter(bufio.NewReaderSize(x.conn, headBuffer), bufio.NewWriterSize(x.conn, headBuffer)), nil
}

// Detach implements transports.Detacher.
func (w *response) Detach(run func()) { w.run = run }

// A heldPoll is a poll that is answered once its room has grown. The room's reader writes the answer,
// while the exchange waits for the next request, or for the end of the hold time.
type heldPoll struct {
	exchange *exchange
	req      *http.Request
	header   http.Header // of the answer, set by the server; empty: none, so all polls get the same answer
	user     *presence

	log    transports.Log
	room   string
	seq    uint64
	until  time.Time
	limits transports.Limits
	stop   func() // ends following

	mu       sync.Mutex
	answered bool
	fallen   bool          // the room's reader has ended
	rest     []byte        // of the answer, which the connection hasn't taken
	woken    chan struct{} // closed when answered or fallen is set; nil: nobody waits for it
}

// Hold implements transports.Holder.
func (w *response) Hold(log transports.Log, room string, seq uint64, d time.Duration, limits transports.Limits) bool {
	h := &heldPoll{
		exchange: w.exchange, req: w.req, user: w.user,
		log: log, room: room, seq: seq, until: time.Now().Add(d), limits: limits,
	}
	if len(w.header) > 0 {
		h.header = w.header.Clone()
	}
	h.mu.Lock() // until stop is set
	defer h.mu.Unlock()
	stop, ok := transports.Follow(log, room, seq, h)
	if ok {
		h.stop, w.held = stop, h
	}
	return ok
}

// answerOf returns the spelling of messages as the answer to a poll.
func answerOf(limits transports.Limits) *transports.Spelling {
	return &transports.Spelling{Append: func(buf []byte, messages []transports.Message) []byte {
		return append(buf, composed(nil, messages[0].Seq-1, messages, limits)...)
	}}
}

// composed returns the whole answer to a poll, with further headers.
func composed(header http.Header, after uint64, messages []transports.Message, limits transports.Limits) []byte {
	w := &response{header: header, whole: true}
	if header == nil {
		w.header = http.Header{}
	}
	transports.Answer(w, after, messages, limits)
	return w.bytes()
}

// Deliver implements transports.Follower.
func (h *heldPoll) Deliver(b *transports.Bundle) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.answered || h.fallen {
		return false
	}
	sv := h.exchange.service
	var text []byte
	if h.header == nil && !h.req.Close {
		text = b.Spelled(sv.answer)
	} else {
		if h.header == nil {
			h.header = http.Header{}
		}
		if h.req.Close {
			h.header.Set("Connection", "close")
		}
		text = composed(h.header, h.seq, b.Messages, h.limits)
	}
	h.done()
	n, err := h.exchange.conn.TryWrite(text)
	if err == nil && n < len(text) {
		h.rest = text[n:]
		h.wake()
	} else if err != nil || h.req.Close {
		h.wake()
	}
	return false
}

// Fall implements transports.Follower.
func (h *heldPoll) Fall() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.answered {
		h.fallen = true
		h.wake()
	}
}

// done takes note that the poll is answered. It must be called with mu held.
func (h *heldPoll) done() {
	h.answered = true
	h.exchange.service.names.leave(h.user)
	h.user = nil
	if h.woken != nil {
		close(h.woken)
		h.woken = nil
	}
}

// wake makes the exchange look at h. It must be called with mu held.
func (h *heldPoll) wake() {
	h.exchange.conn.SetReadDeadline(past)
	if h.woken != nil {
		close(h.woken)
		h.woken = nil
	}
}

// hold waits until h is answered and the next request has begun to come, or until h must be answered
// for another reason. It returns whether the connection can carry another request.
func (x *exchange) hold(h *heldPoll) bool {
	for {
		h.mu.Lock()
		answered, fallen, rest := h.answered, h.fallen, h.rest
		h.rest = nil
		switch {
		case answered:
		case fallen, x.ctx.Err() != nil, !time.Now().Before(h.until):
			h.answered = true // by this goroutine
		default:
			x.conn.SetReadDeadline(h.until) // Deliver and Fall may take it back
			if x.ctx.Err() != nil {
				x.conn.SetReadDeadline(past)
			}
		}
		mine := h.answered && !answered
		h.mu.Unlock()
		switch {
		case mine:
			h.stop()
			return x.answer(h, fallen)
		case answered && rest != nil:
			_ = x.conn.SetWriteDeadline(time.Now().Add(h.limits.WriteTimeout))
			_, err := x.conn.Write(rest)
			x.conn.deadline.Store(0)
			if err != nil {
				return false
			}
			return !h.req.Close
		case answered:
			return !h.req.Close
		}
		var err error
		if x.start == x.end { // else the next request has come along with this one
			err = x.read()
		}
		switch {
		case err == nil:
			if !x.early(h) {
				continue
			}
			return !h.req.Close
		case !errors.Is(err, os.ErrDeadlineExceeded):
			h.mu.Lock()
			if !h.answered {
				h.done()
			}
			h.mu.Unlock()
			h.stop()
			return false
		}
	}
}

// early waits until h is answered, as the next request has begun to come. It returns false if h is to be
// looked at again.
func (x *exchange) early(h *heldPoll) bool {
	h.mu.Lock()
	if h.answered && h.rest == nil {
		h.mu.Unlock()
		return true
	}
	if h.answered || h.fallen {
		h.mu.Unlock()
		return false
	}
	woken := make(chan struct{})
	h.woken = woken
	h.mu.Unlock()
	late := time.NewTimer(time.Until(h.until))
	defer late.Stop()
	select {
	case <-woken:
	case <-late.C:
	case <-x.ctx.Done():
	}
	return false
}

// answer answers a poll whose time has passed, or whose room has no reader any more.
func (x *exchange) answer(h *heldPoll, fallen bool) bool {
	var messages []transports.Message
	var err error
	if fallen {
		messages, err = transports.NextWithin(x.ctx, h.log, h.room, h.seq, h.limits.Batch, time.Until(h.until))
	}
	w := responses.Get().(*response)
	defer w.free()
	w.begin(x, h.req)
	maps.Copy(w.header, h.header)
	transports.AnswerHeld(w, h.req, h.seq, messages, err, h.limits)
	kept := w.finish()
	x.service.names.leave(h.user)
	return kept
}
