// Package feed reads each room of a store once for all of the room's readers, and writes to those that
// follow it.
//
// It keeps the newest messages of rooms with waiting readers, and no others; readers further behind
// go to the store. It never reads the store on a timer.
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
	// watchIdle is how long a room is watched after its last reader has left. A long poll comes
	// back after a round trip, and each new watch costs a read.
	watchIdle = 10 * time.Second

	// mostIdle is how many rooms without a reader are watched; the one that has been idle longest is given
	// up first. Readers that move from room to room would else leave a watch in each.
	mostIdle = 4096

	// keepMessages and keepBytes are how much of a room is kept for readers that are slightly behind,
	// whichever is less; up to twice as much before older messages leave.
	keepMessages, keepBytes = 64, transports.BatchBytes / 4
)

// A Feed is a transports.Log on a store. It is safe for concurrent use.
type Feed struct {
	store transports.Store
	batch int // most messages of one read

	live    context.Context //nolint:containedctx // of the watching goroutines; ends with Close
	end     context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	rooms map[string]*room
	idle  idleRooms
}

var (
	_ transports.Log     = (*Feed)(nil)
	_ transports.Starter = (*Feed)(nil)
)

// New returns the log of store. It reads at most batch messages at a time; 0: 256. The caller must
// close it.
func New(store transports.Store, batch int) *Feed {
	if batch <= 0 {
		batch = 256
	}
	live, end := context.WithCancel(context.Background())
	return &Feed{store: store, batch: batch, live: live, end: end, rooms: map[string]*room{}}
}

// Close stops watching and waits for the watching goroutines. Callers blocked in Next get an error.
func (f *Feed) Close() {
	f.mu.Lock() // after which no watch begins
	f.end()
	f.mu.Unlock()
	f.working.Wait()
}

// Append implements transports.Log.
func (f *Feed) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	return f.store.Append(ctx, room, body, key)
}

// Start implements transports.Starter.
func (f *Feed) Start() uint64 { return transports.StartOf(f.store) }

// After implements transports.Log: each call is a read of the store.
func (f *Feed) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	messages, err := f.store.After(ctx, room, seq, limit)
	return transports.Batch(messages, limit), err
}

// Next implements transports.Log. A reader the watcher has no messages for reads the store itself;
// so does one that hits a gap, as the gap may be another reader's.
func (f *Feed) Next(ctx context.Context, name string, seq uint64, limit int) ([]transports.Message, error) {
	for {
		r := f.enter(name, seq)
		messages, err := f.next(ctx, r, seq, limit)
		f.leave(r, 1)
		if err != errAgain {
			return messages, err
		}
	}
}

// errAgain means that the watch of a room has ended on the gap of another reader.
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
			messages, err := f.After(ctx, r.name, seq, limit)
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

// enter adds a reader to a room. The room is watched from seq on unless it is watched already.
func (f *Feed) enter(name string, seq uint64) *room {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rooms[name]
	if r == nil {
		r = &room{name: name, from: seq, end: seq}
		if f.live.Err() != nil {
			r.finish(transports.ErrStopping)
			return r
		}
		live, cancel := context.WithCancel(f.live)
		r.cancel = cancel
		f.rooms[name] = r
		f.working.Go(func() {
			err := r.watch(live, f)
			f.drop(r)
			f.leave(r, r.finish(err))
		})
	}
	r.waiting++ // retire looks at it, so idle may go on
	f.idle.remove(r)
	return r
}

// leave removes n readers from a room.
func (f *Feed) leave(r *room, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.waiting -= n; r.waiting > 0 || f.rooms[r.name] != r {
		return
	}
	if r.idle == nil {
		r.idle = time.AfterFunc(watchIdle, func() { f.retire(r) })
	} else {
		r.idle.Reset(watchIdle)
	}
	f.idle.add(r)
	if f.idle.count > mostIdle {
		f.forget(f.idle.first)
	}
}

// retire ends the watch of a room that has had no reader for watchIdle.
func (f *Feed) retire(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.waiting == 0 && f.rooms[r.name] == r {
		f.forget(r)
	}
}

// forget ends the watch of r; drop follows. It must be called with mu held.
func (f *Feed) forget(r *room) {
	delete(f.rooms, r.name)
	f.idle.remove(r)
	r.cancel()
}

// drop makes the next reader start a new watch, after the one of r has ended.
func (f *Feed) drop(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[r.name] == r {
		f.forget(r)
	}
	if r.idle != nil {
		r.idle.Stop()
	}
	r.cancel()
}

