//go:build unix

package loadgen

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from the child: it is this process that decides when the
// server stops.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// fileLimit returns how many files this process may have open; 0 when nobody knows. Go has
// raised it to the hard limit at the start.
func fileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:unconvert // it is signed on FreeBSD
}

// portLimit returns how many connections to one address this machine can have; 0 when nobody
// knows. See ip(7).
func portLimit() int {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0 // not Linux
	}
	var first, last int
	if _, err := fmt.Sscan(string(data), &first, &last); err != nil {
		return 0
	}
	return last - first + 1
}

// socketEnded says whether the other side has closed a socket that nobody reads from now.
func socketEnded(socket syscall.Conn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var n int
	var peekErr error
	err = raw.Read(func(fd uintptr) bool {
		n, _, peekErr = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return true // it doesn't wait
	})
	open := n > 0 || errors.Is(peekErr, syscall.EAGAIN) || errors.Is(peekErr, syscall.EINTR)
	return err != nil || !open
}
