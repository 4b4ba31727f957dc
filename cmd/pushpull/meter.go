package main

import (
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A meter measures how much CPU other programs use in the measured part of a window.
type meter struct {
	read func() (loadgen.CPUTime, error)

	begun, ended time.Time
	from, to     time.Duration
}

// watch takes a sample during the measured part.
func (m *meter) watch(p loadgen.Progress) {
	if p.Phase != "measuring" {
		return
	}
	now, err := m.read()
	if err != nil {
		return
	}
	used := now.Programs
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
