package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"pushpull/transports"
)

// recordBytes is how many bytes of data a TLS record holds at most (RFC 8446, section 5.1).
const recordBytes = 16 << 10

// secureConfig returns config as the server uses it.
func secureConfig(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"} // browsers open a WebSocket on a connection that offers the second alone
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.DynamicRecordSizingDisabled = true // one write to the system for each answer or batch, not one for each packet
	return config
}

// A secured is a connection over TLS that can be tried like one without. What TLS writes goes through an outbox, so
// neither a write nor an answer of TLS to its other end ever waits within TLS, where it would hold up all others.
type secured struct {
	*tls.Conn
	below *outbox
	owed  bool // the first byte of the next write is a part of the record that waits in the outbox
}

var _ transports.TryWriter = (*secured)(nil)

func newSecured(c net.Conn, config *tls.Config) *secured {
	below := &outbox{Conn: c, direct: true}
	below.tried = below.tries.open(c)
	return &secured{Conn: tls.Server(below, config), below: below}
}

// handshake makes the handshake within a time.
func (s *secured) handshake(limit time.Duration) error {
	_ = s.SetDeadline(time.Now().Add(limit))
	if err := s.Handshake(); err != nil {
		return err
	}
	_ = s.SetDeadline(time.Time{})
	s.below.established()
	return nil
}

// TryWrite implements transports.TryWriter. A record of which the system has taken only a part waits in the outbox. Its
// last byte counts as not written, so that the caller goes on with a Write.
func (s *secured) TryWrite(data []byte) (int, error) {
	if !s.below.tried {
		return 0, errors.ErrUnsupported
	}
	if len(data) == 0 {
		return 0, nil
	}
	waits, err := s.below.try()
	if err != nil || waits {
		return 0, err
	}
	written := s.settle()
	for written < len(data) {
		record := data[written:min(written+recordBytes, len(data))]
		if _, err := s.Conn.Write(record); err != nil {
			return written, err
		}
		written += len(record)
		if s.below.waits() {
			s.owed = true
			return written - 1, nil
		}
	}
	return written, nil
}

// Write implements net.Conn. It returns once the system has taken all of data.
func (s *secured) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if err := s.below.flush(); err != nil {
		return 0, err
	}
	for written := s.settle(); ; {
		if written == len(data) {
			return written, nil
		}
		record := data[written:min(written+recordBytes, len(data))]
		if _, err := s.Conn.Write(record); err != nil {
			return written, err
		}
		if err := s.below.flush(); err != nil {
			return written, err
		}
		written += len(record)
	}
}

// settle returns how many bytes at the beginning of the next write have been written already.
func (s *secured) settle() int {
	if s.owed {
		s.owed = false
		return 1
	}
	return 0
}

// CloseWrite says that nothing more is written, over TLS and below it.
func (s *secured) CloseWrite() error {
	if err := s.Conn.CloseWrite(); err != nil {
		return err
	}
	return closeWrite(s.below.Conn)
}

// outboxMost is how many bytes wait in an outbox at most: a record, and what TLS answers meanwhile.
const outboxMost = 64 << 10

// errBehind is the error of a client that makes TLS answer and reads none of the answers.
var errBehind = errors.New("the client reads nothing of what TLS answers")

// An outbox is the connection below TLS. Once the handshake is done its Write never waits: what the system doesn't take is
// kept until it is flushed.
type outbox struct {
	net.Conn
	tried  bool // it can be written to without waiting
	direct bool // Write waits, until the handshake is done

	mu       sync.Mutex
	tries    tries
	flushing bool // a goroutine writes, and may wait
	rest     []byte
}

func (o *outbox) established() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.direct = !o.tried
}

// Write implements net.Conn, for TLS.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	if o.direct {
		o.mu.Unlock()
		return o.Conn.Write(p)
	}
	defer o.mu.Unlock()
	n := 0
	if !o.flushing && len(o.rest) == 0 {
		var err error
		if n, err = o.tries.try(o.Conn, p); err != nil {
			return n, err
		}
	}
	if len(o.rest)+len(p)-n > outboxMost {
		return n, errBehind
	}
	o.rest = append(o.rest, p[n:]...)
	return len(p), nil
}

// waits reports whether something waits to be written.
func (o *outbox) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rest) > 0
}

// try writes what waits as far as the system takes it, and returns whether something still waits.
func (o *outbox) try() (waits bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.rest) == 0 {
		return false, nil
	}
	n, err := o.tries.try(o.Conn, o.rest)
	o.took(n)
	return len(o.rest) > 0, err
}

// flush writes all that waits. Its limit is the write deadline.
func (o *outbox) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.rest) > 0 {
		o.flushing = true
		rest := o.rest
		o.mu.Unlock()
		n, err := o.Conn.Write(rest)
		o.mu.Lock()
		o.flushing = false
		if o.took(n); err != nil {
			return err
		}
	}
	return nil
}

// took drops the first n bytes that wait. It must be called with mu held.
func (o *outbox) took(n int) {
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		o.rest = nil // most connections never need it again
	}
}

// secure makes the TLS handshake of c, on a goroutine of its own: it leaves a deep stack behind.
func (sv *service) secure(ctx context.Context, c *conn, s *secured) {
	defer sv.busy.Add(-1)
	err := s.handshake(sv.HeaderTimeout)
	if err == nil {
		sv.dispatch(ctx, c)
		return
	}
	defer c.Close()
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && header.Conn != nil && isRequest(header.RecordHeader[:]) {
		answerPlain(s.below.Conn)
		return
	}
	if !gone(err) {
		sv.Logger.Warn("a TLS handshake failed", errorKey, err)
	}
}

// gone reports whether err means that the other end has left, or sends nothing.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ECONNRESET)
}

// isRequest reports whether the first bytes of a connection are those of HTTP without TLS.
func isRequest(head []byte) bool {
	for _, c := range head {
		if (c < 'A' || 'Z' < c) && c != ' ' && c != '/' {
			return false
		}
	}
	return true
}

// answerPlain answers a request that came without TLS, of which the first bytes have been read.
func answerPlain(c net.Conn) {
	c.SetDeadline(time.Now().Add(linger))
	line, _ := json.Marshal(map[string]string{"error": "this port speaks TLS: write https:// instead of http://, or wss:// instead of ws://"})
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n",
		http.StatusBadRequest, http.StatusText(http.StatusBadRequest), len(line)+1, line)
	if err == nil && closeWrite(c) == nil {
		_, _ = io.CopyN(io.Discard, c, unreadMost)
	}
}
