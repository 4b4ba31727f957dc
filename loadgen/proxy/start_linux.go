package proxy

import (
	"os/exec"
	"runtime"
	"syscall"
)

// start starts a proxy, which gets SIGTERM if this process is killed. The signal is bound to the thread that started it
// (prctl(2)), which is kept until the proxy has ended.
func start(c *exec.Cmd, ended <-chan struct{}) error {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			<-ended
		}
	}()
	return <-started
}

// interrupt asks a proxy to end. nginx and HAProxy drop their connections then.
func interrupt(c *exec.Cmd) { _ = c.Process.Signal(syscall.SIGTERM) } // it fails if the proxy has ended
