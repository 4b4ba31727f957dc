package feed_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// A reader with a place in a log that was lost gets a gap, though the places of the new one lie around
// its own.
func TestPlaceOfAnotherLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &watched{}
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 0, 5, "one") })
		synctest.Wait()
		store.say("one")
		waiting.Wait()
		oldest := transports.FirstSeq(time.Now())
		for _, seq := range []uint64{1, oldest - 1_000_000, oldest - 2, oldest + 1} {
			if messages, err := f.Next(t.Context(), "room", seq, 5); !isGap(err) {
				t.Errorf("Next(%d) = %v, %v, want a gap", seq, messages, err)
			}
		}
		expect(t, f, oldest-1, 5, "one")
	})
}

// A feed keeps no more than some bytes of a room, and returns no more at once than one batch, even from
// a store that does.
func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 60, 64 << 10
		store := &unbounded{watched: watched{Store: memory.Store{First: 1}}}
		f := opened(t, store)
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, f, 0, 1, "first") })
		synctest.Wait()
		store.say("first")
		waiting.Wait()
		for i := range n {
			store.say(strconv.Itoa(10+i) + strings.Repeat("x", size-2))
			synctest.Wait()
		}
		reads := store.reads.Load()
		kept := 0
		for seq := uint64(n); seq > 0; seq-- { // from the newest message backwards
			messages, err := f.Next(t.Context(), "room", seq, 1)
			if err != nil || len(messages) != 1 || messages[0].Seq != seq+1 {
				t.Fatalf("Next(%d) = %d messages, %v", seq, len(messages), err)
			}
			if store.reads.Load() > reads {
				break
			}
			kept++
		}
		if kept < 4 || kept > 8 {
			t.Errorf("%d messages of 64 KiB are kept, want 4 to 8", kept)
		}
		for name, read := range map[string]func(context.Context, string, uint64, int) ([]transports.Message, error){"Next": f.Next, "After": f.After} {
			if messages, err := read(t.Context(), "room", 1, 256); err != nil || len(messages) != transports.BatchBytes/size {
				t.Errorf("%s returns %d messages of 64 KiB at once, %v", name, len(messages), err)
			}
		}
	})
}

// An unbounded store returns as many bytes as there are.
type unbounded struct{ watched }

func (u *unbounded) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	var all []transports.Message
	for {
		messages, err := u.watched.After(ctx, room, seq, limit-len(all))
		if all = append(all, messages...); err != nil || len(messages) == 0 || len(all) == limit {
			return all, err
		}
		seq = all[len(all)-1].Seq
	}
}
