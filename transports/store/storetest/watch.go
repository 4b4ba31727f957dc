package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pushpull/transports"
)

func (s *test) appendBetween() {
	store := s.open(plenty)
	grown, stop := store.Watch("room")
	defer stop()
	var seq uint64
	for i := range 10 {
		s.expect(store, "room", seq)
		last := seq
		seq = s.append(store, "room", fmt.Sprint(i))
		select {
		case <-grown:
		case <-s.ctx.Done():
			s.Fatalf("message %d doesn't wake the watcher", i)
		}
		s.expect(store, "room", last, fmt.Sprint(i))
	}
}

func (s *test) noLostWakeUp() {
	store := s.open(plenty)
	s.passToken(store, store)
}

// passToken passes a token between two rooms, each side through a store of its own: if one wake-up
// is lost, the token stops.
func (s *test) passToken(one, other transports.Store) {
	s.Helper()
	const rounds = 200
	pass := func(store transports.Store, from, to string, serve bool) error {
		grown, stop := store.Watch(from)
		defer stop()
		var seq uint64
		for i := range rounds {
			if serve || i > 0 {
				if _, err := store.Append(s.ctx, to, fmt.Append(nil, i), ""); err != nil {
					return err
				}
			}
			for {
				messages, err := store.After(s.ctx, from, seq, 2)
				if err != nil || len(messages) > 1 {
					return fmt.Errorf("round %d: %d messages, %w", i, len(messages), err)
				}
				if len(messages) == 1 {
					seq = messages[0].Seq
					break
				}
				select {
				case <-grown:
				case <-s.ctx.Done():
					return fmt.Errorf("round %d: %w", i, context.Cause(s.ctx))
				}
			}
		}
		if !serve {
			_, err := store.Append(s.ctx, to, []byte("last"), "")
			return err
		}
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := pass(one, "b", "a", true); err != nil {
			s.Error(err)
		}
	})
	wg.Go(func() {
		if err := pass(other, "a", "b", false); err != nil {
			s.Error(err)
		}
	})
	wg.Wait()
}

func (s *test) wakesAll() {
	const waiters, rounds = 100, 5
	store := s.open(plenty)
	var seq uint64
	for round := range rounds {
		var started, done sync.WaitGroup
		for range waiters {
			started.Add(1)
			done.Go(func() {
				grown, stop := store.Watch("room")
				defer stop()
				started.Done()
				select {
				case <-grown:
					s.awake(store, "room", seq)
				case <-s.ctx.Done():
					s.Errorf("round %d: a watcher is not woken", round)
				}
			})
		}
		started.Wait()
		next := s.append(store, "room", "wake up")
		done.Wait()
		seq = next
	}
}

// awake checks that a woken watcher finds the message it was woken for.
func (s *test) awake(store transports.Store, room string, seq uint64) {
	messages, err := next(s.ctx, store, room, seq, 2)
	if err != nil || len(messages) != 1 {
		s.Errorf("woken for %d messages, want 1; error %v", len(messages), err)
	}
}

func (s *test) stopWatching() {
	store := s.open(plenty)
	_, stop := store.Watch("room")
	grown, stopOther := store.Watch("room")
	defer stopOther()
	stop()
	stop()
	// A watcher that has stopped must take nothing from another one.
	s.append(store, "room", "after all")
	select {
	case <-grown:
	case <-s.ctx.Done():
		s.Error("the other watcher is not woken")
	}
}

func (s *test) otherRooms() {
	store := s.open(plenty)
	grown, stop := store.Watch("room")
	defer stop()
	for i := range 20 {
		s.append(store, fmt.Sprint("room", i), "in another room")
	}
	woken := 0
	for range 20 {
		select {
		case <-grown:
			woken++
		default:
		}
		s.append(store, "room0", "again in another room")
	}
	if woken > 1 { // once is allowed: the store may have connected meanwhile
		s.Errorf("the watcher of an empty room is woken %d times", woken)
	}
}

// contextEnds checks that calls return when their context has ended.
func (s *test) contextEnds() {
	store := s.open(plenty)
	cause := errors.New("the user has left")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(cause)
	// Both must return; whether they succeed is open.
	_, _ = store.After(ctx, "room", 0, 1)
	_, _ = store.Append(ctx, "another room", []byte("hello"), "")
	s.append(store, "room", "goes on")
	s.expect(store, "room", 0, "goes on")
}
