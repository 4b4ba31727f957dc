package theory_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pushpull/report/theory"
)

// feedOf simulates a feed that is woken f.Wake after the first message that it has not read, and
// then reads.
func feedOf(f theory.Feed, reads int) func(random *rand.Rand) part {
	return func(random *rand.Rand) part {
		p := part{counts: map[string]float64{}}
		next := random.ExpFloat64() / f.Rate // the first message that is not read yet
		free := 0.0                          // when the feed waits again
		for range reads {
			woken := max(free, next+f.Wake)
			if next < free {
				woken = free // the message was stored while the feed was reading
			}
			for next <= woken {
				next += random.ExpFloat64() / f.Rate
			}
			p.counts["reads"]++
			p.seconds, free = woken, woken+f.Read
		}
		return p
	}
}

func TestFeed(t *testing.T) {
	for _, f := range []theory.Feed{
		{Rate: 3},
		{Rate: 3, Wake: .1},
		{Rate: 3, Read: .2},
		{Rate: 20, Wake: .03, Read: .1},
	} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			agrees(t, "reads per second", f.ReadsPerSecond(), simulate(feedOf(f, 6000)), perSecond("reads"))
		})
	}
	if got := (theory.Feed{Wake: .1, Read: .1}).ReadsPerSecond(); got != 0 {
		t.Errorf("%v reads per second in a silent room, want 0", got)
	}
}
