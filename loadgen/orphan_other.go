//go:build !linux

package loadgen

import "os/exec"

// startForeign starts c.
func startForeign(c *exec.Cmd, start func(*exec.Cmd) error, _ <-chan struct{}) error { return start(c) }
