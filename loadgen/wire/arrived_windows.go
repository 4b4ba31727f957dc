package wire

import (
	"encoding/binary"
	"io"
	"syscall"
)

const fionread = 0x4004667f // the control code of FIONREAD, see ioctlsocket in winsock.h

// readArrived returns io.ErrUnexpectedEOF if something has arrived on a socket, which it doesn't read,
// and else errNothing. Whether the other side has closed the socket is not known on Windows.
func readArrived(socket syscall.RawConn, _ []byte) (int, error) {
	var n [4]byte
	var failed error
	err := socket.Control(func(fd uintptr) { // unlike Read, it ignores the deadline of the last exchange
		var size uint32
		failed = syscall.WSAIoctl(syscall.Handle(fd), fionread, nil, 0, &n[0], uint32(len(n)), &size, nil, 0)
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case binary.NativeEndian.Uint32(n[:]) > 0:
		return 0, io.ErrUnexpectedEOF
	}
	return 0, errNothing
}
