package nats

import "sync"

// maxPlaces is of how many rooms a place is remembered: they take 2 MB or so.
const maxPlaces = 16 << 10

// places are the newest ones read of some rooms: a place up to there is not beyond the end. Its zero
// value is ready.
type places struct {
	mu     sync.Mutex
	newest map[string]uint64
}

func (p *places) reach(subject string, seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return seq <= p.newest[subject]
}

func (p *places) note(subject string, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newest == nil || len(p.newest) >= maxPlaces {
		p.newest = map[string]uint64{} // those in use are soon there again
	}
	p.newest[subject] = max(p.newest[subject], seq)
}
