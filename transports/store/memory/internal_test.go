package memory

import (
	"runtime"
	"testing"
)

// Reading rooms that don't exist takes no memory.
func TestReadingCreatesNoRoom(t *testing.T) {
	store := new(Store)
	if messages, err := store.After(t.Context(), "room", 0, 1); len(messages) > 0 || err != nil {
		t.Errorf("After = %v, %v", messages, err)
	}
	store.rooms.Range(func(name, _ any) bool {
		t.Errorf("reading has created room %q", name)
		return true
	})
}

// Watchers are woken once they can read the message, not before.
func TestRingsAfterAppend(t *testing.T) {
	store := new(Store)
	grown, stop := store.Watch("room")
	defer stop()
	l := store.room("room")
	l.mu.Lock() // the append can't be finished yet
	appending := make(chan struct{})
	appended := make(chan struct{})
	go func() {
		defer close(appended)
		close(appending)
		_, _ = store.Append(t.Context(), "room", nil, "")
	}()
	<-appending
	woken := func() bool {
		select {
		case <-grown:
			return true
		default:
			return false
		}
	}
	for range 1000 {
		runtime.Gosched()
		if woken() {
			t.Error("woken before the message can be read")
		}
	}
	l.mu.Unlock()
	<-appended
	if !t.Failed() && !woken() {
		t.Error("not woken")
	}
}
