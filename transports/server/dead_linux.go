package server

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// giveUp makes the system end a connection whose other end has acknowledged nothing for d. Without it what
// was sent is repeated for a quarter of an hour (tcp(7), tcp_retries2). If it fails, that is what happens.
func giveUp(socket syscall.RawConn, d time.Duration) {
	_ = socket.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}
