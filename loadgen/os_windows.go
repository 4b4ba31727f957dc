package loadgen

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from the child: it is this process that decides when the
// server stops.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// fileLimit returns how many files this process may have open; 0 when nobody knows.
func fileLimit() int { return 0 }

// portLimit returns how many connections to one address this machine can have; 0 when nobody knows.
func portLimit() int { return 0 }

// socketEnded says whether the other side has closed a socket; here nobody knows.
func socketEnded(syscall.Conn) bool { return false }
