package memory_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, retention int) transports.Store {
		return &memory.Store{Retention: retention}
	})
}

func TestWaitBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		woken := 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if err := store.Wait(t.Context(), "room", 0); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				woken++
			})
		}
		time.Sleep(time.Hour)
		store.Append(t.Context(), "another room", nil)
		synctest.Wait()
		if woken != 0 {
			t.Errorf("%d of 1000 were woken by nothing", woken)
		}
		start := time.Now()
		store.Append(t.Context(), "room", nil)
		wg.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("waking took %v", took)
		}
	})
}

// A room keeps retention messages to the message, which the contract doesn't ask for.
func TestRetention(t *testing.T) {
	const retention = 10
	store := &memory.Store{Retention: retention}
	for i := range uint64(5 * retention) {
		seq, err := store.Append(t.Context(), "room", nil)
		if err != nil || seq != i+1 {
			t.Fatalf("Append = %d, %v, want %d", seq, err, i+1)
		}
		from := uint64(max(0, int(seq)-retention))
		messages, err := store.After(t.Context(), "room", from, 2*retention)
		if err != nil || uint64(len(messages)) != seq-from {
			t.Fatalf("After(%d) with %d written: %d messages, %v", from, seq, len(messages), err)
		}
		if from == 0 {
			continue
		}
		if _, err := store.After(t.Context(), "room", from-1, 1); err == nil {
			t.Fatalf("After(%d) with %d written: no gap", from-1, seq)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const retention, size = 100, 10_000
	store := &memory.Store{Retention: retention}
	body := []byte(strings.Repeat("x", size))
	for range 10_000 { // 100 MB
		store.Append(t.Context(), "room", body)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept, err := store.After(t.Context(), "room", 10_000-retention, retention)
	if len(kept) != retention {
		t.Fatalf("%d messages kept, %v", len(kept), err)
	}
	runtime.KeepAlive(store)
	store, kept = nil, nil //nolint:ineffassign // the collector is to see neither
	runtime.GC()
	runtime.ReadMemStats(&after)
	// The array grows to twice the retention before its older half leaves.
	if used := int64(before.HeapAlloc) - int64(after.HeapAlloc); used > 2.5*retention*size {
		t.Errorf("%d messages of %d bytes take %d bytes", retention, size, used)
	}
}

func BenchmarkAppend(b *testing.B) {
	store := new(memory.Store)
	body := []byte(strings.Repeat("x", 200))
	b.ReportAllocs()
	for b.Loop() {
		store.Append(b.Context(), "room", body)
	}
}

func BenchmarkAfter(b *testing.B) {
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			store := new(memory.Store)
			for range 1000 {
				store.Append(b.Context(), "room", []byte("hello"))
			}
			b.ReportAllocs()
			for b.Loop() {
				store.After(b.Context(), "room", uint64(1000-n), 256)
			}
		})
	}
}

// BenchmarkFanOut wakes 1,000 waiters with one append, each of which reads the message.
func BenchmarkFanOut(b *testing.B) {
	const waiters = 1000
	store := new(memory.Store)
	ctx := b.Context()
	var ready, got, left sync.WaitGroup
	rounds := make([]chan uint64, waiters)
	for i := range rounds {
		rounds[i] = make(chan uint64)
		left.Go(func() {
			for seq := range rounds[i] {
				ready.Done()
				store.Wait(ctx, "room", seq)
				store.After(ctx, "room", seq, 1)
				got.Done()
			}
		})
	}
	seq := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		ready.Add(waiters)
		got.Add(waiters)
		for _, round := range rounds {
			round <- seq
		}
		ready.Wait()
		seq, _ = store.Append(ctx, "room", []byte("hello"))
		got.Wait()
	}
	for _, round := range rounds {
		close(round)
	}
	left.Wait()
}
