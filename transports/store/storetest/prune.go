package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// A pruner is a store.Pruner, which this package can't import.
type pruner interface {
	transports.Store
	Prune(ctx context.Context, before time.Time, dry bool) (transports.Pruned, error)
}

func (s *test) pruner(store Store) pruner {
	s.Helper()
	p, ok := store.(pruner)
	if !ok {
		s.Fatalf("%T has no Prune, though its suite says so", store)
	}
	return p
}

func (s *test) prune(store pruner, before time.Time, dry bool, want transports.Pruned) {
	s.Helper()
	got, err := store.Prune(s.ctx, before, dry)
	if err != nil || got != want {
		s.Errorf("Prune(dry %t) = %+v, %v, want %+v", dry, got, err, want)
	}
}

// pruned removes old rooms while another store has the log open: the readers of each place in them get a
// gap, before and after somebody writes to them again. The other rooms stay as they are.
func (s *test) pruned() {
	const each = 3
	address := s.address()
	store := s.pruner(s.openAt(address, plenty))
	serving := s.openAt(address, plenty)
	places := map[string][]uint64{}
	say := func(room string, i int) uint64 {
		seq := s.append(serving, room, fmt.Sprint(i))
		places[room] = append(places[room], seq)
		return seq
	}
	olds := []string{"", "old", "old%_*[1]"}
	for _, room := range olds {
		for i := range each {
			say(room, i)
		}
		s.expect(serving, room, places[room][0], "1", "2") // the store may remember the place
		s.expect(serving, room, places[room][each-1])
	}
	say("mixed", 0)
	before := time.UnixMicro(int64(say("mixed", 1)))
	say("new", 0)
	grown, stop := serving.Watch("old")
	defer stop()

	all := transports.Pruned{Rooms: len(olds), Messages: each * len(olds)}
	s.prune(store, before.Add(-time.Hour), false, transports.Pruned{})
	s.prune(store, before, true, all)
	s.expect(serving, "old", 0, "0", "1", "2")
	s.prune(store, before, false, all)
	s.prune(store, before, true, transports.Pruned{})
	s.prune(store, before, false, transports.Pruned{})

	check := func(when string, want ...string) {
		for _, room := range olds {
			for _, store := range []transports.Store{serving, store} {
				for i, place := range places[room][:each] {
					if _, err := store.After(s.ctx, room, place, 10); err == nil {
						s.Fatalf("%s: the reader of message %d of %q gets no gap", when, i, room)
					} else {
						s.expect(store, room, s.asGap(err)-1, want...)
					}
				}
				s.expect(store, room, 0, want...)
			}
		}
		for _, store := range []transports.Store{serving, store} {
			s.expect(store, "mixed", 0, "0", "1")
			s.expect(store, "mixed", places["mixed"][0], "1")
			s.expect(store, "new", 0, "0")
			s.expect(store, "new", places["new"][0])
		}
	}
	check("old rooms were removed")
	for _, room := range olds {
		if seq := say(room, each); seq <= places[room][each-1] {
			s.Errorf("the place of a new message is %d, and the removed room ended at %d", seq, places[room][each-1])
		}
	}
	select {
	case <-grown:
	case <-s.ctx.Done():
		s.Fatal("a message to a removed room wakes no watcher")
	}
	check("messages were sent to the removed rooms", "3")

	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, _ = store.Prune(ctx, time.Now(), false) // must return
}

// prunedUnderWay removes all rooms again and again while they are written to and read. What a reader doesn't
// see was in a gap.
func (s *test) prunedUnderWay() {
	const rooms, each, between = 4, 100, 20
	address := s.address()
	store, serving := s.pruner(s.openAt(address, plenty)), s.openAt(address, plenty)
	var writing, reading sync.WaitGroup
	var gone atomic.Int64
	for r := range rooms {
		room := fmt.Sprint("room", r)
		writing.Go(func() {
			for i := range each {
				if _, err := serving.Append(s.ctx, room, fmt.Append(nil, i), ""); err != nil {
					s.Errorf("Append: %v", err)
					return
				}
				if i%between != between/2 {
					continue
				}
				pruned, err := store.Prune(s.ctx, time.Now(), false)
				if gone.Add(int64(pruned.Rooms)); err != nil {
					s.Errorf("Prune: %v", err)
				}
			}
		})
		reading.Go(func() {
			if err := readThroughGaps(s.ctx, serving, room, each); err != nil {
				s.Errorf("%s: %v", room, err)
			}
		})
	}
	writing.Wait()
	for r := range rooms {
		s.append(serving, fmt.Sprint("room", r), strconv.Itoa(each))
	}
	reading.Wait()
	if gone.Load() < 2 {
		s.Errorf("%d rooms were removed: nothing was tested", gone.Load())
	}
}

// readThroughGaps reads messages that are numbered up to last. Only those in a gap may be missing.
func readThroughGaps(ctx context.Context, store transports.Store, room string, last int) error {
	grown, stop := store.Watch(room)
	defer stop()
	seq, next := uint64(0), 0
	gap := true // the start of a log may be that of any
	for {
		messages, err := store.After(ctx, room, seq, 2)
		if at, ok := errors.AsType[*transports.GapError](err); ok {
			gap, seq = true, at.Oldest-1
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			n, err := strconv.Atoi(string(m.Body))
			if err != nil || n < next || n > next && !gap {
				return fmt.Errorf("message %q follows %d without a gap (gap %t)", m.Body, next-1, gap)
			}
			gap, next, seq = false, n+1, m.Seq
		}
		if next > last {
			return nil
		}
		if len(messages) > 0 {
			continue
		}
		gap = gap || seq == 0
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("waiting for message %d: %w", next, context.Cause(ctx))
		}
	}
}
