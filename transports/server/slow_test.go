package server

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/process"
)

// TestDelay checks that each write waits for the delay.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		writeTwice(t, Slowness{Delay: 3 * time.Second})
		if took := time.Since(begun); took != 6*time.Second {
			t.Errorf("two writes took %v", took)
		}
	})
}

// TestBurn writes until the burning has used the CPU time of one write. That takes several writes on a
// busy machine, as burning stops by the wall clock. If the server slept instead, the test would fail.
func TestBurn(t *testing.T) {
	const each, tries = 20 * time.Millisecond, 100
	before := cpu(t)
	for range tries {
		set := writeTwice(t, Slowness{Burn: each})
		set.slow.burning.Wait()
		if owed := set.slow.owed.Load(); owed != 0 {
			t.Fatalf("%v is still owed", time.Duration(owed))
		}
		if cpu(t)-before >= each {
			return
		}
	}
	t.Errorf("%d pairs of writes used %v of CPU, want up to %v for each pair", tries, cpu(t)-before, 2*each)
}

// TestBurnStep checks that small amounts add up until they are worth a goroutine.
func TestBurnStep(t *testing.T) {
	for each, want := range map[time.Duration]time.Duration{burnStep / 4: burnStep / 2, burnStep / 2: 0} {
		set := writeTwice(t, Slowness{Burn: each})
		set.slow.burning.Wait()
		if owed := time.Duration(set.slow.owed.Load()); owed != want {
			t.Errorf("after two writes of %v, %v is owed, want %v", each, owed, want)
		}
	}
}

// cpu returns the CPU time of this process.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	used, err := process.Self()
	if err != nil {
		t.Fatal(err)
	}
	return used.CPU
}

// writeTwice writes twice to a client that discards what it reads.
func writeTwice(t *testing.T, slow Slowness) *connections {
	t.Helper()
	set := newConnections(1, time.Minute)
	set.slow.Slowness = slow
	user, ours := net.Pipe()
	c := set.add(ours)
	defer c.Close()
	defer user.Close()
	go io.Copy(io.Discard, user)
	for range 2 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	return set
}
