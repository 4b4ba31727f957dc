package server

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"pushpull/transports"
)

// A response is the ResponseWriter of an exchange. It writes an answer in one piece if its body is small
// or has no declared length.
type response struct {
	exchange *exchange
	req      *http.Request
	header   http.Header
	status   int    // 0: not set yet
	text     []byte // the head, once it is made, and the body
	headed   bool   // the head is in text, or written, with the length of the body
	left     int    // of that length: bytes of the body that are still to come
	whole    bool   // nothing is written: the answer is composed in text
	broken   error  // of writing

	hijacked bool
	run      func()    // with the hijacked connection, once the handler has returned
	held     *heldPoll // the request is answered later
	user     *presence // of the request; nil: it gives no name
}

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Hijacker       = (*response)(nil)
	_ transports.Detacher = (*response)(nil)
	_ transports.Holder   = (*response)(nil)
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
	if lengths := w.header["Content-Length"]; !w.headed && len(lengths) > 0 {
		if w.left, w.broken = strconv.Atoi(lengths[0]); w.broken != nil {
			return 0, w.broken
		}
		w.text, w.headed = w.appendHead(w.text[:0], -1), true
	}
	if w.headed {
		if len(p) > w.left {
			return 0, http.ErrContentLength
		}
		w.left -= len(p)
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
	closing = closing || w.left > 0 || len(w.header["Connection"]) > 0 // what is missing would be taken from the next answer
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
	x.service.conns.release(x.conn)
	x.conn.early = bytes.Clone(x.buf[x.start:x.end])
	x.start, x.end = 0, 0
	return x.conn, bufio.NewReadWriter(bufio.NewReaderSize(x.conn, headBuffer), bufio.NewWriterSize(x.conn, headBuffer)), nil
}

// Detach implements transports.Detacher.
func (w *response) Detach(run func()) { w.run = run }
