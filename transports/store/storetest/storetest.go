// Package storetest is the suite that every store passes, and how the real servers behind them
// are started for it.
//
// It holds a store to the contract of transports.Store alone: seqs may leave gaps, several rooms
// may share one count, old messages may leave later than they could, and the log may live in
// another process. It measures nothing and never sleeps.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pushpull/transports"
)

// patience is how long something may take that ought to take no time at all.
const patience = 30 * time.Second

// A Store is a transports.Store that is closed when it is no longer used.
type Store interface {
	transports.Store
	Close() error
}

// A Suite is a kind of store, and how to make and break it.
type Suite struct {
	// Open opens the log at an address, which keeps at least the newest retention messages of
	// each room.
	Open func(ctx context.Context, address string, retention int) (Store, error)

	// New returns the address of a log that is empty and nobody else's. nil: Open makes a new
	// log whatever the address, which no other process can share.
	New func(t *testing.T) (address string)

	// Break takes the store out of reach until mend is called, as when its server is killed and
	// started again. nil: it is within the process.
	Break func(t *testing.T) (mend func())

	// Newer makes the log at an address one that a later version of pushpull has made. nil: it
	// keeps nothing for later.
	Newer func(t *testing.T, address string)
}

// Run runs the suite. Main must have been called by TestMain if there is a New.
func (s Suite) Run(t *testing.T) {
	tests := map[string]func(*test){
		"Order":                      (*test).order,
		"ConcurrentAppends":          (*test).concurrentAppends,
		"ReadersDuringAppends":       (*test).readersDuringAppends,
		"Limit":                      (*test).limit,
		"EmptyRoom":                  (*test).emptyRoom,
		"Bodies":                     (*test).bodies,
		"KeepsACopy":                 (*test).keepsACopy,
		"Rooms":                      (*test).rooms,
		"AppendBetweenAfterAndWatch": (*test).appendBetween,
		"NoLostWakeUp":               (*test).noLostWakeUp,
		"OneAppendWakesAll":          (*test).wakesAll,
		"StopWatching":               (*test).stopWatching,
		"OtherRoomsDoNotWake":        (*test).otherRooms,
		"ContextEnds":                (*test).contextEnds,
		"Gap":                        (*test).gap,
		"GapDuringAppends":           (*test).gapDuringAppends,
		"BeyondTheEnd":               (*test).beyondTheEnd,
	}
	if s.New != nil {
		tests["Shared"] = (*test).shared
		tests["SharedGap"] = (*test).sharedGap
		tests["Processes"] = (*test).processes
		tests["WakeUpBetweenProcesses"] = (*test).wakeUpBetween
		tests["Reopened"] = (*test).reopened
	}
	if s.Break != nil {
		tests["GoesAwayAndComesBack"] = (*test).goesAway
		tests["AwayWhenOpened"] = (*test).awayWhenOpened
	}
	if s.Newer != nil {
		tests["NewerIsRefused"] = (*test).newer
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			run(&test{T: t, ctx: ctx, suite: s})
		})
	}
}

// A test is one test of a suite at work.
type test struct {
	*testing.T
	ctx   context.Context
	suite Suite
}

// plenty is a retention that no test reaches that doesn't mean to.
const plenty = 10_000

// address returns that of a new log.
func (s *test) address() string {
	s.Helper()
	if s.suite.New == nil {
		return ""
	}
	return s.suite.New(s.T)
}

// open opens a new log.
func (s *test) open(retention int) Store {
	s.Helper()
	return s.openAt(s.address(), retention)
}

// openAt opens a log that there may be already, and closes it when the test ends.
func (s *test) openAt(address string, retention int) Store {
	s.Helper()
	store, err := s.suite.Open(s.ctx, address, retention)
	if err != nil {
		s.Fatalf("opening %q: %v", address, err)
	}
	s.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.Errorf("closing: %v", err)
		}
	})
	return store
}

func (s *test) append(store transports.Store, room, body string) uint64 {
	s.Helper()
	seq, err := store.Append(s.ctx, room, []byte(body))
	if err != nil {
		s.Fatalf("Append(%q): %v", room, err)
	}
	if seq == 0 {
		s.Fatalf("Append(%q) = 0, which is the place before all messages", room)
	}
	return seq
}

func (s *test) after(store transports.Store, room string, seq uint64, limit int) []transports.Message {
	s.Helper()
	messages, err := store.After(s.ctx, room, seq, limit)
	if err != nil {
		s.Fatalf("After(%q, %d, %d): %v", room, seq, limit, err)
	}
	if len(messages) > limit {
		s.Fatalf("After(%q, %d, %d) returned %d messages", room, seq, limit, len(messages))
	}
	for _, m := range messages {
		if m.Seq <= seq {
			s.Fatalf("After(%q, ...): seq %d follows %d", room, m.Seq, seq)
		}
		seq = m.Seq
	}
	return messages
}

// expect reads room from after on and compares the bodies.
func (s *test) expect(store transports.Store, room string, after uint64, want ...string) {
	s.Helper()
	if got := bodies(s.after(store, room, after, len(want)+1)); !slices.Equal(got, want) {
		s.Errorf("After(%q, %d) = %.200q, want %.200q", room, after, got, want)
	}
}

func bodies(messages []transports.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

// next waits until messages follow seq, and returns limit of them at most.
func next(ctx context.Context, store transports.Store, room string, seq uint64, limit int) ([]transports.Message, error) {
	grown, stop := store.Watch(room)
	defer stop()
	for {
		messages, err := store.After(ctx, room, seq, limit)
		if err != nil || len(messages) > 0 {
			return messages, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting: %w", context.Cause(ctx))
		}
	}
}

// follow reads n messages of room as a server does, limit at most at a time.
func follow(ctx context.Context, store transports.Store, room string, n, limit int) ([]transports.Message, error) {
	grown, stop := store.Watch(room)
	defer stop()
	var all []transports.Message
	var seq uint64
	for len(all) < n {
		messages, err := store.After(ctx, room, seq, limit)
		if err != nil {
			return all, fmt.Errorf("reading after %d, with %d of %d messages read: %w", seq, len(all), n, err)
		}
		for _, m := range messages {
			if m.Seq <= seq {
				return all, fmt.Errorf("seq %d follows %d", m.Seq, seq)
			}
			seq = m.Seq
		}
		if all = append(all, messages...); len(messages) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return all, fmt.Errorf("waiting after %d, with %d of %d messages read: %w", seq, len(all), n, context.Cause(ctx))
		}
	}
	return all, nil
}

// asGap returns what err says about the oldest message.
func (s *test) asGap(err error) uint64 {
	s.Helper()
	gap, ok := errors.AsType[*transports.GapError](err)
	if !ok {
		s.Fatalf("error %v, want a *GapError", err)
	}
	if gap.Oldest == 0 {
		s.Fatal("a gap whose oldest message is 0: nobody can read on from there")
	}
	return gap.Oldest
}
