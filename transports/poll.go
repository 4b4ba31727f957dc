package transports

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// A Poller is the Session of a transport that asks: a user who reads a room by GET and writes
// to it by POST. Its fields are set before Messages is ranged over.
type Poller struct {
	Target Target
	Room   string
	Name   string        // of the transport, as in /rooms/{room}/{name}
	Query  string        // added to every question, like "hold=30s"
	From   Cursor        // where to read on from
	Every  time.Duration // from one question to the next, on a fixed timer; 0: ask again at once
}

var _ Session = (*Poller)(nil)

// Send stores body by POST and returns when it is done: one at a time keeps the order.
func (p *Poller) Send(ctx context.Context, body []byte, stored func(error)) {
	stored(Publish(ctx, p.Target, p.Room, body))
}

// Messages asks at once and then every p.Every. A question that takes longer than that skips the
// ticks that it missed.
func (p *Poller) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		u := p.Target.Base.JoinPath("rooms", p.Room, p.Name)
		req := (&http.Request{
			Method: http.MethodGet, URL: u, Host: u.Host,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		}).WithContext(ctx)
		var timer *time.Timer
		if p.Every > 0 {
			timer = time.NewTimer(p.Every)
			defer timer.Stop()
		}
		after := p.From
		for next := time.Now(); ; {
			u.RawQuery = query(after, p.Query)
			messages, cursor, err := p.ask(req)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(Message{}, fmt.Errorf("polling %s: %w", p.Name, err))
				return
			}
			after = cursor
			for _, m := range messages {
				if !yield(Message{Seq: m.Seq, Body: []byte(m.Body)}, nil) {
					return
				}
			}
			if timer == nil {
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

// Close does nothing: the connections are the wire's, and Messages ends with its context.
func (p *Poller) Close() error { return nil }

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

// ask sends one question and reads its answer.
func (p *Poller) ask(req *http.Request) ([]wireMessage, Cursor, error) {
	resp, err := p.Target.Wire.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNoContent:
	default:
		return nil, "", AnswerError(resp)
	}
	cursor := Cursor(resp.Header.Get(NextCursor))
	if _, err := cursor.Seq(); err != nil || cursor == "" {
		return nil, "", fmt.Errorf("the answer has no usable %s header: is %s a pushpull server?", NextCursor, p.Target.Base.Host)
	}
	if resp.StatusCode == http.StatusNoContent {
		return nil, cursor, nil
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", fmt.Errorf("reading the answer: %w", err)
	}
	var messages []wireMessage
	if err := json.Unmarshal(data, &messages); err != nil {
		return nil, "", fmt.Errorf("reading the answer: %w", err)
	}
	return messages, cursor, nil
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
	return fmt.Errorf("the server answered %s: %s", resp.Status, said.Error)
}
