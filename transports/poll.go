package transports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// A Poller is the Session of a transport that polls: a user that reads a room by GET and sends to
// it by POST. Its fields must be set before Enter is called or Messages is ranged over.
type Poller struct {
	Sender

	Name  string        // of the transport, as in /rooms/{room}/{name}
	Query string        // added to the query of every poll, like "scan=50ms"
	From  Cursor        // the place to read on from; advances while Messages is ranged over
	Every time.Duration // period of the timer for polls; 0: poll again at once
	Hold  time.Duration // for which the server may hold a poll; it must answer AnswerTime later; 0: it holds none

	ticks    Ticks
	last     uint64    // seq of the last message yielded from the current response; 0: none, From is the place
	answer   []byte    // body of the current response, reused for the next
	messages []Message // parsed from answer
	entered  Cursor    // the place after the messages, which are those of Enter; empty once Messages has taken them
}

var _ OnceSender = (*Poller)(nil)

// Cursor implements Receiver.
func (p *Poller) Cursor() Cursor {
	if p.last > 0 {
		return CursorAt(p.last)
	}
	return p.From
}

// Enter returns p as a session that knows its place. A reader that has none yet polls once without being held: if its
// first poll were held, it could not be told of messages that the server loses meanwhile. The messages of the answer
// are the first ones of Messages. ctx bounds the poll alone.
func (p *Poller) Enter(ctx context.Context) (Session, error) {
	if p.From != "" {
		return p, nil
	}
	u := p.Target.RoomURL(p.Room, p.Name)
	u.RawQuery = p.query(0)
	cursor, _, err := p.ask(NewRequest(Within(ctx, AnswerTime, "answer a poll"), http.MethodGet, u, http.Header{}, nil))
	if err != nil {
		return nil, fmt.Errorf("polling %s: %w", p.Name, err)
	}
	if len(p.messages) == 0 {
		p.From = cursor
	} else {
		p.entered = cursor
	}
	return p, nil
}

// Messages polls at once and then every p.Every. After a response with Retry-After: 0, which means
// that there is more, it polls again at once. A poll that takes longer than p.Every skips the ticks
// that it missed. After an error Messages may be called again: it polls at once, on the same
// connections, and then at the times of the same timer.
func (p *Poller) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		ctx, cancel := p.Reading(ctx)
		defer cancel(nil)
		p.From, p.last = p.Cursor(), 0
		u := p.Target.RoomURL(p.Room, p.Name)
		req := NewRequest(Within(ctx, p.Hold+AnswerTime, "answer a poll"), http.MethodGet, u, http.Header{}, nil)
		p.ticks.Every = p.Every
		p.ticks.Start()
		defer p.ticks.Stop()
		if place := p.entered; place != "" && ctx.Err() == nil {
			p.entered = ""
			if !p.yield(place, yield) {
				return
			}
		}
		for {
			u.RawQuery = p.query(p.Hold)
			cursor, more, err := p.ask(req)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				if gap, ok := errors.AsType[*GapError](err); ok {
					p.From = gap.Cursor()
				}
				yield(Message{}, fmt.Errorf("polling %s: %w", p.Name, err))
				return
			}
			if !p.yield(cursor, yield) || !more && !p.ticks.Wait(ctx) {
				return
			}
		}
	}
}

// yield yields the messages of an answer, after which the place is the given one.
func (p *Poller) yield(place Cursor, yield func(Message, error) bool) bool {
	for _, m := range p.messages {
		p.last = m.Seq
		if !yield(m, nil) {
			return false
		}
	}
	p.From, p.last = place, 0
	return true
}

// errMisplaced is the error of an answer to another request: a proxy has answered one twice. What follows on the
// connection can't be trusted either, so it is as if it had ended.
var errMisplaced = fmt.Errorf("the answer is one to an earlier request, is there a proxy that answers twice?: %w", io.ErrUnexpectedEOF)

// before reports whether a place is before another one.
func before(place, other Cursor) bool {
	at, err := place.Seq()
	after, otherErr := other.Seq()
	return err == nil && otherErr == nil && at < after
}

// query returns the query of a poll that may be held for hold.
func (p *Poller) query(hold time.Duration) string {
	var b strings.Builder
	add := func(parts ...string) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		for _, part := range parts {
			b.WriteString(part)
		}
	}
	if p.From != "" {
		add("after=", string(p.From))
	}
	if p.Query != "" {
		add(p.Query)
	}
	if p.Hold > 0 {
		add("hold=", hold.String())
	}
	return b.String()
}

// ask sends one poll and sets p.messages from the response. more reports whether the server has more
// messages than fit into one response.
func (p *Poller) ask(req *http.Request) (cursor Cursor, more bool, err error) {
	p.messages = p.messages[:0]
	resp, err := p.Target.HTTP.RoundTrip(req)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated { // of a message
		return "", false, errMisplaced
	}
	if StepAfter(Poll, resp.StatusCode) != Proceed {
		return "", false, AnswerError(resp)
	}
	cursor = Cursor(resp.Header.Get(NextCursor))
	if _, err := cursor.Seq(); err != nil || cursor == "" {
		return "", false, fmt.Errorf("the response has no usable %s header: is %s a pushpull server?", NextCursor, p.Target.Base.Host)
	}
	if before(cursor, p.From) {
		return "", false, errMisplaced
	}
	if resp.StatusCode == http.StatusNoContent {
		return cursor, false, nil
	}
	answer := bytes.NewBuffer(p.answer[:0])
	if cap(p.answer) > 16<<10 {
		answer = new(bytes.Buffer) // else one long response would cost its size from then on
	}
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return "", false, fmt.Errorf("reading the response: %w", err)
	}
	p.answer = answer.Bytes()
	if p.messages, err = parseMessages(p.messages, p.answer); err != nil {
		return "", false, fmt.Errorf("reading the response: %w", err)
	}
	if len(p.messages) > 0 && !before(p.From, CursorAt(p.messages[0].Seq)) {
		return "", false, errMisplaced
	}
	return cursor, resp.Header.Get("Retry-After") == "0", nil
}
