// Package memory keeps the log of every room in the memory of this process.
//
// It keeps nothing across a restart and shares nothing with another process.
package memory

import (
	"context"
	"sync"

	"pushpull/transports"
)

// DefaultRetention is how many messages a room keeps when Store.Retention is 0.
const DefaultRetention = 10_000

// A Store is a transports.Store in memory. Its zero value is empty and ready to use.
type Store struct {
	Retention int // most messages kept per room, the oldest leave first; 0: DefaultRetention

	transports.Bell
	rooms sync.Map // room name -> *log
}

var _ transports.Store = (*Store)(nil)

// A log is one room. Seqs are contiguous from 1, so that a seq is an index.
type log struct {
	mu       sync.RWMutex
	messages []transports.Message // the retained tail, in a slice that grows to twice the retention
	last     uint64               // seq of the newest message ever
}

func (s *Store) room(name string) *log {
	if l, ok := s.rooms.Load(name); ok {
		return l.(*log)
	}
	l, _ := s.rooms.LoadOrStore(name, new(log))
	return l.(*log)
}

func (s *Store) retention() int {
	if s.Retention > 0 {
		return s.Retention
	}
	return DefaultRetention
}

// Append implements transports.Store. It never fails.
func (s *Store) Append(_ context.Context, room string, body []byte) (uint64, error) {
	body = append(make([]byte, 0, len(body)), body...)
	seq := s.room(room).append(body, s.retention())
	s.Ring(room)
	return seq, nil
}

func (l *log) append(body []byte, keep int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	if len(l.messages) == 2*keep {
		// Copy the half that stays, so that an append costs the same on average however long
		// the log is. Readers hold slices of the old array, which nobody writes to again.
		l.messages = append(make([]transports.Message, 0, 2*keep), l.messages[keep:]...)
	}
	l.messages = append(l.messages, transports.Message{Seq: l.last, Body: body})
	return l.last
}

// After implements transports.Store. The messages are shared, not copied.
func (s *Store) After(_ context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	v, ok := s.rooms.Load(room)
	if !ok {
		v = new(log) // asking makes no room
	}
	l := v.(*log)
	l.mu.RLock()
	defer l.mu.RUnlock()
	if seq == l.last {
		return nil, nil
	}
	kept := min(len(l.messages), s.retention())
	if oldest := l.last - uint64(kept) + 1; seq+1 < oldest || seq > l.last {
		return nil, &transports.GapError{Oldest: oldest}
	}
	behind := int(l.last - seq)
	tail := l.messages[len(l.messages)-behind:]
	n := min(limit, len(tail))
	return tail[:n:n], nil // clipped: the room behind it is the log's
}

// Close does nothing: what is kept goes with the process.
func (s *Store) Close() error { return nil }
