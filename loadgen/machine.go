package loadgen

import (
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
)

// A CPUTime is what the cores of a machine have done since it started, all together.
type CPUTime struct {
	Programs   time.Duration // of all users, and of other machines that share the cores
	Interrupts time.Duration // may be part of what the system reports of single programs, too
	Idle       time.Duration
}

// MachineCPU returns the CPU time of this machine.
func MachineCPU() (CPUTime, error) {
	all, err := cpu.Times(false)
	if err == nil && len(all) == 0 {
		err = errors.New("the system reports none")
	}
	if err != nil {
		return CPUTime{}, fmt.Errorf("reading the CPU time of this machine: %w", err)
	}
	of := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	t := all[0]
	return CPUTime{
		Programs: of(t.User + t.System + t.Nice + t.Steal), Interrupts: of(t.Irq + t.Softirq), Idle: of(t.Idle + t.Iowait),
	}, nil
}

// Busy returns the share of the CPU, 0 to 1, that was not idle since an earlier time; 0 if unknown.
func (t CPUTime) Busy(since CPUTime) float64 {
	busy := t.Programs + t.Interrupts - since.Programs - since.Interrupts
	all := busy + t.Idle - since.Idle
	if busy <= 0 || all < busy {
		return 0
	}
	return float64(busy) / float64(all)
}
