//go:build race

package web_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests without a browser. The others drive pages from one goroutine, where the race detector would
// find nothing, and their driver is large and would have to be compiled for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
