package memory_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

func must(t testing.TB, store *memory.Store, room, body string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), room, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// used returns the heap that a store holds.
func used(store **memory.Store) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	runtime.KeepAlive(*store)
	*store = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(before.HeapAlloc) - int64(after.HeapAlloc)
}

// Whatever is written, to one room or many and by how many writers, the store keeps to its size. Rooms
// smaller than most lose nothing; readers of the others get a gap, and find the newest message.
func TestBytes(t *testing.T) {
	const limit = 1 << 20
	for name, c := range map[string]struct{ rooms, writers, size int }{
		"one room":          {1, 1, 64 << 10},
		"some rooms":        {20, 4, 10_000},
		"many rooms":        {2000, 4, 64 << 10},
		"many small rooms":  {1000, 1, 8000},
		"one room, tiny":    {1, 4, 1},
		"larger than all":   {3, 1, limit + 1},
		"empty, many rooms": {1000, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memory.Store{Bytes: limit}
			var honest []uint64
			say := func() { honest = append(honest, must(t, store, "honest", "hello")) }
			for range 10 {
				say()
			}
			body := strings.Repeat("x", c.size)
			each := (5*limit/(c.size+64) + 5) / c.writers
			last := make([]map[string]uint64, c.writers)
			var writing sync.WaitGroup
			for w := range c.writers {
				last[w] = map[string]uint64{}
				writing.Go(func() {
					for i := range each {
						room := fmt.Sprint(w, " ", i%c.rooms)
						last[w][room] = must(t, store, room, body)
					}
				})
			}
			writing.Wait()
			say()
			messages, err := store.After(t.Context(), "honest", honest[0], 100)
			if err != nil || len(messages) != len(honest)-1 {
				t.Errorf("an honest room: %d of %d messages, %v", len(messages), len(honest)-1, err)
			}
			gaps := 0
			for _, rooms := range last {
				for room, seq := range rooms {
					_, err := store.After(t.Context(), room, 0, 1)
					gap, ok := errors.AsType[*transports.GapError](err)
					if !ok {
						continue
					}
					gaps++
					if gap.Oldest > seq+1 {
						t.Fatalf("room %s: the oldest message is %d, the last one was %d", room, gap.Oldest, seq)
					}
					if _, err := store.After(t.Context(), room, gap.Oldest-1, 1); err != nil {
						t.Fatalf("after the gap: %v", err)
					}
				}
			}
			if gaps == 0 {
				t.Error("no reader of what has left the log gets a gap")
			}
			const perRoom = 1500
			most := int64(limit + c.writers*c.size + c.writers*c.rooms*perRoom)
			if n := used(&store); n > most {
				t.Errorf("%d bytes of the heap are used, want at most %d", n, most)
			}
		})
	}
}

// BenchmarkRoom measures what a room with one message takes.
func BenchmarkRoom(b *testing.B) {
	store := new(memory.Store)
	i := 0
	for b.Loop() {
		must(b, store, fmt.Sprint("room ", i), "hello")
		i++
	}
	b.ReportMetric(float64(used(&store))/float64(i), "B/room")
}

// BenchmarkAppendFull measures appends to a store that is full, to one room and to many.
func BenchmarkAppendFull(b *testing.B) {
	for _, rooms := range []int{1, 1000, 50_000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			store := &memory.Store{Bytes: 16 << 20}
			body := []byte(strings.Repeat("x", 200))
			names := make([]string, rooms)
			for i := range names {
				names[i] = fmt.Sprint("room ", i)
			}
			i := 0
			for b.Loop() {
				store.Append(b.Context(), names[i%rooms], body, "")
				i++
			}
		})
	}
}
