//go:build unix

package server

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// tries is what a connection needs to be written to without waiting.
type tries struct {
	socket syscall.RawConn // nil: it is none of the system's

	write func(fd uintptr) bool // kept, as it would be allocated for each write
	data  []byte
	n     int
	err   error
}

// prepare returns whether c can be written to without waiting.
func (c *conn) prepare() bool {
	plain, ok := c.Conn.(syscall.Conn)
	if !ok {
		return c.wrapsTrier()
	}
	socket, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	c.tries.socket = socket
	c.tries.write = func(fd uintptr) bool {
		t := &c.tries
		for {
			t.n, t.err = syscall.Write(int(fd), t.data)
			if !errors.Is(t.err, syscall.EINTR) {
				return true
			}
		}
	}
	return true
}

func (c *conn) tryWrite(data []byte) (int, error) {
	t := &c.tries
	if t.socket == nil {
		return c.tryWrapped(data)
	}
	if len(data) == 0 {
		return 0, nil
	}
	t.data = data
	err := t.socket.Write(t.write)
	if errors.Is(err, os.ErrDeadlineExceeded) { // left over from a Write
		c.Conn.SetWriteDeadline(time.Time{})
		err = t.socket.Write(t.write)
	}
	t.data = nil
	n := max(t.n, 0)
	switch {
	case err != nil:
		return 0, err
	case errors.Is(t.err, syscall.EAGAIN):
		return 0, nil
	case t.err != nil:
		return n, os.NewSyscallError("write", t.err)
	}
	return n, nil
}
