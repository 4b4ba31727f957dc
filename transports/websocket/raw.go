package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// A rawConn is the connection below an engine. On it the server
//
//   - writes its own close frame as the last frame. The library would answer the user's close frame
//     with a second one, which browsers take for a broken connection, and then hide the close code
//     from the page (https://github.com/coder/websocket/issues/448);
//   - writes the engine's answers between two batches of messages;
//   - paces frames before the engine sees them, as it answers pings and skips empty fragments itself;
//   - bounds the time in which a message must arrive, as one that never ends would hold its memory;
//   - sends pings, and notices a user that has gone without a word. The read deadline wakes the reading
//     goroutine for that, so there is no timer.
type rawConn struct {
	net.Conn
	stream *transports.Stream
	closed atomic.Bool // the close frame is written; later writes are dropped

	early    []byte          // arrived along with the handshake and is not read yet
	pace     pace            // of the user's frames
	timed    bool            // the read deadline is that of a message that has begun
	life     context.Context //nolint:containedctx // ends when the connection must end
	flooding func()          // called when the user doesn't keep to the pace; may be called again

	heartbeat time.Duration
	beat      time.Time // of the next ping; zero: nothing was read yet
	heard     bool      // something has come since the last ping
	missed    int       // pings in a row after which nothing has come
}

// Write implements net.Conn.
func (c *rawConn) Write(data []byte) (int, error) {
	if c.closed.Load() {
		return len(data), nil
	}
	return c.stream.Write(data)
}

// errLate is the error of a read when a message takes too long to arrive.
var errLate error = policyError("a message did not arrive whole within " + messageTime.String() + ": send it again, faster")

// errSilent is the error of a read when the user has gone without a word.
var errSilent = errors.New("the user answers no pings")

// Read implements net.Conn. It waits if the user is ahead of its pace: TCP then slows it down.
func (c *rawConn) Read(p []byte) (int, error) {
	if c.beat.IsZero() {
		c.beat, c.heard = transports.FirstBeat(c.pace.now, c.heartbeat), true
		_ = c.SetReadDeadline(c.beat)
	}
	if wait := c.pace.wait(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.life.Done():
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
		n, err = c.receive(p)
	}
	c.heard = c.heard || n > 0
	c.pace.read(p[:n])
	if late := c.pace.frames.within(); late != c.timed {
		c.timed = late
		deadline := c.beat
		if late {
			deadline = c.pace.now.Add(messageTime)
		}
		_ = c.SetReadDeadline(deadline) // fails only if the connection is closed, and then the next Read fails, too
	}
	return n, err
}

// receive reads, and sends pings meanwhile.
func (c *rawConn) receive(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.timed {
			return 0, errLate
		}
		if c.heard {
			c.missed = 0
		} else {
			c.missed++
		}
		if c.missed == transports.MissedHeartbeats {
			return 0, errSilent
		}
		c.heard = false
		if _, err := c.Write(ping); err != nil {
			return 0, err
		}
		c.beat = transports.NextBeat(c.beat, time.Now(), c.heartbeat)
		_ = c.SetReadDeadline(c.beat)
	}
}

// ping is an empty ping.
var ping = frameOf(opPing, nil)

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
