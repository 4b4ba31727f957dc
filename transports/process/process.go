// Package process reports the resource usage of this process and of others with their children, CPU time and
// resident memory, how many files this one may open, and which program it runs.
//
// It does not report on the machine as a whole.
package process

import (
	"fmt"
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Usage is the resource usage of a process.
type Usage struct {
	CPU time.Duration // user and system time of all threads since the process started
	RSS uint64        // resident memory now, in bytes
}

// Self returns the usage of this process so far. The resolution of CPU is that of getrusage, a
// microsecond; on Windows it is that of the kernel's clock. Self is safe for concurrent use.
func Self() (Usage, error) {
	p := &process.Process{Pid: int32(os.Getpid())}
	memory, err := p.MemoryInfo()
	if err != nil {
		return Usage{}, fmt.Errorf("reading this process's memory: %w", err)
	}
	cpu, err := cpuTime(p)
	if err != nil {
		return Usage{}, fmt.Errorf("reading this process's CPU time: %w", err)
	}
	return Usage{CPU: cpu, RSS: memory.RSS}, nil
}
