// Package process says what this process has used: CPU time and resident memory.
//
// It looks at no other process and at no machine as a whole.
package process

import (
	"fmt"
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Usage is what a process has used.
type Usage struct {
	CPU time.Duration // user and system time of all threads since the process started
	RSS uint64        // resident memory now, in bytes
}

// Self returns what this process has used so far. CPU has the resolution of getrusage, a
// microsecond, and on Windows that of the kernel's clock. It is safe for concurrent use.
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
