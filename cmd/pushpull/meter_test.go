package main

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// TestMeter measures a machine on which other programs use half a CPU.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		m := &meter{read: func() (loadgen.CPUTime, error) {
			return loadgen.CPUTime{Programs: 3 * time.Since(begun) / 2, Interrupts: time.Since(begun)}, nil
		}}
		w := &result.Window{DurationS: 3, Server: &result.Process{CPUS: 2.4}, Generator: result.Process{CPUS: .6}}
		if used := m.used(w); used != 0 {
			t.Errorf("without a sample: %v", used)
		}
		for _, phase := range []string{"joining", "measuring", "measuring", "measuring", "draining"} {
			m.watch(loadgen.Progress{Phase: phase})
			time.Sleep(time.Second)
		}
		if used := m.used(w); math.Abs(used-.5) > 1e-9 {
			t.Errorf("others used %v CPUs, want .5", used)
		}
		w.Server = nil
		if used := m.used(w); used != 0 {
			t.Errorf("without the servers' own: %v", used)
		}
		m = &meter{read: func() (loadgen.CPUTime, error) { return loadgen.CPUTime{}, errors.New("unknown") }}
		m.watch(loadgen.Progress{Phase: "measuring"})
		if !m.begun.IsZero() {
			t.Error("a sample that could not be taken counts")
		}
	})
}
