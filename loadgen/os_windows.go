package loadgen

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from the child: this process decides when the server stops.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// endGroup ends a child, as Windows has no signal that asks for it.
func endGroup(c *exec.Cmd) { _ = c.Process.Kill() }

// killGroup ends a child.
func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }

// groupLives reports whether a child's group has a process, which is not known.
func groupLives(*exec.Cmd) bool { return false }

// ending returns how a process ended, like "exit status 2".
func ending(state *os.ProcessState) string { return state.String() }

// portLimit returns the number of local ports, which bounds the connections to one address; 0 if
// unknown.
func portLimit() int { return 0 }
