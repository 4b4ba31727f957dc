package loadgen

import (
	"sync"
	"time"
)

// A pacer says how many users may join at a time, by how long the server takes to let them. A round is as many joins as
// may be under way at a time. After a round in which most joins were fast, more may: twice as many until a round is
// slow, and then an eighth more each time. After one in which an eighth of the joins were slow, or timed out, half as
// many may. So more wait at a time where the way to the server is long, and a server whose listen queue overflows gets
// fewer.
//
// A join is fast if it takes up to 4 times the shortest one so far and 20 ms, and slow if it takes more than 8 times
// that and 200 ms: it shares the processors with so many others. It is safe for concurrent use.
type pacer struct {
	mu       sync.Mutex
	limit    int // joins at a time
	under    int // way now
	shortest time.Duration
	slowed   bool // a round was slow

	joins, fast, slow int // of the round
}

const (
	fewestJoins = 8
	mostJoins   = 2048 // half of what usual servers queue until they accept it
)

// newPacer returns a pacer that begins with so many joins at a time.
func newPacer(limit int) *pacer { return &pacer{limit: limit} }

// enter begins a join, and returns false if too many are under way.
func (p *pacer) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.under >= p.limit {
		return false
	}
	p.under++
	return true
}

// timedOut takes note of a join that the server let time out. It is still under way, as it is tried again.
func (p *pacer) timedOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow++
	p.count()
}

// count counts a join of the round, and ends the round if it is complete. The caller has locked p.mu.
func (p *pacer) count() {
	if p.joins++; p.joins < p.limit {
		return
	}
	switch {
	case 8*p.slow >= p.joins:
		p.limit, p.slowed = max(fewestJoins, p.limit/2), true
	case 2*p.fast <= p.joins:
	case p.slowed:
		p.limit = min(mostJoins, p.limit+p.limit/8)
	default:
		p.limit = min(mostJoins, 2*p.limit)
	}
	p.joins, p.fast, p.slow = 0, 0, 0
}

// done takes note of a join that took a time. more is how many may begin besides the one that follows it; stay is false
// if none may follow it, and then it is no longer under way.
func (p *pacer) done(took time.Duration) (more int, stay bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shortest == 0 || took < p.shortest {
		p.shortest = took
	}
	switch {
	case took > 8*p.shortest+200*time.Millisecond:
		p.slow++
	case took <= 4*p.shortest+20*time.Millisecond:
		p.fast++
	}
	p.count()
	if p.under > p.limit {
		p.under--
		return 0, false
	}
	return p.limit - p.under, true
}

// leave ends a join after which none follows.
func (p *pacer) leave() {
	p.mu.Lock()
	p.under--
	p.mu.Unlock()
}
