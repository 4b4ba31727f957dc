//go:build !linux

package proxy

import "os/exec"

// start starts a proxy. It stays if this process is killed: this system can't be asked to end it too.
func start(c *exec.Cmd, _ <-chan struct{}) error { return c.Start() }

// interrupt ends a proxy.
func interrupt(c *exec.Cmd) { _ = c.Process.Kill() } // it fails if the proxy has ended
