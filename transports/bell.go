package transports

import (
	"slices"
	"sync"
)

// A Bell wakes the watchers of a room. A Store that embeds it has Watch, and rings once a message
// can be read. A ring with no watchers is lost. The zero value is ready to use, and a Bell is safe
// for concurrent use.
type Bell struct {
	mu    sync.Mutex
	rooms map[string][]chan struct{}
}

// Watch implements Store.
func (b *Bell) Watch(room string) (grown <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rooms == nil {
		b.rooms = map[string][]chan struct{}{}
	}
	b.rooms[room] = append(b.rooms[room], c)
	return c, func() { b.leave(room, c) }
}

func (b *Bell) leave(room string, c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := slices.DeleteFunc(b.rooms[room], func(other chan struct{}) bool { return other == c })
	if len(left) == 0 {
		delete(b.rooms, room)
		return
	}
	b.rooms[room] = left
}

// Watched reports whether any room has a watcher.
func (b *Bell) Watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rooms) > 0
}

// Watches reports whether room has a watcher.
func (b *Bell) Watches(room string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rooms[room]) > 0
}

// Ring wakes the watchers of room. It never blocks.
func (b *Bell) Ring(room string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ring(b.rooms[room])
}

// RingAll wakes all watchers, for a store that may have missed messages.
func (b *Bell) RingAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, watching := range b.rooms {
		ring(watching)
	}
}

func ring(watching []chan struct{}) {
	for _, c := range watching {
		select {
		case c <- struct{}{}:
		default: // the watcher has not taken the previous value yet; one wake-up is enough
		}
	}
}
