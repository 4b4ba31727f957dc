package redis_test

import (
	"fmt"
	"strings"
	"testing"

	"pushpull/transports/store/storetest"
)

// The measured Redis syncs every append to disk, so that it keeps what it acknowledges.
func BenchmarkAppend(b *testing.B) {
	store := openAt(b, fresh(b, storetest.Redis(b)), 0)
	body := []byte(strings.Repeat("x", 200))
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			store.Append(b.Context(), "room", body, "")
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				store.Append(b.Context(), "room", body, "")
			}
		})
	})
}

func BenchmarkAfter(b *testing.B) {
	store := openAt(b, fresh(b, storetest.Redis(b)), 0)
	var seqs []uint64
	for range 1000 {
		seqs = append(seqs, write(b, store, "room", strings.Repeat("x", 200)))
	}
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				messages, err := store.After(b.Context(), "room", seqs[999-n], 256)
				if err != nil || len(messages) != n {
					b.Fatalf("%d messages, %v", len(messages), err)
				}
			}
		})
	}
}
