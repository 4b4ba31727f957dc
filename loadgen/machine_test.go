package loadgen

import (
	"testing"
	"time"
)

func TestBusy(t *testing.T) {
	since := CPUTime{Programs: 5 * time.Second, Interrupts: time.Second, Idle: 10 * time.Second}
	for name, c := range map[string]struct {
		programs, interrupts, idle time.Duration
		want                       float64
	}{
		"half": {time.Second, time.Second, 2 * time.Second, .5}, "all": {time.Second, 0, 0, 1}, "idle": {0, 0, time.Second, 0},
		"no time": {0, 0, 0, 0}, "back": {-time.Second, 0, 2 * time.Second, 0}, "idle runs back": {time.Second, 0, -time.Second, 0},
	} {
		now := CPUTime{since.Programs + c.programs, since.Interrupts + c.interrupts, since.Idle + c.idle}
		if got := now.Busy(since); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestMachineCPU uses CPU until the time of the machine grows.
func TestMachineCPU(t *testing.T) {
	since, err := MachineCPU()
	if err != nil {
		t.Fatal(err)
	}
	for now := since; now.Busy(since) == 0; {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
		if now, err = MachineCPU(); err != nil {
			t.Fatal(err)
		}
	}
}
