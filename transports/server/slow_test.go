package server

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/process"
)

// TestSlowness wants what is wasted to be wasted where it is said to be.
func TestSlowness(t *testing.T) {
	t.Run("delay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			writeSlowly(t, Slowness{Delay: 3 * time.Second})
			if took := time.Since(begun); took != 6*time.Second {
				t.Errorf("two writes took %v", took)
			}
		})
	})
	t.Run("burn", func(t *testing.T) {
		before, err := process.Self()
		if err != nil {
			t.Fatal(err)
		}
		writeSlowly(t, Slowness{Burn: 20 * time.Millisecond})
		after, err := process.Self()
		if err != nil {
			t.Fatal(err)
		}
		// Not all of it, as another process may have had the core meanwhile.
		if used := after.CPU - before.CPU; used < 10*time.Millisecond {
			t.Errorf("two writes used %v of CPU", used)
		}
	})
}

// writeSlowly writes twice.
func writeSlowly(t *testing.T, slow Slowness) {
	t.Helper()
	set := newConnections(1, time.Minute)
	set.slow = slow
	user, ours := net.Pipe()
	c := set.add(ours)
	defer c.Close()
	defer user.Close()
	go func() {
		buf := make([]byte, 1)
		for {
			if _, err := user.Read(buf); err != nil {
				return
			}
		}
	}()
	for range 2 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}
