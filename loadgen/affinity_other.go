//go:build !linux

package loadgen

import (
	"os/exec"
	"runtime"
)

type cpuSet struct{}

// availableCPUs returns the number of CPUs that this process may use.
func availableCPUs() (cpuSet, int) { return cpuSet{}, runtime.NumCPU() }

// bind leaves the servers' CPUs to the servers as far as the Go code of this process goes.
func (s *Split) bind() error {
	s.former = runtime.GOMAXPROCS(s.Generator)
	return nil
}

func (s *Split) release() error {
	runtime.GOMAXPROCS(s.former)
	return nil
}

func (*Split) startBound(c *exec.Cmd) error { return c.Start() } // no split is bound here
