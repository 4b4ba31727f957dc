package feed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A watched store counts its reads, and can fail.
type watched struct {
	memory.Store
	reads atomic.Int64
	ill   atomic.Pointer[error]
}

func newWatched() *watched { return &watched{Store: memory.Store{First: 1}} }

func (w *watched) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	w.reads.Add(1)
	if ill := w.ill.Load(); ill != nil {
		return nil, *ill
	}
	return w.Store.After(ctx, room, seq, limit)
}

func (w *watched) say(bodies ...string) {
	for _, body := range bodies {
		_, _ = w.Append(context.Background(), "room", []byte(body), "") // it never fails
	}
}

// A late store has messages before its watchers are woken, which only Ring and RingAll do.
type late struct {
	watched
	bell transports.Bell
}

func (l *late) Watch(room string) (grown <-chan struct{}, stop func()) { return l.bell.Watch(room) }

// A held store answers no read before the hold is released.
type held struct {
	watched
	release chan struct{}
}

func (h *held) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	<-h.release
	return h.watched.After(ctx, room, seq, limit)
}

// A clinging store lets no watch stop before the release.
type clinging struct {
	watched
	stopping atomic.Bool
	release  chan struct{}
}

func (c *clinging) Watch(room string) (grown <-chan struct{}, stop func()) {
	grown, stopNow := c.watched.Watch(room)
	return grown, func() {
		c.stopping.Store(true)
		<-c.release
		stopNow()
	}
}

// opened returns a feed that is closed at the end of the test.
func opened(t *testing.T, store transports.Store) *feed.Feed {
	t.Helper()
	f := feed.New(store, 0)
	t.Cleanup(f.Close)
	return f
}

// expect calls Next for the messages that follow seq; they must come within a second.
func expect(t *testing.T, f *feed.Feed, seq uint64, limit int, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	messages, err := f.Next(ctx, "room", seq, limit)
	var got []string
	for _, m := range messages {
		got = append(got, string(m.Body))
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Next(%d) = %q, %v, want %q", seq, got, err, want)
	}
}

// Waiting readers share each read, from any cursor, and get no more messages than they ask for.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() { expect(t, f, 0, 5, "one") })
		}
		synctest.Wait()
		if n := store.reads.Load(); n != 1 {
			t.Errorf("%d reads to begin with", n)
		}
		store.say("one")
		waiting.Wait()
		store.say("two", "three")
		synctest.Wait()
		reads := store.reads.Load()
		expect(t, f, 0, 5, "one", "two", "three")
		expect(t, f, 0, 2, "one", "two")
		first, _ := f.Next(t.Context(), "room", 0, 1)
		_ = append(first, transports.Message{Seq: 2, Body: []byte("not in the log")}) // the reader's own
		expect(t, f, 1, 1, "two")
		expect(t, f, 2, 9, "three")
		if n := store.reads.Load(); n != reads || n > 4 {
			t.Errorf("%d reads for three messages, and %d more for what was read", reads, n-reads)
		}
	})
}

// A room is watched for a while after its last reader has left, and no longer.
func TestWatchIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		store.say("one")
		f := opened(t, store)
		expect(t, f, 0, 1, "one")
		for range 5 {
			time.Sleep(9 * time.Second)
			expect(t, f, 0, 1, "one")
		}
		if n := store.reads.Load(); n != 1 || !store.Watched() {
			t.Errorf("%d reads, watched: %t, while a reader keeps coming back", n, store.Watched())
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if store.Watched() {
			t.Error("still watched without readers")
		}
		expect(t, f, 0, 1, "one")
		if n := store.reads.Load(); n != 2 {
			t.Errorf("%d reads after a while without readers, want one more", n)
		}
	})
}

// A room stays watched while a reader waits, however long ago another one has left.
func TestWatchStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		store.say("one")
		f := opened(t, store)
		expect(t, f, 0, 1, "one")
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if messages, err := f.Next(t.Context(), "room", 1, 1); err != nil || len(messages) != 1 {
				t.Errorf("Next(1) = %v, %v", messages, err)
			}
		})
		time.Sleep(time.Hour)
		store.say("two")
		waiting.Wait()
		time.Sleep(9 * time.Second)
		if n := store.reads.Load(); n != 2 || !store.Watched() {
			t.Errorf("%d reads, watched: %t; want one read for each message", n, store.Watched())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if store.Watched() {
			t.Error("still watched without readers")
		}
	})
}

