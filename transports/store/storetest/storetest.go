// Package storetest is the suite that every store passes.
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

// Run tests the stores that open makes. Each has to be empty, to keep at least the newest
// retention messages of a room, and to close itself with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, retention int) transports.Store) {
	for name, test := range map[string]func(*suite){
		"Order":                     (*suite).order,
		"ConcurrentAppends":         (*suite).concurrentAppends,
		"ReadersDuringAppends":      (*suite).readersDuringAppends,
		"Limit":                     (*suite).limit,
		"EmptyRoom":                 (*suite).emptyRoom,
		"Bodies":                    (*suite).bodies,
		"KeepsACopy":                (*suite).keepsACopy,
		"Rooms":                     (*suite).rooms,
		"WaitForAPlaceThatPassed":   (*suite).waitPassed,
		"AppendBetweenAfterAndWait": (*suite).appendBetween,
		"NoLostWakeUp":              (*suite).noLostWakeUp,
		"OneAppendWakesAll":         (*suite).wakesAll,
		"WaitEndsWithContext":       (*suite).waitEnds,
		"OtherRoomsDoNotWake":       (*suite).otherRooms,
		"Gap":                       (*suite).gap,
		"GapDuringAppends":          (*suite).gapDuringAppends,
		"BeyondTheEnd":              (*suite).beyondTheEnd,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			test(&suite{T: t, ctx: ctx, open: open})
		})
	}
}

// A suite is one test at work.
type suite struct {
	*testing.T
	ctx  context.Context
	open func(t *testing.T, retention int) transports.Store
}

// plenty is a retention that no test reaches that doesn't mean to.
const plenty = 10_000

func (s *suite) append(store transports.Store, room, body string) uint64 {
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

func (s *suite) after(store transports.Store, room string, seq uint64, limit int) []transports.Message {
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
func (s *suite) expect(store transports.Store, room string, after uint64, want ...string) {
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

// follow reads n messages of room as a transport does, limit at most at a time.
func follow(ctx context.Context, store transports.Store, room string, n, limit int) ([]transports.Message, error) {
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
		if err := store.Wait(ctx, room, seq); err != nil {
			return all, fmt.Errorf("waiting after %d, with %d of %d messages read: %w", seq, len(all), n, err)
		}
	}
	return all, nil
}

// asGap returns what err says about the oldest message.
func (s *suite) asGap(err error) uint64 {
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
