package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/transports/scratch"
)

// built is a pushpull without the race detector, which would dominate both the measured times and the
// time to draw charts.
var built struct {
	once sync.Once
	dir  *scratch.Dir
	err  error
}

// build returns the path of the built binary.
func build(t *testing.T) string {
	t.Helper()
	binary, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// unrace puts the built binary first in the PATH of a script, as its pushpull.
func unrace(env *testscript.Env) error {
	binary, err := binary()
	if err != nil {
		return err
	}
	env.Setenv("UNRACED", binary)
	env.Setenv("PATH", binDir(binary)+env.Getenv("PATH"))
	return nil
}

// raced undoes unrace, so that pushpull is the tests' own binary again: under go test -race the detector
// then checks the command itself.
func cmdRaced(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "raced")
	ts.Setenv("PATH", strings.TrimPrefix(ts.Getenv("PATH"), binDir(ts.Getenv("UNRACED"))))
	ts.Setenv("UNRACED", "")
}

// binDir returns the directory of a binary as the beginning of a PATH.
func binDir(binary string) string { return filepath.Dir(binary) + string(os.PathListSeparator) }

// binary returns the path of the built binary; the first call builds it.
func binary() (path string, err error) {
	name := "pushpull"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	built.once.Do(func() {
		if built.dir, built.err = scratch.Make("pushpull-build"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(built.dir.Path, name), ".")
		if said, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("building pushpull: %w: %s", err, said)
		}
	})
	if built.dir == nil {
		return "", built.err
	}
	return filepath.Join(built.dir.Path, name), built.err
}

// removeBuilt removes the built binary after the tests.
func removeBuilt() {
	if built.dir != nil {
		_ = built.dir.Remove()
	}
}
