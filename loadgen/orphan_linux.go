package loadgen

import (
	"os/exec"
	"runtime"
	"syscall"
)

// startForeign starts c, which gets SIGTERM if this process is killed: a foreign server may know nothing of its
// standard input. The signal is bound to the thread that started it (prctl(2)), which is kept until the server has
// ended.
func startForeign(c *exec.Cmd, start func(*exec.Cmd) error, ended <-chan struct{}) error {
	c.SysProcAttr.Pdeathsig = syscall.SIGTERM
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := start(c)
		started <- err
		if err == nil {
			<-ended
		}
	}()
	return <-started
}
