// Package storetest is the suite of tests that every store passes. It also starts the real servers
// behind the stores.
//
// It tests the contract of transports.Store and nothing beyond: seqs need not be contiguous, rooms
// may share one sequence, old messages may leave late, and the log may live in another process. It
// measures nothing and never sleeps.
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

// testTimeout is how long one test of the suite may take. A test that works takes far less.
const testTimeout = 30 * time.Second

// A Store is a transports.Store that must be closed after use.
type Store interface {
	transports.Store
	Close() error
}

// A Suite is a kind of store, and the ways to create and break it.
type Suite struct {
	// Open opens the log at an address. The log keeps at least the newest retention messages of
	// each room.
	Open func(ctx context.Context, address string, retention int) (Store, error)

	// New returns the address of a new, empty log. nil: Open creates a new log for any address,
	// and no other process can share it.
	New func(t *testing.T) (address string)

	// Break makes the store unreachable until mend is called, for example by killing its server
	// and starting it again. nil: the store can't become unreachable.
	Break func(t *testing.T) (mend func())

	// Rewind takes note of the log at an address. back makes it what it was then, as after a backup
	// was restored, or after a crash that lost the last writes. nil: the log doesn't outlive its
	// store, so it loses everything.
	Rewind func(t *testing.T, address string) (back func())

	// RewindOpen says that the log may be rewound while a store has it open, as one on a server.
	RewindOpen bool

	// Newer turns the log at an address into one of a later version of pushpull. nil: the log
	// doesn't outlive the process.
	Newer func(t *testing.T, address string)

	// Prunes says that rooms can be removed from the store: see store.Pruner.
	Prunes bool
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
		"Places":                     (*test).places,
		"LostLog":                    (*test).lostLog,
		"ManyBytes":                  (*test).manyBytes,
		"Once":                       (*test).once,
		"OnceAtOnce":                 (*test).onceAtOnce,
		"OnceBeyondRetention":        (*test).onceBeyondRetention,
	}
	if s.New != nil && s.Rewind == nil {
		t.Error("a log that outlives its store can lose its end: test that with Rewind")
	}
	if s.Rewind != nil {
		tests["LostEnd"] = (*test).lostEnd
	}
	if s.RewindOpen {
		tests["LostWhileOpen"] = (*test).lostWhileOpen
	}
	if s.New != nil {
		tests["Shared"] = (*test).shared
		tests["SharedGap"] = (*test).sharedGap
		tests["Processes"] = (*test).processes
		tests["WakeUpBetweenProcesses"] = (*test).wakeUpBetween
		tests["Reopened"] = (*test).reopened
		tests["OnceReopened"] = (*test).onceReopened
	}
	if s.Break != nil {
		tests["GoesAwayAndComesBack"] = (*test).goesAway
		tests["AwayWhenOpened"] = (*test).awayWhenOpened
	}
	if s.Newer != nil {
		tests["NewerIsRefused"] = (*test).newer
	}
	if s.Prunes {
		tests["Pruned"] = (*test).pruned
		tests["PrunedUnderWay"] = (*test).prunedUnderWay
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			run(&test{T: t, ctx: ctx, suite: s})
		})
	}
}

// A test is a running test of a suite.
type test struct {
	*testing.T
	ctx   context.Context
	suite Suite
}

// plenty is a retention for tests in which no message should leave the log.
const plenty = 10_000

// address returns the address of a new log.
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

// openAt opens the log at an address, and closes it when the test ends.
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
	seq, err := store.Append(s.ctx, room, []byte(body), "")
	if err != nil {
		s.Fatalf("Append(%q): %v", room, err)
	}
	if seq == 0 {
		s.Fatalf("Append(%q) = 0, which is the cursor before all messages", room)
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

// expect reads the messages of room that follow after, and compares their bodies.
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

// next waits until messages follow seq, and returns at most limit of them.
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

// follow reads n messages of room as a server does, at most limit at a time.
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

// asGap returns the seq of the oldest message of err, which must be a *GapError.
func (s *test) asGap(err error) uint64 {
	s.Helper()
	gap, ok := errors.AsType[*transports.GapError](err)
	if !ok {
		s.Fatalf("error %v, want a *GapError", err)
	}
	if gap.Oldest == 0 {
		s.Fatal("a gap whose oldest message is 0, from which no reader can resume")
	}
	return gap.Oldest
}
