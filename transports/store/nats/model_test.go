package nats_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pushpull/transports"
)

// After returns exactly the right messages or gap for every seq, in rooms of all sizes, with several
// files on the server, which is killed in between.
func TestModel(t *testing.T) {
	const retention, rooms, total = 10, 60, 1500
	random := rand.New(rand.NewPCG(1, 2))
	s := newServer(t)
	store := mustOpen(t, s.url, retention)
	model := map[string][]uint64{}
	for i := range total {
		room := fmt.Sprint(random.IntN(1 + random.IntN(rooms)))
		model[room] = append(model[room], mustAppend(t, store, room, strings.Repeat("x", random.IntN(20_000))))
		if i == total/2 {
			s.breakIt(t)()
			awaitBack(t, store)
		}
		room = fmt.Sprint(random.IntN(rooms))
		all := model[room]
		var seq uint64
		if all := model[fmt.Sprint(random.IntN(rooms))]; len(all) > 0 { // most likely of another room
			seq = all[random.IntN(len(all))] + uint64(random.IntN(4)) - 2
		}
		if near := len(all) - 1 - random.IntN(retention+4); near >= 0 && i%2 == 0 {
			seq = all[near]
		}
		kept := all[max(0, len(all)-retention):]
		at, found := slices.BinarySearch(all, seq)
		if found {
			at++
		}
		want := all[at:]
		place := found || seq == 0 || slices.Contains(all, seq+1) // the place before a message is one
		messages, err := store.After(t.Context(), room, seq, 2*retention)
		if len(want) > retention || !place {
			oldest := uint64(1)
			if len(kept) > 0 {
				oldest = kept[0]
			}
			if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != oldest {
				t.Fatalf("After(%s, %d): %v, want a gap whose oldest is %d; appended were %d", room, seq, err, oldest, all)
			}
			continue
		}
		var got []uint64
		for _, m := range messages {
			got = append(got, m.Seq)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("After(%s, %d) = %d, %v, want %d", room, seq, got, err, want)
		}
	}
}
