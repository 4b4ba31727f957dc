//go:build !linux

package process

import (
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// bornAt returns when a process was started, in milliseconds since the Unix epoch.
func bornAt(pid int32) (uint64, error) {
	p, err := process.NewProcess(pid)
	if err != nil {
		return 0, err
	}
	at, err := p.CreateTime()
	return uint64(at), err
}

// members returns the processes of the tree that live now. What their children have used that have ended is not known.
func (t *Tree) members() (map[int32]*member, error) {
	running, err := process.Processes()
	if err != nil {
		return nil, err
	}
	all := map[int32]*member{}
	for _, p := range running {
		m := &member{}
		if m.parent, err = p.Ppid(); err != nil {
			continue
		}
		at, err := p.CreateTime()
		if err != nil {
			continue
		}
		m.born = uint64(at)
		all[p.Pid] = m
	}
	in := t.belongs(all)
	for pid, m := range in {
		p := &process.Process{Pid: pid}
		if used, err := p.Times(); err == nil {
			m.own = time.Duration((used.User + used.System) * float64(time.Second))
		}
	}
	return in, nil
}

// memoryOf returns the resident memory of processes.
func memoryOf(members map[int32]*member) uint64 {
	var sum uint64
	for pid := range members {
		if memory, err := (&process.Process{Pid: pid}).MemoryInfo(); err == nil {
			sum += memory.RSS
		}
	}
	return sum
}
