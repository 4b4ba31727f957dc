//go:build unix

package server

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"pushpull/transports"
)

// tries is what a connection needs to be written to without waiting. It is used by one goroutine at a time.
type tries struct {
	socket syscall.RawConn // nil: it is none of the system's

	write func(fd uintptr) bool // kept, as it would be allocated for each write
	data  []byte
	n     int
	err   error
}

// open prepares to write to c, and returns whether that works.
func (t *tries) open(c net.Conn) bool {
	plain, ok := c.(syscall.Conn)
	if !ok {
		_, ok = transports.CanTry(c)
		return ok
	}
	socket, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	t.socket = socket
	t.write = func(fd uintptr) bool {
		for {
			t.n, t.err = syscall.Write(int(fd), t.data)
			if !errors.Is(t.err, syscall.EINTR) {
				return true
			}
		}
	}
	return true
}

// try writes to the connection that was opened, without waiting.
func (t *tries) try(c net.Conn, data []byte) (int, error) {
	if t.socket == nil {
		return tryWrapped(c, data)
	}
	if len(data) == 0 {
		return 0, nil
	}
	t.data = data
	err := t.socket.Write(t.write)
	if errors.Is(err, os.ErrDeadlineExceeded) { // left over from a Write
		c.SetWriteDeadline(time.Time{})
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
