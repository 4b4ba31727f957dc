package sse

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"pushpull/transports"
)

// A framing is how a stream is cut into pieces on a connection, as the version of HTTP has it.
type framing struct {
	open      func(http.ResponseWriter, *http.Request) (net.Conn, error) // the response, whose status is written
	piece     func(buf []byte, text string) []byte
	events    *transports.Spelling
	heartbeat []byte
	end       string // of the stream
}

// chunked is the framing of HTTP/1.1, on the connection itself.
var chunked = &framing{
	open: func(w http.ResponseWriter, _ *http.Request) (net.Conn, error) {
		conn, _, err := http.NewResponseController(w).Hijack()
		return conn, err
	},
	piece: chunk, heartbeat: chunk(nil, comment), end: "0\r\n\r\n",
	// All events of a batch are one chunk.
	events: &transports.Spelling{Append: func(buf []byte, messages []transports.Message) []byte {
		const room = 8 // for the size of a chunk, in hex, and the end of its line
		start := len(buf)
		buf = appendEvents(append(buf, "00000000\r\n"...), messages)
		size := len(buf) - start - room - 2
		buf = append(buf, "\r\n"...)
		digits := strconv.AppendUint(make([]byte, 0, room), uint64(size), 16)
		unused := copy(buf[start+room-len(digits):], digits) // behind leading zeros, which are cut off
		return append(buf[:start], buf[start+room-unused:]...)
	}},
}

// bare is the framing of HTTP/2, which has frames of its own.
var bare = &framing{
	open: func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		return &response{writer: w, control: http.NewResponseController(w), request: r, closed: make(chan struct{})}, nil
	},
	piece:     func(buf []byte, text string) []byte { return append(buf, text...) },
	heartbeat: []byte(comment),
	events:    &transports.Spelling{Append: appendEvents},
}

// chunk appends text as one chunk (RFC 9112, section 7.1).
func chunk(buf []byte, text string) []byte {
	buf = strconv.AppendUint(buf, uint64(len(text)), 16)
	buf = append(buf, "\r\n"...)
	buf = append(buf, text...)
	return append(buf, "\r\n"...)
}

func appendEvents(buf []byte, messages []transports.Message) []byte {
	for _, m := range messages {
		buf = appendEvent(buf, m)
	}
	return buf
}

// A response is a stream of HTTP/2 as a connection: what is written goes out at once, and nothing comes but the end.
type response struct {
	net.Conn // nil: nothing else is called

	writer  http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	until   time.Time // when Read gives up
	once    sync.Once
	closed  chan struct{}
}

// Read waits until the user has gone, the server stops, or the deadline has passed.
func (c *response) Read([]byte) (int, error) {
	timer := time.NewTimer(time.Until(c.until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	case <-c.request.Context().Done():
		return 0, io.EOF
	}
}

// Write implements net.Conn.
func (c *response) Write(p []byte) (int, error) {
	n, err := c.writer.Write(p)
	if err == nil {
		err = c.control.Flush()
	}
	return n, err
}

// SetReadDeadline implements net.Conn. It is called between two reads.
func (c *response) SetReadDeadline(t time.Time) error {
	c.until = t
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *response) SetWriteDeadline(t time.Time) error { return c.control.SetWriteDeadline(t) }

// Close ends a Read that waits.
func (c *response) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
