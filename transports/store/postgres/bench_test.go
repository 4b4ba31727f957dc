package postgres

import (
	"bytes"
	"testing"

	"pushpull/transports"
	"pushpull/transports/store/storetest"
)

// BenchmarkStore measures one call at a time, on a server that doesn't sync to disk.
func BenchmarkStore(b *testing.B) {
	server := storetest.Postgres(b)
	body := bytes.Repeat([]byte("x"), 200)
	b.Run("Append", func(b *testing.B) {
		s := open(b, schema(b, server), transports.StoreOptions{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Append(b.Context(), "room", body, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, at := range map[string]int{"After/99 of 100": 0, "After/1": 98, "After/none": 99} {
		b.Run(name, func(b *testing.B) {
			s := open(b, schema(b, server), transports.StoreOptions{})
			fill(b, s, "room", 100)
			messages, err := s.After(b.Context(), "room", 0, 100)
			if err != nil {
				b.Fatal(err)
			}
			after := messages[at].Seq
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.After(b.Context(), "room", after, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
