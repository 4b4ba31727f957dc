package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// A rawConn is the connection below the library's. On it the server
//
//   - writes its own close frame as the last frame. The library would answer the user's close frame
//     with a second one, which browsers take for a broken connection, and then hide the close code
//     from the page (https://github.com/coder/websocket/issues/448);
//   - paces frames before the library sees them, as it answers pings and skips empty fragments itself;
//   - bounds the time in which a message must arrive, as one that never ends would hold its memory.
type rawConn struct {
	net.Conn
	closed atomic.Bool // the close frame is written; later writes are dropped

	early    []byte          // arrived along with the handshake and is not read yet
	pace     pace            // of the user's frames
	timed    bool            // a read deadline is set, as a message has begun
	life     <-chan struct{} // closed when the connection must end
	flooding func()          // called when the user doesn't keep to the pace; may be called again
}

// Write implements net.Conn.
func (c *rawConn) Write(data []byte) (int, error) {
	if c.closed.Load() {
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// errLate is the error of a read when a message takes too long to arrive.
var errLate error = policyError("a message did not arrive whole within " + messageTime.String() + ": send it again, faster")

// Read implements net.Conn. It waits if the user is ahead of its pace: TCP then slows it down.
func (c *rawConn) Read(p []byte) (int, error) {
	if wait := c.pace.wait(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.life:
			return 0, net.ErrClosed
		}
		if c.pace.waited(wait) {
			c.flooding()
		}
	}
	p = p[:c.pace.allows(len(p))]
	n, err := copy(p, c.early), error(nil)
	if n > 0 {
		c.early = c.early[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	c.pace.read(p[:n])
	if late := c.pace.frames.within(); late != c.timed {
		c.timed = late
		var deadline time.Time
		if late {
			deadline = c.pace.now.Add(messageTime)
		}
		_ = c.SetReadDeadline(deadline) // fails only if the connection is closed, and then the next Read fails, too
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errLate
	}
	return n, err
}

// A hijacker puts a rawConn below the library's connection.
type hijacker struct {
	http.ResponseWriter
	raw *rawConn
}

// Hijack implements http.Hijacker.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // can't fail, as it reads nothing
	h.raw.early = bytes.Clone(early)
	h.raw.Conn = conn
	rw.Reader.Reset(h.raw)
	rw.Writer.Reset(h.raw)
	return h.raw, rw, nil
}
