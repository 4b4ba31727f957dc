package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const sourcesWork = true

// control gives a socket its source before it connects to an address. The port is chosen by connect, which knows the
// destination: bind would take one that no other destination could have at the same time. If the system refuses the
// source, it chooses one itself, as it does for all else.
func (s *Sources) control(_, address string, raw syscall.RawConn) error {
	from, ok := s.source(address)
	if !ok {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) == nil {
			_ = unix.Bind(int(fd), &unix.SockaddrInet4{Addr: from.As4()})
		}
	})
}
