package process

import (
	"runtime/debug"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSelf(t *testing.T) {
	debug.FreeOSMemory() // else RSS may not grow, as the memory of an earlier run is reused
	before, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if before.RSS < 1<<20 || before.RSS > 1<<40 {
		t.Errorf("RSS = %d bytes, which is implausible for a Go test", before.RSS)
	}
	ballast := make([]byte, 64<<20)
	for i := range ballast { // makes the memory resident, and uses some CPU time
		ballast[i] = byte(i)
	}
	after, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(after.RSS) - int64(before.RSS); grown < 48<<20 {
		t.Errorf("RSS grew by %d bytes after writing to 64 MiB", grown)
	}
	if used := after.CPU - before.CPU; used <= 0 || used > time.Minute {
		t.Errorf("CPU time grew by %v over a loop of 64 Mi steps", used)
	}
	if ballast[255] != 255 {
		t.Error("unreachable: keeps the ballast alive")
	}
}
