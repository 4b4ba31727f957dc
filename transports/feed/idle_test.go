package feed_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/store/memory"
)

// A crowded store counts the rooms that are watched.
type crowded struct {
	memory.Store
	watches, most atomic.Int64
}

func (c *crowded) Watch(room string) (grown <-chan struct{}, stop func()) {
	grown, stopNow := c.Store.Watch(room)
	now := c.watches.Add(1)
	c.most.Store(max(c.most.Load(), now))
	return grown, sync.OnceFunc(func() {
		stopNow()
		c.watches.Add(-1)
	})
}

// A reader that moves from room to room leaves a bounded number of watches behind; those of rooms with
// readers stay.
func TestIdleRoomsAreBounded(t *testing.T) {
	const bound, waiting, moves = 4096, 10, 10_000
	synctest.Test(t, func(t *testing.T) {
		store := new(crowded)
		f := opened(t, store)
		var readers sync.WaitGroup
		for i := range waiting {
			readers.Go(func() {
				messages, err := f.Next(t.Context(), "waiting"+strconv.Itoa(i), 0, 1)
				if err != nil || len(messages) != 1 {
					t.Errorf("a waiting reader got %d messages, %v", len(messages), err)
				}
			})
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range moves {
			_, _ = f.Next(gone, "room"+strconv.Itoa(i), 0, 1)
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := store.watches.Load(); n != bound+waiting {
			t.Errorf("%d rooms are watched, want %d", n, bound+waiting)
		}
		if n := store.most.Load(); n > bound+waiting+200 {
			t.Errorf("%d rooms were watched at a time", n)
		}
		// The one that has been idle longest has left first, and can be read again.
		_, _ = f.Next(gone, "room"+strconv.Itoa(moves-1), 0, 1)
		_, _ = f.Next(gone, "room0", 0, 1)
		for i := range waiting {
			_, _ = store.Append(t.Context(), "waiting"+strconv.Itoa(i), []byte("hello"), "")
		}
		readers.Wait()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := store.watches.Load(); n != 0 {
			t.Errorf("%d rooms are still watched", n)
		}
	})
}
