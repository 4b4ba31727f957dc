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
	b.Ring("nobody watches")
	b.RingAll()
	if b.Watched() {
		t.Error("watched by nobody")
	}
	one, stopOne := b.Watch("a")
	two, stopTwo := b.Watch("a")
	other, stopOther := b.Watch("b")
	if rung(one) || rung(other) {
		t.Error("woken by what was before")
	}
	b.Ring("a")
	b.Ring("a")
	if !rung(one) || rung(one) || !rung(two) || rung(other) {
		t.Error("two rings are one wake-up of all who watch the room, and of nobody else")
	}
	stopOne()
	b.RingAll()
	if rung(one) || !rung(two) || !rung(other) {
		t.Error("all who still watch are woken")
	}
	stopTwo()
	stopTwo()
	if !b.Watched() {
		t.Error("b is watched")
	}
	stopOther()
	if b.Watched() {
		t.Error("nobody is left")
	}
	b.Ring("a")
	if rung(two) {
		t.Error("woken after it stopped")
	}
}
