package redis_test

import (
	"fmt"
	"strings"
	"testing"

	"pushpull/transports/store/storetest"
)

// What is measured waits for the disk, as a Redis does that keeps what it acknowledges.
func BenchmarkAppend(b *testing.B) {
	store := openAt(b, fresh(b, storetest.Redis(b)), 0)
	body := []byte(strings.Repeat("x", 200))
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			store.Append(b.Context(), "room", body)
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				store.Append(b.Context(), "room", body)
			}
		})
	})
}

func BenchmarkAfter(b *testing.B) {
	store := openAt(b, fresh(b, storetest.Redis(b)), 0)
	for range 1000 {
		write(b, store, "room", strings.Repeat("x", 200))
	}
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				store.After(b.Context(), "room", uint64(1000-n), 256)
			}
		})
	}
}
