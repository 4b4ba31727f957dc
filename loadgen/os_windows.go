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

// ending returns how a process ended, like "exit status 2".
func ending(state *os.ProcessState) string { return state.String() }

// portLimit returns the number of local ports, which bounds the connections to one address; 0 if
// unknown.
func portLimit() int { return 0 }
