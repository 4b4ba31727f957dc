package websocket

import "time"

const (
	burst       = time.Second      // a user may save up the frames of this time
	patience    = 10 * time.Second // a user is disconnected when it was held back for this time in all
	messageTime = 10 * time.Second // for a message to arrive whole, as for the body of a POST
	minFrame    = 6                // bytes of an empty frame of a user: two of header and four of mask
	minPiece    = 64               // bytes; TCP cuts no smaller ones out of the middle of a frame
)

// A pace bounds how many frames a second are read from a connection, control frames, fragments and
// tiny pieces of frames included. It is a token bucket, kept as the time up to which the frames read so far are paid for, so
// it needs neither a goroutine nor a timer while the user keeps to the limit.
//
// A user beyond the limit is held back: its frames are read at the limit, a few at a time. One that is
// held back again and again, without a time in which it saves up half a burst, is flooding.
type pace struct {
	interval time.Duration // between two frames at the limit
	paid     time.Time     // ahead of now: too many frames came; behind it, by a burst at most: saved up
	now      time.Time     // of the last read
	held     time.Duration // for how long the user was held back since it had saved up half a burst
	frames   framing
}

func newPace(frames int) pace {
	now := time.Now()
	return pace{interval: max(1, time.Second/time.Duration(frames)), now: now, paid: now.Add(-burst)}
}

// wait returns for how long the connection must not be read.
func (p *pace) wait() time.Duration {
	if !p.paid.After(p.now) {
		return 0
	}
	p.now = time.Now()
	wait := p.paid.Sub(p.now)
	if wait <= 0 {
		return 0
	}
	return min(wait+burst/10, patience) // not for one frame at a time: each would cost a read of its own
}

// waited takes note of a wait and reports whether the user is flooding.
func (p *pace) waited(wait time.Duration) bool {
	p.now = p.now.Add(wait)
	p.held += wait
	return p.held >= patience
}

// allows returns how many of size bytes may be read now: the rest of a frame, and no more than the
// smallest frames that are paid for.
func (p *pace) allows(size int) int {
	saved := p.now.Sub(p.paid)
	if saved >= burst/2 {
		p.held = 0
		return size
	}
	return int(min(uint64(size), p.frames.rest+minFrame*uint64(max(1, saved/p.interval))))
}

// read takes note of data, which was read.
func (p *pace) read(data []byte) {
	p.now = time.Now()
	if most := p.now.Add(-burst); p.paid.Before(most) {
		p.paid = most
	}
	begun := p.frames.read(data)
	if begun == 0 && len(data) < minPiece && p.frames.rest > 0 {
		begun = 1 // a frame that comes byte by byte costs as much as many frames
	}
	p.paid = p.paid.Add(time.Duration(begun) * p.interval)
}

// A framing follows the frames in the bytes that a user sends (RFC 6455, section 5.2).
type framing struct {
	rest   uint64 // bytes to come of the frame's mask and payload
	length int8   // bytes to come of the payload's length
	second bool   // the next byte is the second one of a frame
	masked bool
	open   bool // the last frame of data is not the last fragment of its message
	closes bool // a close frame has begun
}

// within reports whether the stream is within a message or a frame.
func (f *framing) within() bool { return f.inFrame() || f.open }

func (f *framing) inFrame() bool { return f.rest > 0 || f.length > 0 || f.second }

// closed reports whether a whole close frame has come.
func (f *framing) closed() bool { return f.closes && !f.inFrame() }

// read follows data and returns how many frames begin in it.
func (f *framing) read(data []byte) (begun int) {
	for len(data) > 0 {
		switch b := data[0]; {
		case f.length > 0:
			f.rest = f.rest<<8 | uint64(b)
			if f.length--; f.length == 0 && f.masked {
				f.rest += 4
			}
		case f.rest > 0:
			n := min(f.rest, uint64(len(data)))
			f.rest -= n
			data = data[n:]
			continue
		case f.second:
			f.second, f.masked = false, b&maskBit != 0
			switch size := b &^ maskBit; {
			case size == 126:
				f.length = 2
			case size == 127:
				f.length = 8
			case f.masked:
				f.rest = uint64(size) + 4
			default:
				f.rest = uint64(size)
			}
		default:
			begun++
			f.second = true
			switch op := b & 0x0f; {
			case op < opClose:
				f.open = b&finBit == 0
			case op == opClose:
				f.closes = true
			}
		}
		data = data[1:]
	}
	return begun
}
