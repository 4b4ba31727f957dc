package feed

import (
	"slices"
	"sync/atomic"

	"pushpull/transports"
)

var _ transports.Pusher = (*Feed)(nil)

// Follow implements transports.Pusher.
func (f *Feed) Follow(name string, seq uint64, reader transports.Follower) (stop func(), ok bool) {
	r := f.enter(name, seq)
	entry := &follower{Follower: reader, feed: f, room: r}
	if !r.follow(entry, seq) {
		f.leave(r, 1)
		return nil, false
	}
	return entry.stop, true
}

// A follower is an entry in a room's list of followers. It counts as a reader of the room while it is in
// the list.
type follower struct {
	transports.Follower
	feed *Feed
	room *room

	gone  atomic.Bool // it gets no more messages
	index int         // in room.followers, -1: no longer; under room.mu, and not valid while the room is written to
}

// stop ends the follower, at any time and more than once.
func (e *follower) stop() {
	if e.gone.Swap(true) {
		return
	}
	e.room.mu.Lock()
	listed := !e.room.pushing && e.room.ended == nil && e.index >= 0
	if listed {
		e.room.remove(e)
	}
	e.room.mu.Unlock()
	if listed { // else whoever works on the list finds that it is gone
		e.feed.leave(e.room, 1)
	}
}

// follow adds a follower that has all messages up to seq. It returns false if those are not the ones
// that the room's reader has, or if it has ended.
func (r *room) follow(e *follower, seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil || seq != r.end {
		return false
	}
	e.index = len(r.followers)
	r.followers = append(r.followers, e)
	return true
}

// remove removes e, which must be in the list. It must be called with mu held, and not while the room
// is written to.
func (r *room) remove(e *follower) {
	last := len(r.followers) - 1
	r.followers[e.index] = r.followers[last]
	r.followers[e.index].index = e.index
	r.followers[last] = nil
	r.followers = r.followers[:last]
}

// push delivers messages to the followers that were there when the messages were added. Only the
// goroutine that watches the room calls it.
func (r *room) push(f *Feed, followers []*follower, messages []transports.Message) {
	if len(followers) == 0 {
		return
	}
	bundle := &transports.Bundle{Messages: messages}
	for _, e := range followers {
		if !e.gone.Load() && !e.Deliver(bundle) {
			e.gone.Store(true)
		}
	}
	r.mu.Lock()
	r.pushing = false
	before := len(r.followers)
	r.followers = slices.DeleteFunc(r.followers, func(e *follower) bool {
		gone := e.gone.Load()
		if gone {
			e.index = -1
		}
		return gone
	})
	left := before - len(r.followers)
	if left > 0 {
		for i, e := range r.followers {
			e.index = i
		}
	}
	r.mu.Unlock()
	if left > 0 {
		f.leave(r, left)
	}
}
