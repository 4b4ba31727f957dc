//go:build unix

package wire

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// A glance reads from a socket without waiting. It is reused, as its function would be allocated for
// each request otherwise.
type glance struct {
	p    []byte
	n    int
	err  error
	read func(fd uintptr)
}

var glances = sync.Pool{New: func() any {
	g := &glance{}
	g.read = func(fd uintptr) { g.n, g.err = syscall.Read(int(fd), g.p) }
	return g
}}

// readArrived reads what has arrived on a socket; the error is errNothing if nothing has.
func readArrived(socket syscall.RawConn, p []byte) (int, error) {
	g := glances.Get().(*glance)
	defer glances.Put(g)
	g.p = p
	err := socket.Control(g.read) // unlike Read, it ignores the deadline of the last exchange
	g.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(g.err, syscall.EAGAIN) || errors.Is(g.err, syscall.EINTR):
		return 0, errNothing
	case g.err != nil:
		return 0, g.err
	case g.n == 0:
		return 0, io.EOF
	}
	return g.n, nil
}
