package main

import (
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports/store"
)

// The store of a result that names none is the one that is opened when none is named.
func TestUsualStore(t *testing.T) {
	usual := store.Kind(store.Default)
	if kind := (result.Scenario{}).StoreKind(); kind != usual {
		t.Errorf("a result that names no store was measured on %s, and %s opens %s", kind, store.Default, usual)
	}
	if notable := (result.Scenario{Store: usual}).NotableStore(); notable != "" {
		t.Errorf("%s is notable: %q", usual, notable)
	}
	if notable := (result.Scenario{Store: "x"}).NotableStore(); notable != "x" {
		t.Errorf("the store x is notable as %q", notable)
	}
}
