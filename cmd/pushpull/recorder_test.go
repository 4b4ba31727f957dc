package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

// TestRecorderTooLarge begins a result that no reader would accept: the run must end before it measures.
func TestRecorderTooLarge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := newRecorder(dir, true, result.Run{Schema: result.Schema, Scenario: result.Scenario{About: strings.Repeat("x", 33<<20)}})
	if want := "writing the result: a line is longer than 32 MB, and pushpull writes and reads none that long: shorten the scenario"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
}
