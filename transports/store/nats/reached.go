package nats

import "sync"

// maxReached is for how many rooms reached remembers a place. They take about 2 MB.
const maxReached = 16 << 10

// reached remembers, for some rooms, the newest place that was read. Its zero value is ready to use.
type reached struct {
	mu     sync.Mutex
	newest map[string]uint64
}

// has reports whether place is known to be one in the room's log.
func (r *reached) has(subject string, place uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return place == r.newest[subject]
}

func (r *reached) add(subject string, place uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest == nil || len(r.newest) >= maxReached {
		r.newest = map[string]uint64{} // the rooms in use are soon in it again
	}
	r.newest[subject] = max(r.newest[subject], place)
}
