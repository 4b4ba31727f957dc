package server

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// rooms are the rooms in use that messages were sent to. Each costs the store something that lasts, so
// they are bounded, whatever the store. Rooms that are only read cost the store nothing. A room that was
// idle for some time gives up its place. It is safe for concurrent use.
type rooms struct {
	most    int                    // 0: 50,000
	idle    time.Duration          // 0: transports.DefaultIdle
	watched func(room string) bool // nil: no room is

	known sync.Map      // name -> *atomic.Uint32: how many sweeps there were when it was last used
	swept atomic.Uint32 // how many sweeps there were

	mu sync.Mutex
	n  int
}

// sweepsToStay is how many sweeps a room stays without being used. A use costs no look at the clock and no
// lock, as it is noted by the number of the last sweep.
const sweepsToStay = 8

// watchesOf returns the function that reports whether a room of a store is watched; nil if it has none.
func watchesOf(store transports.Store) func(room string) bool {
	if bell, ok := store.(interface{ Watches(room string) bool }); ok {
		return bell.Watches
	}
	return nil
}

// admit notes that a message is sent to a room. It returns transports.ErrFull for a room that is one too
// many.
func (r *rooms) admit(name string) error {
	if r.use(name) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	most := cmp.Or(max(r.most, 0), 50_000)
	if r.n < most {
		used := new(atomic.Uint32)
		used.Store(r.swept.Load())
		// A substring would keep the request's whole URL in memory.
		if _, known := r.known.LoadOrStore(strings.Clone(name), used); !known {
			r.n++
		}
		return nil
	}
	if r.use(name) {
		return nil
	}
	return fmt.Errorf("%w in a new room: it has %d, raise --max-rooms, or lower --room-idle", transports.ErrFull, most)
}

// use notes that a room is written to or read, and reports whether a message was ever sent to it.
func (r *rooms) use(name string) bool {
	used, ok := r.known.Load(name)
	if !ok {
		return false
	}
	r.note(used.(*atomic.Uint32), r.swept.Load())
	return true
}

// note writes only what changes, so that the processors that use a room share its memory.
func (*rooms) note(used *atomic.Uint32, now uint32) {
	if used.Load() != now {
		used.Store(now)
	}
}

// sweeping begins to take their places from idle rooms. The caller must call stop, which waits.
func (r *rooms) sweeping() (stop func()) {
	ending := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(max(cmp.Or(max(r.idle, 0), transports.DefaultIdle)/sweepsToStay, 1))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.sweep()
			case <-ending:
				return
			}
		}
	})
	return func() {
		close(ending)
		running.Wait()
	}
}

// sweep takes their places from the rooms that were not used for some sweeps.
func (r *rooms) sweep() {
	now := r.swept.Add(1)
	r.known.Range(func(name, used any) bool {
		last := used.(*atomic.Uint32)
		if r.watched != nil && r.watched(name.(string)) {
			r.note(last, now)
		}
		if now-last.Load() <= sweepsToStay {
			return true
		}
		// A message that comes at this very moment goes to a room without a place. The next one takes it.
		r.mu.Lock()
		defer r.mu.Unlock()
		r.known.Delete(name)
		r.n--
		return true
	})
}
