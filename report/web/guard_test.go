package web

import "testing"

// What panics keeps nothing else from being shown.
func TestGuard(t *testing.T) {
	err := guard(func() error { panic("odd") })
	if err == nil || err.Error() != "making sense of the numbers: odd" {
		t.Error(err)
	}
}
