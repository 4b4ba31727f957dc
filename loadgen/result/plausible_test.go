package result

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestImplausible reads results with numbers that nothing can have measured.
func TestImplausible(t *testing.T) {
	for says, change := range map[string]func(*Run, *Window){
		"room_size is -1: nothing measures that":         func(r *Run, _ *Window) { r.Scenario.RoomSize = -1 },
		"planned is -1: nothing measures that":           func(_ *Run, w *Window) { w.Planned = -1 },
		"duration_s is 1e+300: nothing measures that":    func(_ *Run, w *Window) { w.DurationS = 1e300 },
		"interval_s is 1e-300: nothing asks as often as": func(_ *Run, w *Window) { w.IntervalS = 1e-300 },
		"cpu_s is -3: nothing measures that":             func(_ *Run, w *Window) { w.Server = &Process{CPUS: -3} },
		"reads is -7: nothing measures that":             func(_ *Run, w *Window) { w.Store = &Store{Reads: -7} },
		"message is -1: nothing measures that":           func(_ *Run, w *Window) { w.Calibration = &Calibration{Bytes: &Bytes{Message: -1}} },
		"at_s is -1: nothing measures that":              func(_ *Run, w *Window) { w.Slices = []Slice{{AtS: -1}} },
	} {
		run, window := aRun, aWindow("websocket", 1)
		change(&run, &window)
		var file bytes.Buffer
		lines := json.NewEncoder(&file)
		if err := lines.Encode(Line{Run: &run}); err != nil {
			t.Fatal(err)
		}
		if err := lines.Encode(Line{Window: &window}); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&file, "x"); err == nil || !strings.HasPrefix(err.Error(), "x:") || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}