// A watch that is about to end is left alone: the next reader gets a new one, which stays when the
// old one has ended.
func TestWatchEndsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &clinging{watched: watched{Store: memory.Store{First: 1}}, release: make(chan struct{})}
		store.say("one")
		f := opened(t, store)
		expect(t, f, 0, 1, "one")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if !store.stopping.Load() {
			t.Error("watched for longer than 10 s without readers")
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 1, 1, "two") })
		synctest.Wait()
		store.say("two")
		waiting.Wait()
		close(store.release)
		synctest.Wait()
		reads := store.reads.Load()
		expect(t, f, 1, 1, "two")
		if n := store.reads.Load() - reads; n != 0 {
			t.Errorf("%d reads for a message that the new watch has read", n)
		}
	})
}

// A reader whose context ends gets its cause; other readers stay as they are.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		cause := errors.New("waited long enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, cause)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := f.Next(t.Context(), "room", 0, 1); err != nil {
				t.Error(err)
			}
		})
		if messages, err := f.Next(ctx, "room", 0, 1); !errors.Is(err, cause) {
			t.Errorf("%v, %v", messages, err)
		}
		store.say("after all")
		waiting.Wait()
		if n := store.reads.Load(); n != 2 {
			t.Errorf("%d reads of a room in which nothing happened for an hour", n)
		}
	})
}

// A reader behind the seq from which its room is watched gets the messages before it.
func TestBehindTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		store.say("one", "two")
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 2, 1, "three") })
		synctest.Wait()
		expect(t, f, 0, 5, "one", "two")
		store.say("three")
		waiting.Wait()
	})
}

// A reader behind the kept messages reads the store; one within them does not.
func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 0, 1, "0") })
		synctest.Wait()
		for i := range 1000 {
			store.say(strconv.Itoa(i))
		}
		waiting.Wait()
		synctest.Wait()
		reads := store.reads.Load()
		expect(t, f, 3, 2, "3", "4")
		if n := store.reads.Load() - reads; n != 1 {
			t.Errorf("%d reads for a reader far behind, want 1", n)
		}
		expect(t, f, 999, 2, "999")
		if n := store.reads.Load() - reads; n != 1 {
			t.Errorf("%d more reads for a reader that is not", n-1)
		}
	})
}

// A room keeps 64 to 127 messages, and those that a reader holds stay as they are.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 0, 1, "1") })
		synctest.Wait()
		read := func(seq uint64) (reads int64) {
			before := store.reads.Load()
			expect(t, f, seq, 1, fmt.Sprint(seq+1))
			return store.reads.Load() - before
		}
		for i := range 127 {
			store.say(strconv.Itoa(i + 1))
			synctest.Wait()
		}
		waiting.Wait()
		first, _ := f.Next(t.Context(), "room", 0, 127)
		if n := read(0); n != 0 {
			t.Errorf("%d reads for the oldest of 127 messages, want 0", n)
		}
		store.say("128")
		synctest.Wait()
		if n := read(64); n != 0 {
			t.Errorf("%d reads for the oldest of 64 messages, want 0", n)
		}
		if n := read(63); n != 1 {
			t.Errorf("%d reads for a message that is not kept, want 1", n)
		}
		for i, m := range first {
			if string(m.Body) != strconv.Itoa(i+1) {
				t.Fatalf("message %d of a reader has become %q", i+1, m.Body)
			}
		}
		if len(first) != 127 {
			t.Errorf("%d messages, want 127", len(first))
		}
	})
}

// A gap is reported to the reader it concerns, and to no other.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		store.Retention = 2
		f := opened(t, store)
		var waiting sync.WaitGroup
		wantGap := func(seq, oldest uint64) {
			t.Helper()
			messages, err := f.Next(t.Context(), "room", seq, 1)
			if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != oldest {
				t.Errorf("Next(%d) = %v, %v, want a gap up to %d", seq, messages, err, oldest)
			}
		}
		wantGap(7, 1) // beyond the end
		waiting.Go(func() { expect(t, f, 0, 1, "one") })
		synctest.Wait()
		wantGap(7, 1)
		store.say("one")
		waiting.Wait()
		store.say("two", "three")
		synctest.Wait()
		expect(t, f, 0, 1, "one") // it has left the log, but the feed still has it
		expect(t, f, 1, 1, "two")
		waiting.Go(func() { expect(t, f, 3, 1, "four") })
		synctest.Wait()
		wantGap(9, 2)
		store.say("four")
		waiting.Wait()
	})
}

// A reader stays when the watch of its room ends on the gap of another reader.
func TestGapOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &held{watched: watched{Store: memory.Store{First: 1}}, release: make(chan struct{})}
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if messages, err := f.Next(t.Context(), "room", 7, 1); !isGap(err) {
				t.Errorf("Next(7) = %v, %v, want a gap", messages, err)
			}
		})
		synctest.Wait() // the room is watched from 7 on
		waiting.Go(func() { expect(t, f, 0, 1, "one") })
		synctest.Wait()
		close(store.release)
		synctest.Wait()
		store.say("one")
		waiting.Wait()
	})
}

