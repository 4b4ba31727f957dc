package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const responseBuffer = 512 // bytes; longer header lines are read all the same

// A conn is one connection of a user.
type conn struct {
	net.Conn // the meter, or TLS over it

	meter   meter
	answers *bufio.Reader // over the conn itself
	early   []byte        // came along with the head of a stream and is to be read before anything else
	used    time.Time     // when it became idle
	carried bool          // it has carried a request: the bytes so far are not of the next one
	broke   error         // of the last Read; package textproto takes the beginning of a line for a whole one, and drops it
	cut     error         // of writing a request; an answer may have come nevertheless

	gentle bool // closed as usual, not reset: see close

	left, limit int64  // bytes that may still be read of a part of an answer, and at first
	part        string // of the answer

	glance [1]byte
}

func newConn(plain net.Conn, counts *Counts, user *carried) *conn {
	c := &conn{left: unlimited}
	c.meter.open(plain, counts, user)
	c.Conn = &c.meter
	c.answers = bufio.NewReaderSize(c, responseBuffer)
	return c
}

// secure puts TLS over the meter, which from now on passes on one record at a time.
func (c *conn) secure(config *tls.Config) *tls.Conn {
	c.meter.records = &records{}
	secure := tls.Client(&c.meter, config)
	c.Conn = secure
	return secure
}

// Read reads as much as is allowed.
func (c *conn) Read(p []byte) (int, error) {
	if n := copy(p, c.early); n > 0 {
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	if err := c.exceeded(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.broke = err
	c.left -= int64(n)
	return n, err
}

// quiet reports whether an idle connection is open and nothing has arrived on it. What arrives on an
// idle connection is the answer to no request: servers close connections that were idle for long, and
// some say so first by a 408. Over TLS, records that carry no data, like session tickets, are read.
func (c *conn) quiet() bool {
	c.meter.reads = arrived
	n, err := c.Conn.Read(c.glance[:])
	c.meter.reads = waiting
	return n == 0 && errors.Is(err, errNothing)
}

// unread returns the bytes of plaintext that have arrived with the last TLS record, or in the last
// read without TLS, but that nobody has read yet. They are read from now on as before.
func (c *conn) unread() int64 {
	if c.meter.records != nil {
		c.meter.reads = stopped
		c.early, _ = io.ReadAll(c.Conn) // it ends with errNothing
		c.meter.reads = waiting
	}
	return int64(c.answers.Buffered() + len(c.early))
}

var (
	requests = sync.Pool{New: func() any { return new([]byte) }}
	bodies   = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// send writes a request in one piece, with the query and the credentials of the server's address. The
// error is of reading its body: nothing is written then. If writing fails, cut says so.
func (c *conn) send(req *http.Request, d *Dialer) error {
	pooled := requests.Get().(*[]byte)
	defer requests.Put(pooled)
	buf := append((*pooled)[:0], req.Method...)
	buf = append(buf, ' ')
	buf = append(buf, req.URL.RequestURI()...)
	if d.query != "" {
		mark := byte('?')
		if req.URL.RawQuery != "" {
			mark = '&'
		}
		buf = append(append(buf, mark), d.query...)
	}
	buf = append(buf, " HTTP/1.1\r\nHost: "...)
	buf = append(buf, req.Host...)
	buf = append(buf, "\r\n"...)
	buf = append(buf, d.header...)
	for key, values := range req.Header {
		for _, value := range values {
			buf = append(buf, key...)
			buf = append(buf, ": "...)
			buf = append(buf, value...)
			buf = append(buf, "\r\n"...)
		}
	}
	text := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(text)
	text.Reset()
	if req.Body != nil {
		defer req.Body.Close()
		if _, err := text.ReadFrom(req.Body); err != nil {
			return err
		}
	}
	if text.Len() > 0 || req.Method == http.MethodPost {
		buf = append(buf, "Content-Length: "...)
		buf = strconv.AppendInt(buf, int64(text.Len()), 10)
		buf = append(buf, "\r\n"...)
	}
	buf = append(buf, "\r\n"...)
	buf = append(buf, text.Bytes()...)
	*pooled = buf
	_, c.cut = c.Write(buf)
	return nil
}
