// Package memory keeps the log of every room in the memory of this process.
//
// The log ends with the process, and no other process can share it. Its size in bytes has
// a limit, as those who write to it may be unknown. A room that nobody uses for some time leaves
// memory: the readers that come back get a gap, as after a restart.
package memory

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// A Store is a transports.Store in memory. Its zero value is empty and ready to use. Reading a room
// takes no memory.
type Store struct {
	Retention int // how many of its newest messages a room keeps; 0: transports.DefaultRetention

	// Bytes is how many bytes of messages the store keeps, over all rooms; 0: transports.DefaultBytes.
	// Beyond it the oldest messages of the largest rooms leave, and their readers get a gap. So a
	// room that is smaller than most others keeps its messages, whatever is written to the others.
	Bytes int64

	// First is the seq of the first message of each room; 0: transports.FirstSeq of the time at which
	// it is written. A log with a First can't be distinguished from an earlier one with the same First.
	First uint64

	// Idle is how long a room may be neither written to, nor read, nor watched, before its log leaves
	// memory; it may stay up to an eighth longer. 0: transports.DefaultIdle. When a message is sent to
	// the room again, its new log begins after the end of the one that left, so a reader of that one
	// gets a gap. As after a restart, the place 0 is the start of the new log.
	Idle time.Duration

	transports.Bell
	started sync.Once
	start   uint64 // of every log of this store

	rooms sync.Map      // room name -> *log
	bytes atomic.Int64  // the sizes of all logs
	swept atomic.Uint32 // how many sweeps there were

	mu      sync.Mutex
	all     []*log
	largest *log   // the log that left most room when last searched for; a hint; nil: none
	ended   uint64 // the largest seq in the logs that have left
	sweeper sweeper
}

var (
	_ transports.Store   = (*Store)(nil)
	_ transports.Starter = (*Store)(nil)
)

// A log is that of one room. Its seqs are contiguous, so a seq leads to an index.
type log struct {
	name string
	used atomic.Uint32 // how many sweeps there were when it was last used

	mu       sync.RWMutex
	gone     bool                 // it has left the store, and takes no more messages
	messages []transports.Message // the newest ones; up to twice the retention
	keys     *keys                // of the messages that have one; nil: none has
	first    uint64               // seq of the first message ever
	last     uint64               // seq of the newest message; first-1 if there was none
	bytes    int64                // the sizes of messages and keys
}

// size is what a message takes in a log: its body, and its place in an array that is half empty.
func size(m transports.Message) int64 { return int64(len(m.Body)) + 64 }

// room returns the log of a room, and creates it if there is none.
func (s *Store) room(name string) *log {
	if l, ok := s.rooms.Load(name); ok {
		return l.(*log)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.rooms.Load(name); ok {
		return l.(*log)
	}
	first := s.First
	if first == 0 {
		first = transports.FirstSeq(time.Now())
	}
	first = max(first, s.ended+1)
	l := &log{name: strings.Clone(name), first: first, last: first - 1} // not a part of a request, which would stay in memory
	l.used.Store(s.swept.Load())
	s.all = append(s.all, l)
	s.rooms.Store(l.name, l)
	s.sweepLater()
	return l
}

// Start implements transports.Starter. It is a random number that is no time (transports.ClockSeq), so it is neither the
// seq of a message nor the start of another store. A log with a First has none.
func (s *Store) Start() uint64 {
	s.started.Do(func() {
		if s.First == 0 {
			s.start = 1e14 + rand.Uint64N(8e14)
		}
	})
	return s.start
}

func (s *Store) retention() int { return cmp.Or(max(s.Retention, 0), transports.DefaultRetention) }

// Append implements transports.Store. It never fails.
func (s *Store) Append(_ context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	body = append(make([]byte, 0, len(body)), body...)
	key = transports.Key(strings.Clone(string(key))) // not a part of a request
	for {
		l := s.room(room)
		s.use(l)
		seq, grown, how := l.append(body, key, s.retention())
		switch how {
		case left:
			continue
		case known:
			return seq, nil
		}
		if s.bytes.Add(grown) > s.limit() {
			s.shrink(l)
		}
		s.Ring(room)
		return seq, nil
	}
}

func (s *Store) limit() int64 { return cmp.Or(max(s.Bytes, 0), transports.DefaultBytes) }

// How an append ended.
type outcome int

const (
	added outcome = iota
	known         // the log has a message with that key
	left          // the log has left the store
)

// append returns the seq of the message, and by how many bytes the log has grown.
func (l *log) append(body []byte, key transports.Key, retention int) (seq uint64, grown int64, how outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, 0, left
	}
	if seq, ok := l.keys.find(key); ok && seq+uint64(retention) > l.last {
		return seq, 0, known
	}
	l.last++
	before := l.bytes
	if len(l.messages) == 2*retention {
		// Half of the messages are copied once in a while: the average append costs the same
		// for a log of any length.
		l.drop(retention, 2*retention)
	}
	m := transports.Message{Seq: l.last, Body: body}
	l.messages = append(l.messages, m)
	l.bytes += size(m)
	if key != "" {
		if l.keys == nil {
			l.keys = &keys{}
		}
		l.bytes += l.keys.add(key, l.last)
	}
	return l.last, l.bytes - before, added
}

