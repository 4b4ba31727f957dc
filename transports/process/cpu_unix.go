//go:build unix

package process

import (
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// cpuTime uses getrusage, as the times that gopsutil reads from /proc have a resolution of 10 ms.
func cpuTime(*process.Process) (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
