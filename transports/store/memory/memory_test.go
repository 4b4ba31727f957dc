package memory_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Suite{Open: func(_ context.Context, _ string, retention int) (storetest.Store, error) {
		return &memory.Store{Retention: retention}, nil
	}}.Run(t)
}

// A room keeps exactly retention messages; the contract allows more.
func TestRetention(t *testing.T) {
	const retention = 10
	store := &memory.Store{Retention: retention, First: 1}
	for i := range uint64(5 * retention) {
		seq, err := store.Append(t.Context(), "room", nil, "")
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

// The zero value keeps transports.DefaultRetention messages per room, and 1 is a retention.
func TestSmallAndDefaultRetention(t *testing.T) {
	for retention, want := range map[int]int{0: transports.DefaultRetention, 1: 1} {
		store := &memory.Store{Retention: retention, First: 1}
		for range want + 5 {
			store.Append(t.Context(), "room", nil, "")
		}
		_, err := store.After(t.Context(), "room", 0, 1)
		gap, ok := errors.AsType[*transports.GapError](err)
		if !ok || gap.Oldest != 6 {
			t.Errorf("retention %d: %v, want a gap whose oldest is 6", retention, err)
			continue
		}
		if messages, err := store.After(t.Context(), "room", 5, 2*want); len(messages) != want || err != nil {
			t.Errorf("retention %d: %d messages, %v, want %d", retention, len(messages), err, want)
		}
	}
}

// Messages that were read stay as they are while the log goes on.
func TestReadMessagesStay(t *testing.T) {
	const retention = 4
	store := &memory.Store{Retention: retention, First: 1}
	var read [][]transports.Message
	for i := range 5 * retention {
		if _, err := store.Append(t.Context(), "room", fmt.Append(nil, i+1), ""); err != nil {
			t.Fatal(err)
		}
		messages, err := store.After(t.Context(), "room", uint64(max(0, i+1-retention)), retention)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, messages)
	}
	for i, messages := range read {
		for j, m := range messages {
			want := uint64(max(0, i+1-retention) + j + 1)
			if m.Seq != want || string(m.Body) != fmt.Sprint(want) {
				t.Fatalf("message %d of read %d has become %d %q, want %d", j, i, m.Seq, m.Body, want)
			}
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const retention, size = 100, 10_000
	store := &memory.Store{Retention: retention, First: 1}
	body := []byte(strings.Repeat("x", size))
	for range 10_000 { // 100 MB
		store.Append(t.Context(), "room", body, "")
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
		store.Append(b.Context(), "room", body, "")
	}
}

func BenchmarkAfter(b *testing.B) {
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			store := &memory.Store{First: 1}
			for range 1000 {
				store.Append(b.Context(), "room", []byte("hello"), "")
			}
			b.ReportAllocs()
			for b.Loop() {
				store.After(b.Context(), "room", uint64(1000-n), 256)
			}
		})
	}
}

// TestStart reads from the start of a store, which is none of another one.
func TestStart(t *testing.T) {
	var one, other memory.Store
	for n := range 2 {
		if messages, err := one.After(t.Context(), "room", one.Start(), 10); err != nil || len(messages) != n {
			t.Errorf("%d messages, %v", len(messages), err)
		}
		if _, err := one.After(t.Context(), "room", other.Start(), 10); err == nil {
			t.Error("the start of another store is a place")
		}
		if _, err := one.Append(t.Context(), "room", nil, ""); err != nil {
			t.Fatal(err)
		}
	}
	if start := (&memory.Store{First: 8}).Start(); start != 0 {
		t.Errorf("the start of a log with a First is %d", start)
	}
}
