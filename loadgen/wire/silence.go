package wire

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"pushpull/loadgen/result"
)

// A silence is the end of a connection that somebody else has closed while a user was waiting on it.
type silence struct {
	at    time.Time     // of the end
	lasts time.Duration // since the last byte in either direction
}

// silences are those of all users, up to a limit.
type silences struct {
	mu  sync.Mutex
	all []silence
}

const (
	mostSilences  = 4096
	leastSilence  = time.Second            // shorter ones are no timeout that anybody sets
	fewSilences   = 3                      // fewer may be equal by chance
	silenceSpread = 100 * time.Millisecond // by which equal silences may differ, or by a twentieth
)

// ended takes note of the error of a Read that waited on a connection that was silent for a time.
func (s *silences) ended(err error, lasts time.Duration) {
	if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) || lasts < leastSilence {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < mostSilences {
		s.all = append(s.all, silence{time.Now(), lasts})
	}
}

// IdleEnds returns how many connections were ended after an equal time of silence, as by a timer, and that time. It is nil
// if there are none: if a server dies, its connections end together, after silences that differ.
func (c *Counts) IdleEnds() *result.IdleEnds {
	c.silences.mu.Lock()
	all := slices.Clone(c.silences.all)
	c.silences.mu.Unlock()
	slices.SortFunc(all, func(a, b silence) int { return cmp.Compare(a.lasts, b.lasts) })
	var equal []silence
	for from, to := 0, 0; from < len(all); from++ {
		limit := all[from].lasts + max(silenceSpread, all[from].lasts/20)
		for to < len(all) && all[to].lasts <= limit {
			to++
		}
		if to-from > len(equal) {
			equal = all[from:to]
		}
	}
	if len(equal) < fewSilences || 2*len(equal) < len(all) {
		return nil
	}
	spread := equal[len(equal)-1].lasts - equal[0].lasts
	first := slices.MinFunc(equal, func(a, b silence) int { return a.at.Compare(b.at) })
	last := slices.MaxFunc(equal, func(a, b silence) int { return a.at.Compare(b.at) })
	if last.at.Sub(first.at) < max(4*spread, silenceSpread) {
		return nil
	}
	return &result.IdleEnds{Count: len(equal), AfterS: equal[len(equal)/2].lasts.Seconds()}
}
