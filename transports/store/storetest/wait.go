package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

func (s *suite) waitPassed() {
	store := s.open(s.T, plenty)
	first := s.append(store, "room", "first")
	s.append(store, "room", "second")
	for _, seq := range []uint64{0, first} {
		if err := store.Wait(s.ctx, "room", seq); err != nil {
			s.Errorf("Wait(%d) with a message behind it: %v", seq, err)
		}
	}
}

func (s *suite) appendBetween() {
	store := s.open(s.T, plenty)
	var seq uint64
	for i := range 10 {
		s.expect(store, "room", seq)
		next := s.append(store, "room", fmt.Sprint(i))
		if err := store.Wait(s.ctx, "room", seq); err != nil {
			s.Fatalf("Wait(%d): %v", seq, err)
		}
		s.expect(store, "room", seq, fmt.Sprint(i))
		seq = next
	}
}

// noLostWakeUp passes a token between two rooms: one wake-up that is lost, and it stands still.
func (s *suite) noLostWakeUp() {
	const rounds = 200
	store := s.open(s.T, plenty)
	pass := func(from, to string, serve bool) error {
		var seq uint64
		for i := range rounds {
			if serve || i > 0 {
				if _, err := store.Append(s.ctx, to, fmt.Append(nil, i)); err != nil {
					return err
				}
			}
			if err := store.Wait(s.ctx, from, seq); err != nil {
				return fmt.Errorf("round %d: Wait: %w", i, err)
			}
			messages, err := store.After(s.ctx, from, seq, 2)
			if err != nil || len(messages) != 1 {
				return fmt.Errorf("round %d: woken for %d messages: %w", i, len(messages), err)
			}
			seq = messages[0].Seq
		}
		if !serve {
			_, err := store.Append(s.ctx, to, []byte("last"))
			return err
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, serve := range []bool{true, false} {
		wg.Go(func() {
			from, to := "a", "b"
			if serve {
				from, to = to, from
			}
			if err := pass(from, to, serve); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
}

func (s *suite) wakesAll() {
	const waiters, rounds = 100, 5
	store := s.open(s.T, plenty)
	var seq uint64
	for round := range rounds {
		var started, done sync.WaitGroup
		for range waiters {
			started.Add(1)
			done.Go(func() {
				started.Done()
				if err := store.Wait(s.ctx, "room", seq); err != nil {
					s.Errorf("round %d: Wait: %v", round, err)
				}
			})
		}
		started.Wait()
		next := s.append(store, "room", "wake up")
		done.Wait()
		seq = next
	}
}

func (s *suite) waitEnds() {
	store := s.open(s.T, plenty)
	seq := s.append(store, "room", "read already")
	cause := errors.New("the user has gone")

	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(cause)
	if err := store.Wait(ctx, "room", seq); !errors.Is(err, cause) {
		s.Errorf("Wait with a context that had ended: %v, want its cause", err)
	}

	ctx, cancel = context.WithCancelCause(s.ctx)
	started, ended := make(chan struct{}), make(chan error)
	go func() {
		close(started)
		ended <- store.Wait(ctx, "room", seq)
	}()
	<-started
	cancel(cause)
	select {
	case err := <-ended:
		if !errors.Is(err, cause) {
			s.Errorf("Wait with a context that ended: %v, want its cause", err)
		}
	case <-s.ctx.Done():
		s.Fatal("Wait goes on after its context has ended")
	}

	// Who gave up waiting has taken nothing from who comes next.
	s.append(store, "room", "after all")
	if err := store.Wait(s.ctx, "room", seq); err != nil {
		s.Errorf("Wait: %v", err)
	}
}

func (s *suite) otherRooms() {
	store := s.open(s.T, plenty)
	cause := errors.New("waited long enough")
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- store.Wait(ctx, "room", 0) }()
	for i := range 20 {
		s.append(store, fmt.Sprint("room", i), "not for you")
	}
	cancel(cause)
	if err := <-ended; !errors.Is(err, cause) {
		s.Errorf("Wait in an empty room: %v, want the cause of its context", err)
	}
}