// A room is the watch of one room and its newest messages.
type room struct {
	name   string
	cancel context.CancelFunc

	waiting int         // number of readers; under Feed.mu
	idle    *time.Timer // retires the room; restarted when its last reader leaves, nil before; under Feed.mu

	before, after *room // neighbours in Feed.idle, if the room is in it
	listed        bool  // in Feed.idle

	mu       sync.Mutex
	from     uint64               // messages holds what follows this seq
	messages []transports.Message // readers share its array, so elements are only added
	bytes    int                  // of the bodies in messages
	end      uint64               // seq of the newest message read, or from
	grown    chan struct{}        // closed when messages were added or the watch has ended; nil: nobody waits
	ended    error                // why the watch has ended; nil: it has not

	followers []*follower // have all messages up to end
	pushing   bool        // the messages before end are being delivered: elements of followers are only added
}

// look returns the messages that are known to follow seq, and whether the room knows that seq. A seq
// between those of two messages is not known: it may be of a log that was lost.
func (r *room) look(seq uint64, limit int) (messages []transports.Message, known bool, grown <-chan struct{}, ended error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := 0
	if known = seq == r.from; !known && r.from < seq && seq <= r.end {
		i, known = slices.BinarySearchFunc(r.messages, seq, func(m transports.Message, seq uint64) int {
			return cmp.Compare(m.Seq, seq)
		})
		i++
	}
	if known && i < len(r.messages) {
		messages = slices.Clip(transports.Batch(r.messages[i:], limit)) // the feed appends to the array
	}
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return messages, known, r.grown, r.ended
}

// watch reads the room as it grows, until ctx ends or the store fails.
func (r *room) watch(ctx context.Context, f *Feed) error {
	grown, stop := f.store.Watch(r.name)
	defer stop()
	for {
		messages, err := f.store.After(ctx, r.name, r.end, f.batch) // only this goroutine changes end
		if err != nil {
			return err
		}
		if len(messages) > 0 {
			r.push(f, r.add(messages), messages)
		}
		if transports.Full(messages, f.batch) {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// add adds messages, wakes the readers that wait for them, and returns the followers that need them.
func (r *room) add(messages []transports.Message) []*follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, messages...)
	r.end = messages[len(messages)-1].Seq
	for _, m := range messages {
		r.bytes += len(m.Body)
	}
	if len(r.messages) >= 2*keepMessages || r.bytes >= 2*keepBytes {
		r.shrink()
	}
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
	r.pushing = len(r.followers) > 0
	return r.followers
}

// shrink lets the oldest messages leave, up to keepMessages and keepBytes. The newest one stays.
func (r *room) shrink() {
	leave := 0
	for left := len(r.messages); left > 1 && (left > keepMessages || r.bytes > keepBytes); left-- {
		r.bytes -= len(r.messages[leave].Body)
		leave++
	}
	if leave == 0 {
		return
	}
	// A new array, as readers hold parts of the old one.
	r.from = r.messages[leave-1].Seq
	r.messages = append(make([]transports.Message, 0, max(2*len(r.messages[leave:]), 8)), r.messages[leave:]...)
}

// finish lets all readers go, and returns how many of them were followers.
func (r *room) finish(err error) int {
	r.mu.Lock()
	r.ended = err
	if r.grown != nil {
		close(r.grown)
	}
	followers := r.followers
	r.followers = nil
	r.mu.Unlock()
	for _, e := range followers {
		if !e.gone.Swap(true) {
			e.Fall()
		}
	}
	return len(followers)
}

// idleRooms lists the rooms without a reader, the one that has been idle longest first. It links the rooms
// themselves, as a room becomes idle after most held polls. All of it is under Feed.mu.
type idleRooms struct {
	first, last *room
	count       int
}

// add adds r, which is not in the list, at its end.
func (l *idleRooms) add(r *room) {
	r.before, r.after, r.listed = l.last, nil, true
	if l.last == nil {
		l.first = r
	} else {
		l.last.after = r
	}
	l.last = r
	l.count++
}

// remove removes r if it is in the list.
func (l *idleRooms) remove(r *room) {
	if !r.listed {
		return
	}
	if r.before == nil {
		l.first = r.after
	} else {
		r.before.after = r.after
	}
	if r.after == nil {
		l.last = r.before
	} else {
		r.after.before = r.before
	}
	r.before, r.after, r.listed = nil, nil, false
	l.count--
}
