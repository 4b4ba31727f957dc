package main

import (
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A meter measures how much CPU other programs use in the measured part of a window.
type meter struct {
	read func() (time.Duration, error) // returns the CPU time of the whole machine

	begun, ended time.Time
	from, to     time.Duration
}

// machineCPU returns the CPU time that all programs have used. That of interrupts is left out: it may be part of
// the time of programs already.
func machineCPU() (time.Duration, error) {
	all, err := cpu.Times(false)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	seconds := all[0].User + all[0].System + all[0].Nice + all[0].Steal
	return time.Duration(seconds * float64(time.Second)), nil
}

// watch takes a sample during the measured part.
func (m *meter) watch(now loadgen.Progress) {
	if now.Phase != "measuring" {
		return
	}
	used, err := m.read()
	if err != nil {
		return
	}
	if m.begun.IsZero() {
		m.begun, m.from = time.Now(), used
	}
	m.ended, m.to = time.Now(), used
}

// used returns how many CPUs other programs than those of the window used on average; 0 if that is unknown.
func (m *meter) used(w *result.Window) float64 {
	lasted := m.ended.Sub(m.begun)
	if lasted <= 0 || w.Server == nil || w.DurationS <= 0 {
		return 0
	}
	return max(0, float64(m.to-m.from)/float64(lasted)-(w.Server.CPUS+w.Generator.CPUS)/w.DurationS)
}
