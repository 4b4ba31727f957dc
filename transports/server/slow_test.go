package server

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/process"
)

// TestDelay wants each write to wait.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		writeTwice(t, Slowness{Delay: 3 * time.Second})
		if took := time.Since(begun); took != 6*time.Second {
			t.Errorf("two writes took %v", took)
		}
	})
}

// TestBurn wants CPU to be used that nobody waits for.
func TestBurn(t *testing.T) {
	const each = 100 * time.Millisecond
	before, err := process.Self()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	set := writeTwice(t, Slowness{Burn: each})
	if took := time.Since(begun); took > each {
		t.Errorf("two writes took %v", took)
	}
	set.slow.burning.Wait()
	after, err := process.Self()
	if err != nil {
		t.Fatal(err)
	}
	// Not all of it, as others may have had the processors meanwhile.
	if used := after.CPU - before.CPU; used < each/5 {
		t.Errorf("two writes used %v of CPU, want up to %v", used, 2*each)
	}
}

// writeTwice writes twice to a user who reads.
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
