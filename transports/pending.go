package transports

import (
	"slices"
	"sync"
	"time"
)

// Pending are the messages of a session that the server has not acknowledged yet, where acknowledgements come
// apart from the sends. Its zero value is ready. It is safe for concurrent use.
type Pending struct {
	// Overdue is called, once at most, when a message has not been acknowledged within the time for it. It must be
	// set before Add is called.
	Overdue func()

	mu    sync.Mutex
	sent  []sent      // oldest first
	late  *time.Timer // calls check; nil: nothing was pending when it last did
	ended error       // why nothing can be sent any more; nil: it can
}

// A sent message has no acknowledgement yet.
type sent struct {
	number uint64
	stored func(error)
	due    time.Time // when the acknowledgement must be there
}

// Add adds a message that is about to be sent and must be acknowledged within a time, which is the same for all
// messages of a session. The error is the reason of End.
func (p *Pending) Add(number uint64, within time.Duration, stored func(error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return p.ended
	}
	p.sent = append(p.sent, sent{number, stored, time.Now().Add(within)})
	if p.late == nil {
		p.late = time.AfterFunc(within, p.check)
	}
	return nil
}

// check calls Overdue if the oldest message is overdue. It is called when that may be the case for the first
// time, so a user that sends often sets one timer in that time, not one for each message.
func (p *Pending) check() {
	p.mu.Lock()
	p.late = nil
	overdue := false
	if len(p.sent) > 0 && p.ended == nil {
		wait := time.Until(p.sent[0].due)
		if overdue = wait <= 0; !overdue {
			p.late = time.AfterFunc(wait, p.check)
		}
	}
	p.mu.Unlock()
	if overdue {
		p.Overdue()
	}
}

// Oldest takes the oldest message out and returns its callback; nil: there is none.
func (p *Pending) Oldest() (stored func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(0)
}

// Take takes the message with a number out and returns its callback; nil: there is none.
func (p *Pending) Take(number uint64) (stored func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(slices.IndexFunc(p.sent, func(s sent) bool { return s.number == number }))
}

func (p *Pending) take(i int) (stored func(error)) {
	if i < 0 || i >= len(p.sent) {
		return nil
	}
	stored = p.sent[i].stored
	if i > 0 {
		p.sent = slices.Delete(p.sent, i, i+1)
		return stored
	}
	p.sent[0] = sent{}
	if p.sent = p.sent[1:]; len(p.sent) == 0 {
		p.sent = nil
	}
	return stored
}

// Ended returns the reason of the first End; nil: there was none.
func (p *Pending) Ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Seal makes Add fail from now on. It returns the reason of the first Seal or End.
func (p *Pending) Seal(why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = why
	}
	return p.ended
}

// End seals p and takes all messages out. It returns the reason of the first Seal or End, with which the caller
// must call their callbacks.
func (p *Pending) End(why error) (stored []func(error), reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = why
	}
	for _, s := range p.sent {
		stored = append(stored, s.stored)
	}
	p.sent = nil
	if p.late != nil {
		p.late.Stop() // else it would keep the session in memory
		p.late = nil
	}
	return stored, p.ended
}
