//go:build timed

package server

import (
	"testing"
	"time"
)

// The tests of this file judge times that they measure, so nothing else may run beside them: see make
// timed.

// TestTimedBurn checks that CPU time is burnt without delaying the writes.
func TestTimedBurn(t *testing.T) {
	const each = 100 * time.Millisecond
	before, begun := cpu(t), time.Now()
	set := writeTwice(t, Slowness{Burn: each})
	if took := time.Since(begun); took > each {
		t.Errorf("two writes took %v", took)
	}
	set.slow.burning.Wait()
	if used := cpu(t) - before; used < each || used > 3*each {
		t.Errorf("two writes used %v of CPU, want %v", used, 2*each)
	}
}
