package memory_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// gapAt checks that a reader at a place gets a gap, and returns the messages that follow it.
func gapAt(t *testing.T, store *memory.Store, room string, place uint64) []transports.Message {
	t.Helper()
	_, err := store.After(t.Context(), room, place, 10)
	gap, ok := errors.AsType[*transports.GapError](err)
	if !ok {
		t.Fatalf("After(%d): %v, want a gap", place, err)
	}
	messages, err := store.After(t.Context(), room, gap.Oldest-1, 10)
	if err != nil {
		t.Fatalf("after the gap: %v", err)
	}
	return messages
}

// A room leaves once it was idle for the time, and not more than an eighth later. Reading, writing and
// watching keep it.
func TestIdle(t *testing.T) {
	for name, idle := range map[string]time.Duration{"default": 0, "short": 8 * time.Second} {
		for _, first := range []uint64{0, 1} {
			t.Run(fmt.Sprint(name, " from ", first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &memory.Store{Idle: idle, First: first}
					defer store.Close()
					usual := idle
					if usual == 0 {
						usual = time.Hour
					}
					last := map[string]uint64{}
					for _, room := range []string{"idle", "written", "read", "watched"} {
						must(t, store, room, "one")
						last[room] = must(t, store, room, "two")
					}
					_, stop := store.Watch("watched")
					begun := time.Now()
					there := func(room string) bool {
						messages, err := store.After(t.Context(), room, last[room]-1, 10)
						return err == nil && len(messages) == 1
					}
					for time.Since(begun) < 3*usual {
						time.Sleep(usual / 2)
						last["written"] = must(t, store, "written", "more")
						if !there("read") {
							t.Fatalf("a room that is read has left after %v", time.Since(begun))
						}
					}
					if !there("written") || !there("watched") {
						t.Error("a room that is written to or watched has left")
					}
					if messages := gapAt(t, store, "idle", last["idle"]); len(messages) > 0 {
						t.Errorf("a room that left has %d messages", len(messages))
					}
					if messages, err := store.After(t.Context(), "idle", 0, 10); len(messages) > 0 || err != nil {
						t.Errorf("the start of a room that left: %d messages, %v", len(messages), err)
					}

					// No message of the new log has a place of the lost one, and each reader of that gets a gap.
					for range 5 {
						if seq := must(t, store, "idle", "new"); seq <= last["idle"] {
							t.Errorf("a new message has the place %d, and the lost log ended at %d", seq, last["idle"])
						}
					}
					for _, place := range []uint64{last["idle"] - 1, last["idle"]} {
						if first == 1 && place == last["idle"] {
							continue // the place before the first message of the new log: its reader has read all of the lost one
						}
						if messages := gapAt(t, store, "idle", place); len(messages) != 5 {
							t.Errorf("the reader at %d gets %d of 5 messages after its gap", place, len(messages))
						}
					}

					// The time begins with the last use.
					stop()
					left := time.Now()
					there("watched")
					time.Sleep(usual - 1)
					if !there("watched") {
						t.Errorf("a room has left %v after its last use", time.Since(left))
					}
					time.Sleep(usual + usual/8 + 1)
					if there("watched") {
						t.Errorf("a room stays %v after its last use", time.Since(left))
					}
				})
			})
		}
	}
}

// A room that was not in use at any sweep, but was watched until just before one, stays for its time.
func TestWatchedUntilNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 8 * time.Second
		store := &memory.Store{Idle: idle}
		defer store.Close()
		seq := must(t, store, "room", "hello")
		_, stop := store.Watch("room")
		time.Sleep(10*idle - 1)
		stop()
		time.Sleep(idle - idle/8)
		if _, err := store.After(t.Context(), "room", seq, 1); err != nil {
			t.Errorf("a room that was watched until %v ago: %v", idle-idle/8, err)
		}
	})
}

// After Close no room leaves any more, and the timer is gone.
func TestClosedWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		seq := must(t, store, "room", "hello")
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := store.After(t.Context(), "room", seq, 1); err != nil {
			t.Errorf("a room of a closed store: %v", err)
		}
	})
}

// Rooms that were written to once leave nearly nothing behind. The bytes of their messages are free for
// others.
func TestIdleRoomsAreFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms = 100_000
		store := &memory.Store{Bytes: rooms * 164}
		body := string(make([]byte, 100))
		write := func(prefix string) {
			for i := range rooms {
				must(t, store, fmt.Sprint(prefix, i), body)
			}
		}
		write("a")
		time.Sleep(2 * time.Hour)
		write("b") // exactly what fits: none of these may lose its message to the others
		for i := range rooms {
			if messages, err := store.After(t.Context(), fmt.Sprint("b", i), 0, 1); len(messages) != 1 {
				t.Fatalf("room %d has %d messages, %v", i, len(messages), err)
			}
		}
		time.Sleep(2 * time.Hour)
		if n := used(&store); n > 200_000 {
			t.Errorf("%d rooms that left keep %d bytes of the heap, want 2 of each at most", rooms, n)
		}
	})
}

// Rooms leave while others write to them and read them: each message whose Append has returned is there, or
// its reader gets a gap.
func TestLeavingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{Idle: 8, Bytes: 64 << 10} // sweeps each nanosecond
		var writing sync.WaitGroup
		for w := range 4 {
			writing.Go(func() {
				last := map[string]uint64{}
				for i := range 5000 {
					room := fmt.Sprint(i % (10 + w))
					seq := must(t, store, room, "hello")
					if seq <= last[room] {
						t.Errorf("room %s: %d follows %d", room, seq, last[room])
					}
					last[room] = seq
					_, err := store.After(t.Context(), room, seq-1, 10)
					if _, gap := errors.AsType[*transports.GapError](err); err != nil && !gap {
						t.Error(err)
					}
					if i%20 == 0 {
						time.Sleep(time.Duration(i % 30))
					}
				}
			})
		}
		writing.Wait()
		time.Sleep(time.Second)
		if n := used(&store); n > 100_000 {
			t.Errorf("%d bytes stay", n)
		}
	})
}
