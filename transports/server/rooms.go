package server

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"pushpull/transports"
)

// rooms are the rooms that messages were sent to since the server began. Each costs the store something
// that lasts, so they are bounded, whatever the store. Rooms that are only read cost the store nothing.
// It is safe for concurrent use.
type rooms struct {
	most int // 0: 50,000

	known sync.Map // of names

	mu sync.Mutex
	n  int
}

// admit returns transports.ErrFull for a message to a room that is one too many.
func (r *rooms) admit(name string) error {
	if _, ok := r.known.Load(name); ok {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	most := cmp.Or(max(r.most, 0), 50_000)
	if r.n < most {
		// A substring would keep the request's whole URL in memory.
		if _, known := r.known.LoadOrStore(strings.Clone(name), nil); !known {
			r.n++
		}
		return nil
	}
	if _, ok := r.known.Load(name); ok {
		return nil
	}
	return fmt.Errorf("%w in a new room: it has %d, raise --max-rooms", transports.ErrFull, most)
}
