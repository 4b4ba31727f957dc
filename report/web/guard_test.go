package web

import "testing"

// A panic over one result must not keep other results from being shown.
func TestGuard(t *testing.T) {
	err := guard(func() error { panic("odd") })
	if err == nil || err.Error() != "evaluating the result: odd" {
		t.Error(err)
	}
}
