package nats

import (
	"math"
	"testing"
	"time"

	"pushpull/transports"
)

// FuzzPlace splits any place that a user may send, and puts it together again.
func FuzzPlace(f *testing.F) {
	for _, place := range []uint64{0, 1, 2, 57, 1 << tagBits, 1<<tagBits | 1, math.MaxUint64, math.MaxUint64 - 1, transports.FirstSeq(time.Now())} {
		f.Add(place)
	}
	f.Fuzz(func(t *testing.T, place uint64) {
		number, tag, next := split(place)
		switch itself := placeOf(number, tag); {
		case tag&1 == 0 || tag >= 1<<tagBits:
			t.Errorf("the tag of %d is %d", place, tag)
		case place == itself && next != number+1, place == itself-1 && next != number, place != itself && place != itself-1:
			t.Errorf("%d is taken for message %d with tag %d, reading on from %d", place, number, tag, next)
		}
	})
}

// The places of a new stream are those of a new log of any other store, and JavaScript keeps them exact.
func TestFirstNumber(t *testing.T) {
	now := time.Now()
	first, want := placeOf(firstNumber(now), newTag()), transports.FirstSeq(now)
	if first < want-1<<tagBits || first > want+1<<tagBits {
		t.Errorf("the first place is %d, want about %d", first, want)
	}
	if last := placeOf(firstNumber(now)+1e11, newTag()); last > 1<<53 {
		t.Errorf("the place after 1e11 messages is %d", last)
	}
}
