// Package feed reads each room of a store once for all who wait in it.
//
// It keeps the newest messages of the rooms in which somebody waits, and no others: who is further
// behind asks the store. It never asks on a timer.
package feed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pushpull/transports"
)

const (
	// linger is how long a room is watched after the last one has stopped waiting in it. A long
	// poll comes again after a round trip; a watch that ends meanwhile would cost a read each time.
	linger = 10 * time.Second

	// keep is how many messages of a room are kept for those who are not quite as fast.
	keep = 64
)

// A Feed is a transports.Log on a store. It is safe for concurrent use.
type Feed struct {
	store transports.Store
	batch int // most messages of one read

	live    context.Context //nolint:containedctx // that of the watchers, until Close
	end     context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	rooms map[string]*room
}

var _ transports.Log = (*Feed)(nil)

// New returns the log of store, of which batch messages are read at a time; 0: 256. It is to be
// closed.
func New(store transports.Store, batch int) *Feed {
	if batch <= 0 {
		batch = 256
	}
	live, end := context.WithCancel(context.Background())
	return &Feed{store: store, batch: batch, live: live, end: end, rooms: map[string]*room{}}
}

// Close stops watching, and waits until that is done. Who is waiting in Next waits on.
func (f *Feed) Close() {
	f.mu.Lock()
	f.end()
	for _, r := range f.rooms {
		if r.idle != nil {
			r.idle.Stop()
		}
	}
	f.mu.Unlock()
	f.working.Wait()
}

// Append implements transports.Log.
func (f *Feed) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	return f.store.Append(ctx, room, body)
}

// After implements transports.Log: each call is a read of the store.
func (f *Feed) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	return f.store.After(ctx, room, seq, limit)
}

// Next implements transports.Log. Who is at a place that the room's watcher doesn't know asks the
// store, and so does who is told of a gap, which may be that of somebody else's place.
func (f *Feed) Next(ctx context.Context, name string, seq uint64, limit int) ([]transports.Message, error) {
	for {
		r := f.enter(name, seq)
		messages, err := f.next(ctx, r, seq, limit)
		f.leave(r)
		if err != errAgain {
			return messages, err
		}
	}
}

// errAgain says that a room has ended for a reason that was not the reader's.
var errAgain = errors.New("watch again")

func (f *Feed) next(ctx context.Context, r *room, seq uint64, limit int) ([]transports.Message, error) {
	for {
		messages, known, grown, ended := r.look(seq, limit)
		_, gap := errors.AsType[*transports.GapError](ended)
		switch {
		case len(messages) > 0:
			return messages, nil
		case ended != nil && !gap:
			return nil, ended
		case gap || !known:
			messages, err := f.store.After(ctx, r.name, seq, limit)
			if err != nil || len(messages) > 0 {
				return messages, err
			}
			if gap {
				return nil, errAgain
			}
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// enter begins to wait in a room, which is watched from seq on unless it is watched already.
func (f *Feed) enter(name string, seq uint64) *room {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rooms[name]
	if r == nil {
		r = &room{name: name, from: seq, end: seq, grown: make(chan struct{})}
		if f.live.Err() != nil {
			r.finish(transports.ErrStopping)
			return r
		}
		live, cancel := context.WithCancel(f.live)
		r.cancel = cancel
		f.rooms[name] = r
		f.working.Go(func() {
			err := r.watch(live, f.store, f.batch)
			f.drop(r)
			r.finish(err)
		})
	}
	if r.waiting++; r.waiting == 1 && r.idle != nil {
		r.idle.Stop()
	}
	return r
}

// leave ends waiting in a room.
func (f *Feed) leave(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.waiting--; {
	case r.waiting > 0 || f.rooms[r.name] != r || f.live.Err() != nil:
	case r.idle == nil:
		r.idle = time.AfterFunc(linger, func() { f.retire(r) })
	default:
		r.idle.Reset(linger)
	}
}

// retire ends the watch of a room in which nobody has waited for a while.
func (f *Feed) retire(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.waiting == 0 && f.rooms[r.name] == r {
		delete(f.rooms, r.name)
		r.cancel()
	}
}

// drop lets whoever comes next watch the room anew.
func (f *Feed) drop(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[r.name] == r {
		delete(f.rooms, r.name)
	}
	if r.idle != nil {
		r.idle.Stop()
	}
	r.cancel()
}

// A room is one that is watched, or was.
type room struct {
	name   string
	cancel context.CancelFunc

	waiting int         // how many do; under Feed.mu
	idle    *time.Timer // retires the room while nobody waits; nil: not yet

	mu       sync.Mutex
	from     uint64               // messages follow it
	messages []transports.Message // in a slice that nobody changes, but for what is behind its end
	end      uint64               // what follows it was not read yet
	grown    chan struct{}        // closed when there is more, or no more
	ended    error                // why nobody watches any more
}

// look returns what is known to follow seq, and whether that place is known at all.
func (r *room) look(seq uint64, limit int) (messages []transports.Message, known bool, grown <-chan struct{}, ended error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known = r.from <= seq && seq <= r.end
	if known && seq < r.end {
		i, found := slices.BinarySearchFunc(r.messages, seq, func(m transports.Message, seq uint64) int {
			return cmp.Compare(m.Seq, seq)
		})
		if found {
			i++
		}
		n := min(i+limit, len(r.messages))
		messages = r.messages[i:n:n] // clipped: the room behind it is the feed's
	}
	return messages, known, r.grown, r.ended
}

// watch reads the room as it grows, until ctx ends or the store fails.
func (r *room) watch(ctx context.Context, store transports.Store, batch int) error {
	grown, stop := store.Watch(r.name)
	defer stop()
	for {
		messages, err := store.After(ctx, r.name, r.end, batch) // nobody else changes end
		if err != nil {
			return err
		}
		if len(messages) > 0 {
			r.add(messages)
		}
		if len(messages) == batch {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *room) add(messages []transports.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, messages...)
	r.end = messages[len(messages)-1].Seq
	if leave := len(r.messages) - keep; leave >= keep {
		// Readers hold parts of the old array.
		r.from = r.messages[leave-1].Seq
		r.messages = append(make([]transports.Message, 0, 2*keep), r.messages[leave:]...)
	}
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *room) finish(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = err
	close(r.grown)
}
