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
			s.Fatalf("message %d wakes nobody", i)
		}
		s.expect(store, "room", last, fmt.Sprint(i))
	}
}

func (s *test) noLostWakeUp() {
	store := s.open(plenty)
	s.passToken(store, store)
}

// passToken passes a token between two rooms, whose sides see the log through stores of their
// own: one wake-up that is lost, and it stands still.
func (s *test) passToken(one, other transports.Store) {
	s.Helper()
	const rounds = 200
	pass := func(store transports.Store, from, to string, serve bool) error {
		grown, stop := store.Watch(from)
		defer stop()
		var seq uint64
		for i := range rounds {
			if serve || i > 0 {
				if _, err := store.Append(s.ctx, to, fmt.Append(nil, i)); err != nil {
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
			_, err := store.Append(s.ctx, to, []byte("last"))
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
					s.Errorf("round %d: nobody is woken", round)
				}
			})
		}
		started.Wait()
		next := s.append(store, "room", "wake up")
		done.Wait()
		seq = next
	}
}

// awake checks that who was woken finds what it was woken for.
func (s *test) awake(store transports.Store, room string, seq uint64) {
	messages, err := next(s.ctx, store, room, seq, 2)
	if err != nil || len(messages) != 1 {
		s.Errorf("woken for %d messages, %v", len(messages), err)
	}
}

func (s *test) stopWatching() {
	store := s.open(plenty)
	_, stop := store.Watch("room")
	grown, stopOther := store.Watch("room")
	defer stopOther()
	stop()
	stop()
	// Who gave up watching has taken nothing from who goes on.
	s.append(store, "room", "after all")
	select {
	case <-grown:
	case <-s.ctx.Done():
		s.Error("nobody is woken")
	}
}

func (s *test) otherRooms() {
	store := s.open(plenty)
	grown, stop := store.Watch("room")
	defer stop()
	for i := range 20 {
		s.append(store, fmt.Sprint("room", i), "not for you")
	}
	woken := 0
	for range 20 {
		select {
		case <-grown:
			woken++
		default:
		}
		s.append(store, "room0", "nor this one")
	}
	if woken > 1 { // it may have been a connection that was made
		s.Errorf("woken %d times in an empty room", woken)
	}
}

// contextEnds checks that who doesn't want to wait any longer doesn't have to.
func (s *test) contextEnds() {
	store := s.open(plenty)
	cause := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(cause)
	// Either may have been done all the same; what counts is that both return.
	_, _ = store.After(ctx, "room", 0, 1)
	_, _ = store.Append(ctx, "another room", []byte("hello"))
	s.append(store, "room", "goes on")
	s.expect(store, "room", 0, "goes on")
}
