package server

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"

	"pushpull/transports"
)

// A heldPoll is a poll that is answered once its room has grown. The room's reader writes the answer,
// while the exchange waits for the next request, or for the end of the hold time.
type heldPoll struct {
	exchange *exchange
	req      *http.Request
	header   http.Header // of the answer, set by the server; empty: none, so all polls get the same answer
	user     *presence

	log   transports.Log
	room  string
	seq   uint64
	until time.Time
	stop  func() // ends following

	mu       sync.Mutex
	answered bool
	fallen   bool          // the room's reader has ended
	rest     []byte        // of the answer, which the connection hasn't taken
	woken    chan struct{} // closed when answered or fallen is set; nil: nobody waits for it
}

var _ transports.Follower = (*heldPoll)(nil)

// Hold implements transports.Holder.
func (w *response) Hold(log transports.Log, room string, seq uint64, d time.Duration) bool {
	h := &heldPoll{
		exchange: w.exchange, req: w.req, user: w.user,
		log: log, room: room, seq: seq, until: time.Now().Add(d),
	}
	if len(w.header) > 0 {
		h.header = w.header.Clone()
	}
	h.mu.Lock() // until stop is set
	defer h.mu.Unlock()
	stop, ok := transports.Follow(log, room, seq, h)
	if ok {
		h.stop, w.held = stop, h
	}
	return ok
}

// answerOf returns the spelling of messages as the answer to a poll.
func answerOf(limits transports.Limits) *transports.Spelling {
	return &transports.Spelling{Append: func(buf []byte, messages []transports.Message) []byte {
		return append(buf, composed(nil, messages[0].Seq-1, messages, limits)...)
	}}
}

// composed returns the whole answer to a poll, with further headers.
func composed(header http.Header, after uint64, messages []transports.Message, limits transports.Limits) []byte {
	w := &response{header: header, whole: true}
	if header == nil {
		w.header = http.Header{}
	}
	transports.Answer(w, after, messages, limits)
	return w.bytes()
}

// Deliver implements transports.Follower.
func (h *heldPoll) Deliver(b *transports.Bundle) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.answered || h.fallen {
		return false
	}
	sv := h.exchange.service
	var text []byte
	if h.header == nil && !h.req.Close {
		text = b.Spelled(sv.answer)
	} else {
		if h.header == nil {
			h.header = http.Header{}
		}
		if h.req.Close {
			h.header.Set("Connection", "close")
		}
		text = composed(h.header, h.seq, b.Messages, sv.Limits)
	}
	h.done()
	n, err := h.exchange.conn.TryWrite(text)
	if err == nil && n < len(text) {
		h.rest = text[n:]
		h.wake()
	} else if err != nil || h.req.Close {
		h.wake()
	}
	return false
}

// Fall implements transports.Follower.
func (h *heldPoll) Fall() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.answered {
		h.fallen = true
		h.wake()
	}
}

// done takes note that the poll is answered. It must be called with mu held.
func (h *heldPoll) done() {
	h.answered = true
	h.exchange.service.names.leave(h.user)
	h.user = nil
	if h.woken != nil {
		close(h.woken)
		h.woken = nil
	}
}

// wake makes the exchange look at h. It must be called with mu held.
func (h *heldPoll) wake() {
	h.exchange.conn.SetReadDeadline(past)
	if h.woken != nil {
		close(h.woken)
		h.woken = nil
	}
}

// hold waits until h is answered and the next request has begun to come, or until h must be answered
// for another reason. It returns whether the connection can carry another request.
func (x *exchange) hold(h *heldPoll) bool {
	for {
		h.mu.Lock()
		answered, fallen, rest := h.answered, h.fallen, h.rest
		h.rest = nil
		switch {
		case answered:
		case fallen, x.ctx.Err() != nil, !time.Now().Before(h.until):
			h.answered = true // by this goroutine
		default:
			x.conn.SetReadDeadline(h.until) // Deliver and Fall may take it back
			if x.ctx.Err() != nil {
				x.conn.SetReadDeadline(past)
			}
		}
		mine := h.answered && !answered
		h.mu.Unlock()
		switch {
		case mine:
			h.stop()
			return x.answer(h, fallen)
		case answered && rest != nil:
			_ = x.conn.SetWriteDeadline(time.Now().Add(x.service.Limits.WriteTimeout))
			_, err := x.conn.Write(rest)
			x.conn.deadline.Store(0)
			if err != nil {
				return false
			}
			return !h.req.Close
		case answered:
			return !h.req.Close
		}
		var err error
		if x.start == x.end { // else the next request has come along with this one
			err = x.read()
		}
		switch {
		case err == nil:
			if !x.early(h) {
				continue
			}
			return !h.req.Close
		case !errors.Is(err, os.ErrDeadlineExceeded):
			h.mu.Lock()
			if !h.answered {
				h.done()
			}
			h.mu.Unlock()
			h.stop()
			return false
		}
	}
}

// early waits until h is answered, as the next request has begun to come. It returns false if h is to be
// looked at again.
func (x *exchange) early(h *heldPoll) bool {
	h.mu.Lock()
	if h.answered && h.rest == nil {
		h.mu.Unlock()
		return true
	}
	if h.answered || h.fallen {
		h.mu.Unlock()
		return false
	}
	woken := make(chan struct{})
	h.woken = woken
	h.mu.Unlock()
	late := time.NewTimer(time.Until(h.until))
	defer late.Stop()
	select {
	case <-woken:
	case <-late.C:
	case <-x.ctx.Done():
	}
	return false
}

// answer answers a poll whose time has passed, or whose room has no reader any more.
func (x *exchange) answer(h *heldPoll, fallen bool) bool {
	var messages []transports.Message
	var err error
	if fallen {
		messages, err = transports.NextWithin(x.ctx, h.log, h.room, h.seq, x.service.Limits.Batch, time.Until(h.until))
	}
	w := responses.Get().(*response)
	defer w.free()
	w.begin(x, h.req)
	maps.Copy(w.header, h.header)
	transports.AnswerHeld(w, h.req, h.seq, messages, err, x.service.Limits)
	kept := w.finish()
	x.service.names.leave(h.user)
	return kept
}
