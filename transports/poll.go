package transports

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Poller is the Session of a transport that asks: a user who reads a room by GET and writes
// to it by POST. Its fields are set before Messages is ranged over.
type Poller struct {
	Target Target
	Room   string
	Name   string        // of the transport, as in /rooms/{room}/{name}
	Query  string        // added to every question, like "hold=30s"
	From   Cursor        // where to read on from; moves on while Messages is ranged over
	Every  time.Duration // from one question to the next, on a fixed timer; 0: ask again at once

	mu               sync.Mutex
	closed           bool
	sending, reading context.CancelCauseFunc // end what goes on

	answer   []byte    // the last one
	messages []Message // within it
}

var _ Session = (*Poller)(nil)

// Send stores body by POST and returns when it is done: one at a time keeps the order.
func (p *Poller) Send(ctx context.Context, body []byte, stored func(error)) {
	ctx, cancel := p.open(ctx, &p.sending)
	defer cancel(nil)
	stored(Publish(ctx, p.Target, p.Room, body))
}

// open returns ctx, which from now on ends with Close, too: end is where Close finds it.
func (p *Poller) open(ctx context.Context, end *context.CancelCauseFunc) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	*end = cancel
	if p.closed {
		cancel(errClosed)
	}
	return ctx, cancel
}

var errClosed = errors.New("the session is closed")

// Messages asks at once and then every p.Every, and at once again after an answer that says that
// there is more, with Retry-After: 0. A question that takes longer than that skips the
// ticks that it missed.
func (p *Poller) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		ctx, cancel := p.open(ctx, &p.reading)
		defer cancel(nil)
		u := p.Target.RoomURL(p.Room, p.Name)
		req := (&http.Request{
			Method: http.MethodGet, URL: u, Host: u.Host,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		}).WithContext(ctx)
		var timer *time.Timer
		if p.Every > 0 {
			timer = time.NewTimer(p.Every)
			defer timer.Stop()
		}
		for next := time.Now(); ; {
			u.RawQuery = query(p.From, p.Query)
			cursor, more, err := p.ask(req)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(Message{}, fmt.Errorf("polling %s: %w", p.Name, err))
				return
			}
			for _, m := range p.messages {
				p.From = CursorAt(m.Seq)
				if !yield(m, nil) {
					return
				}
			}
			p.From = cursor
			if timer == nil || more {
				continue
			}
			for now := time.Now(); !next.After(now); {
				next = next.Add(p.Every)
			}
			timer.Reset(time.Until(next))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
	}
}

// Close ends Messages, and a Send that is stuck. The connections are the wire's.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, end := range []context.CancelCauseFunc{p.sending, p.reading} {
		if end != nil {
			end(errClosed)
		}
	}
	return nil
}

func query(after Cursor, more string) string {
	var b strings.Builder
	if after != "" {
		b.WriteString("after=")
		b.WriteString(string(after))
	}
	if more != "" {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(more)
	}
	return b.String()
}

// ask sends one question and keeps the messages of its answer; more says that it was cut short.
func (p *Poller) ask(req *http.Request) (cursor Cursor, more bool, err error) {
	p.messages = p.messages[:0]
	resp, err := p.Target.Wire.RoundTrip(req)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return "", false, AnswerError(resp)
	}
	cursor = Cursor(resp.Header.Get(NextCursor))
	if _, err := cursor.Seq(); err != nil || cursor == "" {
		return "", false, fmt.Errorf("the answer has no usable %s header: is %s a pushpull server?", NextCursor, p.Target.Base.Host)
	}
	if resp.StatusCode == http.StatusNoContent {
		return cursor, false, nil
	}
	answer := bytes.NewBuffer(p.answer[:0])
	if cap(p.answer) > 16<<10 {
		answer = new(bytes.Buffer) // one long answer should not cost its size from then on
	}
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return "", false, fmt.Errorf("reading the answer: %w", err)
	}
	p.answer = answer.Bytes()
	if p.messages, err = parseMessages(p.messages, p.answer); err != nil {
		return "", false, fmt.Errorf("reading the answer: %w", err)
	}
	return cursor, resp.Header.Get("Retry-After") == "0", nil
}

// AnswerError makes an error of an answer that isn't the one hoped for: a *GapError for 410.
func AnswerError(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what was read is enough
	var said struct {
		Error  string
		Oldest uint64
	}
	if err := json.Unmarshal(data, &said); err != nil {
		said.Error = fmt.Sprintf("%.200q", data)
	}
	if resp.StatusCode == http.StatusGone && said.Oldest > 0 {
		return &GapError{Oldest: said.Oldest}
	}
	return &StatusError{Code: resp.StatusCode, Status: resp.Status, Text: said.Error}
}

// A StatusError is an answer that isn't the one hoped for.
type StatusError struct {
	Code   int    // like 503
	Status string // like "503 Service Unavailable"
	Text   string // what the server says of it
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered %s: %s", e.Status, e.Text)
}
