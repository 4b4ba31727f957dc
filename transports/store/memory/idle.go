package memory

import (
	"cmp"
	"slices"
	"sync"
	"time"
	"weak"

	"pushpull/transports"
)

// sweeps is how many sweeps a log stays without being used. A use costs no look at the clock, as it is
// noted by the number of the last sweep.
const sweeps = 8

// A sweeper is the timer of the next sweep. The store's mutex guards it.
type sweeper struct {
	timer   *time.Timer // nil: no sweep is due, as there are no rooms
	closed  bool
	running sync.WaitGroup // the sweep that is due or running
}

// close stops the timer. A sweep that has begun goes on, and is the last.
func (w *sweeper) close() {
	w.closed = true
	if w.timer != nil && w.timer.Stop() {
		w.running.Done()
	}
	w.timer = nil
}

// use notes that a log is being used.
func (s *Store) use(l *log) {
	if now := s.swept.Load(); l.used.Load() != now { // most uses write nothing, so that readers share the memory
		l.used.Store(now)
	}
}

// sweepLater lets a sweep follow if there are rooms. The mutex must be held.
func (s *Store) sweepLater() {
	w := &s.sweeper
	if w.closed || w.timer != nil || len(s.all) == 0 {
		return
	}
	w.running.Add(1)
	pause := max(cmp.Or(max(s.Idle, 0), transports.DefaultIdle)/sweeps, 1)
	store := weak.Make(s) // a store that nobody uses any more need not be closed to leave memory
	w.timer = time.AfterFunc(pause, func() {
		if s := store.Value(); s != nil {
			defer s.sweeper.running.Done()
			s.sweep()
		}
	})
}

// sweep lets the rooms leave that were not used for some sweeps.
func (s *Store) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sweeper.closed {
		return
	}
	now := s.swept.Add(1)
	s.all = slices.DeleteFunc(s.all, func(l *log) bool {
		if s.Watches(l.name) {
			l.used.Store(now)
		}
		if !l.leave(now) {
			return false
		}
		s.rooms.Delete(l.name)
		s.bytes.Add(-l.bytes)
		s.ended = max(s.ended, l.last)
		return true
	})
	if cap(s.all) > 2*len(s.all)+1000 {
		s.all = slices.Clone(s.all)
	}
	s.largest = nil // it may have left
	s.sweeper.timer = nil
	s.sweepLater()
}

// leave makes a log take no more messages if it was not used for some sweeps, of which now is the
// number, and reports whether it was not. Its fields no longer change then.
func (l *log) leave(now uint32) bool {
	if now-l.used.Load() <= sweeps {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = now-l.used.Load() > sweeps // a message may have come meanwhile
	return l.gone
}
