package transporttest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"pushpull/transports"
)

// address pretends to be one of loopback.
var address = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}

// newBuffered returns the two ends of a connection that holds up to most bytes each way.
func newBuffered(most int) (user, server net.Conn) {
	there, back := newBuffer(most), newBuffer(most)
	return &end{in: back, out: there}, &tryEnd{end{in: there, out: back}}
}

// A buffer is one direction of a connection.
type buffer struct {
	most int

	mu      sync.Mutex
	changed sync.Cond // anything below
	data    []byte    // written and not read yet
	ended   bool      // nothing more is written
	gone    bool      // nothing more is read

	readBy, writeBy time.Time // deadlines; zero: none
	readT, writeT   *time.Timer
}

func newBuffer(most int) *buffer {
	b := &buffer{most: most}
	b.changed.L = &b.mu
	return b
}

// passed reports whether a deadline has passed.
func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.gone:
			return 0, net.ErrClosed
		case passed(b.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(b.data) > 0:
			n := copy(p, b.data)
			if b.data = b.data[n:]; len(b.data) == 0 {
				b.data = nil
			}
			b.changed.Broadcast()
			return n, nil
		case b.ended:
			return 0, io.EOF
		}
		b.changed.Wait()
	}
}

// write writes data, or, if it must not wait, the part for which there is space.
func (b *buffer) write(data []byte, wait bool) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	written := 0
	for {
		switch {
		case b.ended:
			return written, net.ErrClosed
		case b.gone:
			return written, syscall.EPIPE
		case wait && passed(b.writeBy): // a deadline is for those that wait
			return written, os.ErrDeadlineExceeded
		}
		n := min(b.most-len(b.data), len(data)-written)
		if n > 0 {
			b.data = append(b.data, data[written:written+n]...)
			written += n
			b.changed.Broadcast()
		}
		if written == len(data) || !wait {
			return written, nil
		}
		b.changed.Wait()
	}
}

func (b *buffer) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.changed.Broadcast()
}

func (b *buffer) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone, b.data = true, nil
	b.changed.Broadcast()
}

// until sets one of the deadlines of b.
func (b *buffer) until(t time.Time, deadline *time.Time, timer **time.Timer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*deadline = t
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		*timer = time.AfterFunc(wait, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed.Broadcast()
		})
	}
	b.changed.Broadcast()
}

// An end is the user's end of a connection. What was written before Close can still be read.
type end struct{ in, out *buffer }

var _ net.Conn = (*end)(nil)

func (e *end) Read(p []byte) (int, error)     { return e.in.read(p) }
func (e *end) Write(data []byte) (int, error) { return e.out.write(data, true) }
func (e *end) LocalAddr() net.Addr            { return address }
func (e *end) RemoteAddr() net.Addr           { return address }

func (e *end) Close() error {
	_ = e.SetDeadline(time.Time{})
	e.in.abandon()
	e.out.end()
	return nil
}

// CloseWrite lets the other end read io.EOF.
func (e *end) CloseWrite() error {
	e.out.end()
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.until(t, &e.in.readBy, &e.in.readT)
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.until(t, &e.out.writeBy, &e.out.writeT)
	return nil
}

// A tryEnd is the server's end.
type tryEnd struct{ end }

var _ transports.TryWriter = (*tryEnd)(nil)

// TryWrite implements transports.TryWriter.
func (e *tryEnd) TryWrite(data []byte) (int, error) { return e.out.write(data, false) }
