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

func (w *watched) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	w.reads.Add(1)
	if ill := w.ill.Load(); ill != nil {
		return nil, *ill
	}
	return w.Store.After(ctx, room, seq, limit)
}

func (w *watched) say(bodies ...string) {
	for _, body := range bodies {
		_, _ = w.Append(context.Background(), "room", []byte(body)) // it never fails
	}
}

// opened returns a feed that is closed at the end of the test.
func opened(t *testing.T, store transports.Store) *feed.Feed {
	t.Helper()
	f := feed.New(store, 0)
	t.Cleanup(f.Close)
	return f
}

// expect asks for what follows seq, which must be there.
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

// Who waits shares each read, from wherever it reads on, and is given no more than it asks for.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
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
		expect(t, f, 1, 1, "two")
		expect(t, f, 2, 9, "three")
		if n := store.reads.Load(); n != reads || n > 4 {
			t.Errorf("%d reads for three messages, and %d more for what was read", reads, n-reads)
		}
	})
}

// A room is watched for a while after the last one has left it, and no longer.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
		store.say("one")
		f := opened(t, store)
		expect(t, f, 0, 1, "one")
		for range 5 {
			time.Sleep(9 * time.Second)
			expect(t, f, 0, 1, "one")
		}
		if n := store.reads.Load(); n != 1 || !store.Watched() {
			t.Errorf("%d reads, watched: %t, while somebody comes again and again", n, store.Watched())
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if store.Watched() {
			t.Error("watched for nobody")
		}
		expect(t, f, 0, 1, "one")
		if n := store.reads.Load(); n != 2 {
			t.Errorf("%d reads, where nobody came for a while", n)
		}
	})
}

// Who has waited for as long as it likes gets the cause, and takes nothing from who waits on.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
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

// Who has fallen behind what is kept, or comes from further on, asks the store.
func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
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
			t.Errorf("%d reads for who is far behind", n)
		}
		expect(t, f, 999, 2, "999")
		if n := store.reads.Load() - reads; n != 1 {
			t.Errorf("%d reads more for who is not", n-1)
		}
	})
}

// A gap is told to whom it concerns alone.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
		store.Retention = 2
		f := opened(t, store)
		var waiting sync.WaitGroup
		told := func(seq, oldest uint64) {
			t.Helper()
			messages, err := f.Next(t.Context(), "room", seq, 1)
			if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != oldest {
				t.Errorf("Next(%d) = %v, %v, want a gap up to %d", seq, messages, err, oldest)
			}
		}
		told(7, 1) // beyond the end
		waiting.Go(func() { expect(t, f, 0, 1, "one") })
		synctest.Wait()
		told(7, 1)
		store.say("one")
		waiting.Wait()
		store.say("two", "three")
		synctest.Wait()
		expect(t, f, 0, 1, "one") // it has left the log, and is still at hand
		expect(t, f, 1, 1, "two")
		waiting.Go(func() { expect(t, f, 3, 1, "four") })
		synctest.Wait()
		told(9, 2)
		store.say("four")
		waiting.Wait()
	})
}

// A store that fails is told to all who wait; who comes again finds it as it is then.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(watched)
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

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New(new(memory.Store), 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := f.Next(ctx, "room", 0, 1); err == nil {
				t.Error("nothing comes any more")
			}
		})
		synctest.Wait()
		f.Close()
		f.Close()
		waiting.Wait()
		if _, err := f.Next(t.Context(), "room", 0, 1); err == nil {
			t.Error("nothing comes any more")
		}
	})
}

// Many read many rooms while much is written: each reads all of its room, in order.
func TestOneLogForAll(t *testing.T) {
	const rooms, readers, each = 5, 6, 400
	store := &memory.Store{}
	f := opened(t, store)
	var wg sync.WaitGroup
	for room := range rooms {
		name := fmt.Sprint("room", room)
		wg.Go(func() {
			for i := range each {
				if _, err := f.Append(t.Context(), name, fmt.Append(nil, i)); err != nil {
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

// BenchmarkFanOut wakes 1,000 who wait with one append; each gets the message.
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
		seq, _ = f.Append(ctx, "room", []byte("hello"))
		got.Wait()
	}
	for _, round := range rounds {
		close(round)
	}
	left.Wait()
}

// BenchmarkRooms is a message to one reader in each of many rooms, as in a chat of pairs.
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
		_, _ = f.Append(b.Context(), names[i], []byte("hello"))
		got.Wait()
	}
}
