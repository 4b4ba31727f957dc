package relay

import (
	"math/rand/v2"
	"time"

	"pushpull/loadgen/network"
)

// window is how many bytes are on their way in one direction of a connection at most, as the window of its receiver
// limits them. The sender has to wait for more.
const window = 1 << 20

// buffer is how much time's worth of bytes may wait for the bandwidth at least: a router has room for about a round
// trip. The sender has to wait for more.
const buffer = 100 * time.Millisecond

// A path is one direction of a connection over a network. It says when bytes that were sent arrive; it knows no clock.
//
// All bytes that were sent together have the same delay, half the round trip and a jitter that is uniform in ± half of
// the profile's. Before it they wait for the bandwidth: the segments leave one after another. A lost segment arrives
// when it was sent again: after a timeout (network.Profile.RTO), or a round trip after the third later segment has
// arrived, if that is sooner. What was sent later arrives later: it waits for the segments before it.
//
// Not modelled are: slow start, congestion control, delayed acknowledgements, lost acknowledgements, and the bandwidth
// that headers, acknowledgements and retransmissions take.
type path struct {
	network network.Profile
	bps     float64 // bits a second in this direction; 0: no limit
	draw    func() float64

	open  time.Time // bytes sent before leave then
	free  time.Time // when the last segment has left
	queue []*segment
	lost  []*segment // of the queue, those for whose retransmission later ones may matter
	held  int        // bytes in the queue
	ended bool       // the sender has closed the connection
}

// A segment is bytes that arrive together.
type segment struct {
	data  []byte // nil: the end of the connection
	due   time.Time
	later int // lost: how many later segments have arrived
}

func newPath(p network.Profile, up bool, now time.Time) *path {
	way := &path{network: p, bps: p.DownBPS, draw: rand.Float64, open: now, free: now}
	if up {
		way.bps = p.UpBPS
		way.open = now.Add(seconds(p.Opening(way.draw)))
	}
	return way
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// delay draws the time that bytes sent together are on their way, without the bandwidth.
func (p *path) delay() time.Duration {
	return seconds(p.network.RTTS/2 + p.network.JitterS*(p.draw()-.5))
}

// add takes bytes that were sent at a time. It keeps data.
func (p *path) add(data []byte, sent time.Time) {
	if sent.Before(p.open) {
		sent = p.open
	}
	if p.free.Before(sent) {
		p.free = sent
	}
	delay := p.delay()
	p.held += len(data)
	var last *segment // of data, and not lost
	for from := 0; from < len(data); {
		to := len(data)
		if p.bps > 0 || p.network.Loss > 0 {
			to = min(to, from+network.Segment)
		}
		if p.bps > 0 {
			p.free = p.free.Add(seconds(float64(8*(to-from)) / p.bps))
		}
		due := p.free.Add(delay)
		switch lost := p.network.Loss > 0 && p.draw() < p.network.Loss; {
		case lost:
			late := &segment{data: data[from:to:to], due: due.Add(seconds(p.network.Retransmissions(p.draw)))}
			p.queue, p.lost = append(p.queue, late), append(p.lost, late)
			last = nil
		case last != nil && last.due.Equal(due):
			last.data = append(last.data, data[from:to]...) // in place, as it follows
			p.arrived(due)
		default:
			last = &segment{data: data[from:to], due: due}
			p.queue = append(p.queue, last)
			p.arrived(due)
		}
		from = to
	}
}

// arrived notes that a segment arrives then: the third one after a lost one makes the sender send that again, unless
// the retransmission is lost, too.
func (p *path) arrived(at time.Time) {
	kept := p.lost[:0]
	for _, late := range p.lost {
		if late.later++; late.later < network.Followers {
			kept = append(kept, late)
			continue
		}
		if again := at.Add(seconds(p.network.RTTS)); again.Before(late.due) && p.draw() >= p.network.Loss {
			late.due = again
		}
	}
	p.lost = kept
}

// end notes that the sender has closed the connection.
func (p *path) end(at time.Time) {
	p.ended = true
	if p.free.After(at) {
		at = p.free
	}
	p.queue = append(p.queue, &segment{due: at.Add(p.delay())})
}

// next returns the segment that arrives next; nil: there is none.
func (p *path) next() *segment {
	if len(p.queue) == 0 {
		return nil
	}
	return p.queue[0]
}

// take takes the next segment off the queue.
func (p *path) take() {
	p.held -= len(p.queue[0].data)
	if len(p.lost) > 0 && p.lost[0] == p.queue[0] {
		p.lost = p.lost[1:]
	}
	p.queue[0] = nil
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue, p.lost = nil, nil // most connections are idle most of the time
	}
}

// takes returns when the path takes more bytes. The zero time means not before the next segment has arrived.
func (p *path) takes() time.Time {
	if p.ended || p.held >= window {
		return time.Time{}
	}
	return p.free.Add(-max(buffer, seconds(p.network.RTTS)))
}
