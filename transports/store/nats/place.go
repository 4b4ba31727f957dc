package nats

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/transports"
)

// A place in the log is the sequence number of a message in the stream, and its tag: an odd number that
// its sender draws, or makes of the message's key. JetStream gives the numbers of messages that were lost, as in a crash of the
// machine, to others; these have other tags. The even number below a place is the place before it.
//
// A stream begins with a number for which its places are those of transports.FirstSeq. A message takes
// 1<<tagBits of them, as if it had taken 16 ms: two streams that were made one after the other have
// numbers in common only if the first got more than 61 messages a second all its life.
const (
	tagBits   = 14
	tagHeader = "P"
)

// untagged is the tag of a message without one, as pushpull stored them before.
const untagged = 1

func firstNumber(now time.Time) uint64 { return transports.FirstSeq(now) >> tagBits }

func newTag() uint64 { return rand.Uint64N(1<<tagBits) | 1 }

// tagOf returns the tag of a message with an id: that of the first copy, so that the place of a second one, which
// JetStream answers with the number of the first, is known.
func tagOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // it never fails
	return h.Sum64()>>(64-tagBits) | 1
}

func placeOf(number, tag uint64) uint64 { return number<<tagBits | tag }

// split returns the number of the message at or after a place, its tag, and the number from which to
// read on.
func split(place uint64) (number, tag, next uint64) {
	number = place >> tagBits
	return number, place&(1<<tagBits-1) | 1, number + place&1
}

// placeIn returns the place of a message from the stream.
func placeIn(m *nats.Msg) (uint64, error) {
	seq, err := number(m, nats.JSSequence)
	if err != nil {
		return 0, err
	}
	tag := uint64(untagged)
	if text := m.Header.Get(tagHeader); text != "" {
		if tag, err = strconv.ParseUint(text, 36, tagBits); err != nil || tag&1 == 0 {
			return 0, fmt.Errorf("the message %d in the stream is not from pushpull: use another stream (?stream=NAME)", seq)
		}
	}
	return placeOf(seq, tag), nil
}
