package dialect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"pushpull/transports"
)

// A talk is what the sessions of all carriers have in common: the speech, the messages that are not acknowledged
// yet, and what came apart from the reading half.
type talk struct {
	transports.Life
	target transports.Target

	way     *Way // of all users
	pending transports.Pending
	said    atomic.Uint64 // number of the last message

	mu     sync.Mutex // held while the speech is used
	speech Speech

	ready bool     // used by the receiving goroutine, and by Join before it
	gap   bool     // the server said that messages are lost, and Messages has not yet; likewise
	heard Heard    // likewise
	queue [][]byte // messages that came while joining, or that a caller of Messages left over; likewise
	seq   uint64   // of the last message yielded; likewise
}

var errClosed = errors.New("the session is closed")

// begin sets the talk up.
func (t *talk) begin(w *Way, speech Speech, target transports.Target, overdue func()) {
	t.way, t.speech, t.target, t.pending.Overdue = w, speech, target, overdue
}

// Cursor implements transports.Receiver. It is the place after the last unit that was heard, so after all messages
// of an answer of which some have been yielded.
func (t *talk) Cursor() transports.Cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.speech.Cursor()
}

// greet begins the conversation.
func (t *talk) greet(ctx context.Context) error {
	if err := t.hear(Unit{Kind: Begun}, &t.heard); err != nil {
		return err
	}
	if !t.way.Greets && !t.way.Way.Stream {
		t.ready = true
	}
	t.keep()
	return t.reply(ctx, &t.heard)
}

// ask returns the next question.
func (t *talk) ask() (Request, error) {
	t.mu.Lock()
	r := t.speech.Ask()
	t.mu.Unlock()
	if r.Method == "" {
		return r, errors.New("the dialect has nothing to ask")
	}
	return r, nil
}

// handshake makes an exchange of a handshake.
func (t *talk) handshake(ctx context.Context, r Request) error {
	resp, err := t.exchange(transports.For(ctx, transports.Purpose{Request: transports.Handshake, Once: t.way.Once}), r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := answer(resp)
	if err != nil {
		return err
	}
	if err := t.hear(Unit{Kind: Answered, Status: resp.StatusCode, Header: resp.Header, Body: body}, &t.heard); err != nil {
		return err
	}
	t.keep()
	return t.reply(ctx, &t.heard)
}

// keep puts the messages heard into the queue.
func (t *talk) keep() {
	for _, m := range t.heard.Messages {
		t.queue = append(t.queue, append([]byte(nil), m...))
	}
}

// yield yields the messages heard, and reports whether the caller wants more. The others stay in the queue.
func (t *talk) yield(yield func(transports.Message, error) bool) bool {
	for i, m := range t.heard.Messages {
		t.seq++
		if !yield(transports.Message{Seq: t.seq, Body: m}, nil) {
			t.heard.Messages = t.heard.Messages[i+1:]
			t.keep()
			t.heard.Messages = nil
			return false
		}
	}
	return true
}

// missed returns the error of a gap, once.
func (t *talk) missed() error {
	if !t.gap {
		return nil
	}
	t.gap = false
	return &transports.GapError{}
}

// yieldQueue yields the messages of the queue.
func (t *talk) yieldQueue(yield func(transports.Message, error) bool) bool {
	for len(t.queue) > 0 {
		m := t.queue[0]
		t.queue = t.queue[1:]
		t.seq++
		if !yield(transports.Message{Seq: t.seq, Body: m}, nil) {
			return false
		}
	}
	t.queue = nil
	return true
}

// reply sends replies by HTTP, in order.
func (t *talk) reply(ctx context.Context, h *Heard) error {
	replies := h.Replies
	if len(replies) == 0 {
		return nil
	}
	ctx = transports.For(ctx, transports.Purpose{Request: transports.Handshake, Once: true})
	replies = append([]Request(nil), replies...) // hearing the answers empties h
	for _, r := range replies {
		if r.Frame() {
			return errors.New("a reply is a frame, but there is no WebSocket")
		}
		if err := t.replyOnce(ctx, r); err != nil {
			return fmt.Errorf("replying: %w", err)
		}
	}
	return nil
}

// replyOnce sends one reply. The answer may hold messages, but asks for no more replies.
func (t *talk) replyOnce(ctx context.Context, r Request) error {
	resp, err := t.exchange(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := answer(resp)
	if err != nil {
		return err
	}
	var more Heard
	if err := t.hear(Unit{Kind: Replied, Status: resp.StatusCode, Header: resp.Header, Body: body}, &more); err != nil {
		return err
	}
	if len(more.Replies) > 0 {
		return errors.New("the answer to a reply must not ask for another reply")
	}
	for _, m := range more.Messages {
		t.queue = append(t.queue, append([]byte(nil), m...))
	}
	return nil
}

// say returns what sends body, with its number. The number is taken even if it is not sent.
func (t *talk) say(body []byte) (number uint64, r Request) {
	number = t.said.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	return number, t.speech.Say(number, body)
}

// Send implements transports.Session by a request whose answer it waits for: sending one message at a time keeps
// the order. A socket sends by frames where the dialect does.
func (t *talk) Send(ctx context.Context, body []byte, stored func(error)) {
	number, r := t.say(body)
	t.post(ctx, number, r, stored)
}

// post sends a message by HTTP.
func (t *talk) post(ctx context.Context, number uint64, r Request, stored func(error)) {
	if r.Method == "" {
		stored(errors.New("sending a message: the dialect has no request for it"))
		return
	}
	if ended := t.pending.Add(number, acknowledgeTime, stored); ended != nil {
		stored(fmt.Errorf("sending a message: %w: %w", transports.ErrUnsent, ended))
		return
	}
	ctx, cancel := t.Sending(ctx)
	defer cancel(nil)
	ctx = transports.For(transports.Within(ctx, transports.AnswerTime, "acknowledge a message"), transports.Purpose{Request: transports.Send, Once: true})
	if err := t.take(ctx, number, r); err != nil {
		_ = t.settle(number, fmt.Errorf("sending a message: %w", err)) // can't fail: the number was said
	}
}

// take makes the exchange of a send. The error is that of the message, unless hear has called it back.
func (t *talk) take(ctx context.Context, number uint64, r Request) error {
	resp, err := t.exchange(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := answer(resp)
	if err != nil {
		return err
	}
	var h Heard
	err = t.hear(Unit{Kind: Taken, Status: resp.StatusCode, Header: resp.Header, Body: body, Number: number}, &h)
	if err == nil && !h.Kept && !slices.Contains(h.Stored, number) && h.Oldest == 0 {
		err = errOpen // if the message was refused, that stands
	}
	return err
}

var errOpen = errors.New("the dialect leaves open whether the server's answer acknowledges the message")

// end fails the pending sends. It returns the first reason of all calls, which is also the error of the sends.
func (t *talk) end(why error) error {
	pending, why := t.pending.End(why)
	for _, stored := range pending {
		stored(fmt.Errorf("sending a message: %w", why))
	}
	return why
}
