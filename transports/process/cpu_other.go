//go:build !unix

package process

import (
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

func cpuTime(p *process.Process) (time.Duration, error) {
	used, err := p.Times()
	if err != nil {
		return 0, err
	}
	return time.Duration((used.User + used.System) * float64(time.Second)), nil
}
