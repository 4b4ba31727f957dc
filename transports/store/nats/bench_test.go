package nats_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	store := mustOpen(b, newServer(b).url, 0)
	body := []byte(strings.Repeat("x", 200))
	inParallel(b, func() error {
		_, err := store.Append(b.Context(), "room", body, "")
		return err
	})
}

func BenchmarkAfter(b *testing.B) {
	store := mustOpen(b, newServer(b).url, 0)
	var seqs []uint64
	for i := range 5000 { // ten rooms in turn
		seqs = append(seqs, mustAppend(b, store, fmt.Sprint("room", i%10), strings.Repeat("x", 200)))
	}
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			inParallel(b, func() error {
				messages, err := store.After(b.Context(), "room9", seqs[len(seqs)-1-10*n], 256)
				if err == nil && len(messages) != n {
					err = fmt.Errorf("%d messages", len(messages))
				}
				return err
			})
		})
	}
}

// inParallel measures one call at a time, and many.
func inParallel(b *testing.B, do func() error) {
	for _, at := range []int{1, 64} {
		b.Run(fmt.Sprint("at-once=", at), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(max(1, at/runtime.GOMAXPROCS(0)))
			if at == 1 {
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
