package memory_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

func once(t testing.TB, store *memory.Store, key string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), "room", nil, transports.Key(key))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// A key is known for its time, and forgotten once another message with a key comes after that.
func TestKeyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{First: 1}
		defer store.Close()
		once(t, store, "a")
		time.Sleep(transports.KeyTime)
		once(t, store, "b")
		if seq := once(t, store, "a"); seq != 1 {
			t.Errorf("after %v, a is at %d", transports.KeyTime, seq)
		}
		time.Sleep(time.Second)
		once(t, store, "c")
		if seq := once(t, store, "a"); seq != 4 {
			t.Errorf("after more than %v, a is at %d, want it to be new", transports.KeyTime, seq)
		}
		if seq := once(t, store, "a"); seq != 4 {
			t.Errorf("the new a is at %d when it is sent again", seq)
		}
	})
}

// Keys count among the bytes of the store: tiny messages with long keys take no more memory than others.
func TestBytesOfKeys(t *testing.T) {
	const limit = 1 << 20
	store := &memory.Store{Bytes: limit}
	for i := range 40_000 {
		once(t, store, fmt.Sprintf("%0*d", transports.MaxKey, i))
	}
	if n := used(&store); n > 2*limit {
		t.Errorf("the store has a limit of %d bytes and takes %d", limit, n)
	}
}

// A message without a key costs what it did before there were keys, and one with a key little more.
func BenchmarkAppendOnce(b *testing.B) {
	store := new(memory.Store)
	body := []byte(strings.Repeat("x", 200))
	keys := make([]transports.Key, 1<<16)
	for i := range keys {
		keys[i] = transports.Key(fmt.Sprint("4.", i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		store.Append(b.Context(), "room", body, keys[i%len(keys)])
	}
}
