package transports_test

import (
	"testing"

	"pushpull/transports"
)

func rung(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBell(t *testing.T) {
	var b transports.Bell
	b.Ring("no watchers")
	b.RingAll()
	if b.Watched() {
		t.Error("watched before the first Watch")
	}
	one, stopOne := b.Watch("a")
	two, stopTwo := b.Watch("a")
	other, stopOther := b.Watch("b")
	if rung(one) || rung(other) {
		t.Error("woken by a ring from before the watch")
	}
	b.Ring("a")
	b.Ring("a")
	if !rung(one) || rung(one) || !rung(two) || rung(other) {
		t.Error("two rings must wake the watchers of the room once, and no others")
	}
	stopOne()
	b.RingAll()
	if rung(one) || !rung(two) || !rung(other) {
		t.Error("RingAll must wake the watchers that have not stopped, and no others")
	}
	stopTwo()
	stopTwo()
	if !b.Watched() {
		t.Error("b has a watcher")
	}
	stopOther()
	if b.Watched() {
		t.Error("watched after the last stop")
	}
	b.Ring("a")
	if rung(two) {
		t.Error("woken after stop")
	}
}