// drop lets the n oldest messages leave. The others move to a new array for up to room messages:
// readers hold slices of the old one.
func (l *log) drop(n, room int) {
	for _, m := range l.messages[:n] {
		l.bytes -= size(m)
	}
	l.bytes -= l.keys.forget(l.last + 1 - uint64(len(l.messages)-n))
	l.messages = append(make([]transports.Message, 0, room), l.messages[n:]...)
}

// shrink lets messages leave until the store has no more bytes than its limit. The newest message of
// the room that is being written to stays, so the limit may be exceeded by one message per writer.
func (s *Store) shrink(writing *log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes.Load() > s.limit() {
		l := s.large(writing)
		freed := l.evict(l == writing)
		if freed == 0 {
			return
		}
		s.bytes.Add(-freed)
	}
}

// large returns one of the larger logs: the largest of some, unless that is smaller than the average.
func (s *Store) large(writing *log) *log {
	average := s.bytes.Load() / int64(max(1, len(s.all)))
	best, most := writing, writing.size()
	consider := func(l *log) {
		if n := l.size(); n > most {
			best, most = l, n
		}
	}
	if s.largest != nil {
		consider(s.largest)
	}
	for range min(8, len(s.all)) {
		consider(s.all[rand.IntN(len(s.all))])
	}
	if most < average {
		for _, l := range s.all {
			consider(l)
		}
	}
	s.largest = best
	return best
}

func (l *log) size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bytes
}

// evict lets the oldest sixteenth of a log leave, one message at least, and returns its bytes.
func (l *log) evict(keepNewest bool) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0 // its bytes are no longer counted
	}
	most := len(l.messages)
	if keepNewest {
		most--
	}
	n, freed, before := 0, int64(0), l.bytes
	for n < most && freed <= before/16 {
		freed += size(l.messages[n])
		n++
	}
	if n > 0 {
		l.drop(n, len(l.messages)-n+n/2)
	}
	return before - l.bytes
}

// After implements transports.Store. The messages are those of the log, not copies.
func (s *Store) After(_ context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if seq == s.Start() {
		seq = 0
	}
	v, ok := s.rooms.Load(room)
	if !ok {
		if seq > 0 {
			return nil, &transports.GapError{Oldest: 1} // its first message may have any seq
		}
		return nil, nil
	}
	l := v.(*log)
	s.use(l)
	l.mu.RLock()
	defer l.mu.RUnlock()
	if seq == 0 {
		seq = l.first - 1 // the start of the log
	}
	kept := min(len(l.messages), s.retention())
	if oldest := l.last - uint64(kept) + 1; seq < oldest-1 || seq > l.last {
		return nil, &transports.GapError{Oldest: oldest}
	}
	behind := int(l.last - seq)
	tail := l.messages[len(l.messages)-behind:]
	return slices.Clip(transports.Batch(tail, limit)), nil // so that appending to it leaves the log as it is
}

// Close keeps the log, but rooms no longer leave memory. It waits for those that are leaving.
func (s *Store) Close() error {
	s.mu.Lock()
	s.sweeper.close()
	s.mu.Unlock()
	s.sweeper.running.Wait()
	return nil
}
