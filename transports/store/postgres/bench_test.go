package postgres

import (
	"bytes"
	"testing"

	"pushpull/transports/store/storetest"
)

// BenchmarkStore measures one user at a time, on a server that doesn't wait for its disk.
func BenchmarkStore(b *testing.B) {
	server := storetest.Postgres(b)
	body := bytes.Repeat([]byte("x"), 200)
	b.Run("Append", func(b *testing.B) {
		s := open(b, schema(b, server), Options{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Append(b.Context(), "room", body); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, after := range map[string]uint64{"After/all of 100": 0, "After/1": 99, "After/none": 100} {
		b.Run(name, func(b *testing.B) {
			s := open(b, schema(b, server), Options{})
			fill(b, s, "room", 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.After(b.Context(), "room", after, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
