package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/store/memory"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Suite{Open: func(_ context.Context, _ string, retention int) (storetest.Store, error) {
		return &memory.Store{Retention: retention}, nil
	}}.Run(t)
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
