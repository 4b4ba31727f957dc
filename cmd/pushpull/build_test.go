package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// built is a binary that is not the tests' own: the race detector would take most of the time, be it
// of what is measured or of drawing charts.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// build returns it.
func build(t *testing.T) string {
	t.Helper()
	binary, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// unraced lets a script run that binary as pushpull.
func cmdUnraced(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "unraced")
	binary, err := binary()
	ts.Check(err)
	ts.Setenv("UNRACED", binary)
	ts.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// binary makes the binary for the first who asks.
func binary() (path string, err error) {
	name := "pushpull"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "pushpull-build-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(built.dir, name), ".")
		if said, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("building pushpull: %w: %s", err, said)
		}
	})
	return filepath.Join(built.dir, name), built.err
}

// removeBuilt is for when the tests have ended.
func removeBuilt() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}
