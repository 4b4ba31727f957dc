package transports

import "testing"

// TestBatch cuts logs of some sizes of message, and asks whether more may follow.
func TestBatch(t *testing.T) {
	for _, c := range []struct {
		name           string
		messages, size int
		limit, want    int
		full           bool
	}{
		{"few", 3, 10, 256, 3, false},
		{"as many as the limit", 4, 10, 4, 4, true},
		{"more than the limit", 9, 10, 4, 4, true},
		{"just the bytes", 4, BatchBytes / 4, 256, 4, true},
		{"a byte less", 4, BatchBytes/4 - 1, 256, 4, false},
		{"more than the bytes", 300, 64 << 10, 256, 16, true},
		{"one larger than all", 3, 2 * BatchBytes, 256, 1, true},
		{"none", 0, 0, 256, 0, false},
		{"empty ones", 300, 0, 256, 256, true},
	} {
		log := make([]Message, c.messages)
		for i := range log {
			log[i] = Message{Seq: uint64(i + 1), Body: make([]byte, c.size)}
		}
		got := Batch(log, c.limit)
		if len(got) != c.want || Full(got, c.limit) != c.full {
			t.Errorf("%s: %d messages, full: %t; want %d, %t", c.name, len(got), Full(got, c.limit), c.want, c.full)
		}
		if len(got) > 0 && Full(got[1:], c.limit) {
			t.Errorf("%s: it is full with one message less, too", c.name)
		}
	}
}
