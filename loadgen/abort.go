package loadgen

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"pushpull/loadgen/fault"
	"pushpull/transports"
)

// aborts makes the users of a window abort answers. Its connections take turns: the first one is closed after 0 bytes of
// what arrives, the next one after 1, and so on up to the last position of an answer with some messages.
type aborts struct {
	mu   sync.Mutex
	on   bool
	next int
}

const (
	abortPositions = 640 // bytes of an answer with its head, and a few messages
	abortStride    = 97  // positions by which rounds begin apart: about as many as a window has aborts
)

var errAborted = errors.New("the user has aborted the answer")

// newAborts returns those of a round, which begin at another position than those of the round before.
func newAborts(round int) *aborts { return &aborts{next: round * abortStride % abortPositions} }

var _ fault.Aborter = (*aborts)(nil)

// Abort implements fault.Aborter.
func (a *aborts) Abort(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.on = on
}

// position returns after how many bytes the next answer is aborted.
func (a *aborts) position() (n int, on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.on {
		return 0, false
	}
	n = a.next
	a.next = (a.next + 1) % abortPositions
	return n, true
}

// connect opens a connection of a user.
func (a *aborts) connect(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := (&net.Dialer{Timeout: transports.AnswerTime}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &abortable{TCPConn: plain.(*net.TCPConn), of: a, left: untouched}, nil
}

// An abortable is a connection of a user that may abort an answer.
type abortable struct {
	*net.TCPConn
	of   *aborts
	left int // bytes until it is closed
}

var _ syscall.Conn = (*abortable)(nil)

// untouched is left of a connection that has no position yet.
const untouched = -1

// Read implements net.Conn. The user closes the connection when more than the position has arrived, which it has not seen
// then: the server has sent it.
func (c *abortable) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if c.left == untouched && n > 0 {
		if at, on := c.of.position(); on {
			c.left = at
		}
	}
	if c.left == untouched {
		return n, err
	}
	if n <= c.left {
		c.left -= n
		return n, err
	}
	n = c.left
	c.left = 0
	return n, cmp.Or[error](c.abort(), &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: errAborted})
}

// abort closes the connection at once.
func (c *abortable) abort() error {
	_ = c.SetLinger(0) // if it fails, the connection is closed as usual
	_ = c.SetDeadline(time.Unix(1, 0))
	return c.TCPConn.Close()
}
