package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// built is a binary that is not the tests' own: the race detector would take most of the time that is
// measured.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// build returns it, and makes it for the first who asks.
func build(t *testing.T) string {
	t.Helper()
	name := "pushpull"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "pushpull-build-"); built.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(built.dir, name), ".")
		if said, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("building pushpull: %w: %s", err, said)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// removeBuilt is for when the tests have ended.
func removeBuilt() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}