func isGap(err error) bool {
	_, gap := errors.AsType[*transports.GapError](err)
	return gap
}

// All waiting readers get the error of a store that fails. Later readers read it again.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		f := opened(t, store)
		fire := errors.New("the disk is on fire")
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				if _, err := f.Next(t.Context(), "room", 0, 1); !errors.Is(err, fire) {
					t.Errorf("%v, want %v", err, fire)
				}
			})
		}
		synctest.Wait()
		store.ill.Store(&fire)
		store.RingAll()
		waiting.Wait()
		if _, err := f.Next(t.Context(), "room", 0, 1); !errors.Is(err, fire) {
			t.Errorf("%v, want %v", err, fire)
		}
		store.ill.Store(nil)
		waiting.Go(func() { expect(t, f, 0, 1, "well again") })
		synctest.Wait()
		store.say("well again")
		waiting.Wait()
	})
}

// Close ends the wait of all readers at once, and no later one gets to wait.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		f := feed.New(store, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := f.Next(ctx, "room", 0, 1); err == nil || ctx.Err() != nil {
				t.Errorf("Next = %v, after the feed was closed", err)
			}
		})
		synctest.Wait()
		f.Close()
		if store.Watched() {
			t.Error("still watched after Close has returned")
		}
		f.Close()
		waiting.Wait()
		if _, err := f.Next(t.Context(), "room", 0, 1); !errors.Is(err, transports.ErrStopping) {
			t.Errorf("Next = %v, on a closed feed", err)
		}
	})
}

// Next waits until it has a message: a reader that is ahead of the watcher, and for which the store
// has nothing, waits for the watcher.
func TestAheadOfTheWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &late{watched: watched{Store: memory.Store{First: 1}}}
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 0, 1, "one") })
		synctest.Wait()
		store.say("one")
		waiting.Go(func() { expect(t, f, 1, 1, "two") })
		synctest.Wait() // the watcher has read neither
		store.say("two")
		store.bell.Ring("room")
		waiting.Wait()
	})
}

// Many readers in many rooms, with many appends: each reads all messages of its room, in order.
func TestOneLogForAll(t *testing.T) {
	const rooms, readers, each = 5, 6, 400
	store := &memory.Store{}
	f := opened(t, store)
	var wg sync.WaitGroup
	for room := range rooms {
		name := fmt.Sprint("room", room)
		wg.Go(func() {
			for i := range each {
				if _, err := f.Append(t.Context(), name, fmt.Append(nil, i), ""); err != nil {
					t.Error(err)
				}
			}
		})
		for r := range readers {
			wg.Go(func() {
				var seq uint64
				for i := 0; i < each; {
					messages, err := f.Next(t.Context(), name, seq, 1+r*20)
					if err != nil || len(messages) == 0 || len(messages) > 1+r*20 {
						t.Errorf("%d messages, %v", len(messages), err)
						return
					}
					for _, m := range messages {
						if string(m.Body) != strconv.Itoa(i) || m.Seq <= seq {
							t.Errorf("message %d is %d %q", i, m.Seq, m.Body)
							return
						}
						i, seq = i+1, m.Seq
					}
				}
			})
		}
	}
	wg.Wait()
}

// BenchmarkFanOut wakes 1,000 waiting readers with one append; each gets the message.
func BenchmarkFanOut(b *testing.B) {
	const waiters = 1000
	f := feed.New(new(memory.Store), 0)
	defer f.Close()
	ctx := b.Context()
	var got, left sync.WaitGroup
	rounds := make([]chan uint64, waiters)
	for i := range rounds {
		rounds[i] = make(chan uint64)
		left.Go(func() {
			for seq := range rounds[i] {
				_, _ = f.Next(ctx, "room", seq, 1)
				got.Done()
			}
		})
	}
	seq := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		got.Add(waiters)
		for _, round := range rounds {
			round <- seq
		}
		seq, _ = f.Append(ctx, "room", []byte("hello"), "")
		got.Wait()
	}
	for _, round := range rounds {
		close(round)
	}
	left.Wait()
}

// BenchmarkRooms sends messages to many rooms with one reader each, as in a chat of pairs.
func BenchmarkRooms(b *testing.B) {
	const rooms = 100
	f := feed.New(new(memory.Store), 0)
	defer f.Close()
	names := make([]string, rooms)
	seqs := make([]uint64, rooms)
	for i := range names {
		names[i] = fmt.Sprint("room", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % rooms {
		var got sync.WaitGroup
		got.Go(func() {
			messages, _ := f.Next(b.Context(), names[i], seqs[i], 1)
			seqs[i] = messages[0].Seq
		})
		_, _ = f.Append(b.Context(), names[i], []byte("hello"), "")
		got.Wait()
	}
}
