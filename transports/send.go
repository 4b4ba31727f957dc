package transports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// A Sender is the sending half of a session that sends each message by a POST of its own. Its fields
// must be set before it is used.
type Sender struct {
	Target Target
	Room   string
	Life

	last stored // the answer to the last message; used by whoever sends
}

// stored is what the server said of a message.
type stored struct {
	seq uint64 // 0: nothing, or it was not understood
	key Key
}

// A Life is how long the calls of a session may last: until it is closed. Its zero value is ready.
type Life struct {
	mu               sync.Mutex
	closed           bool
	sending, reading context.CancelCauseFunc // of the last contexts that open returned; nil: none yet
}

// Send sends body by POST and waits for the response: sending one message at a time keeps the order.
func (s *Sender) Send(ctx context.Context, body []byte, stored func(error)) {
	s.SendOnce(ctx, body, "", stored)
}

// SendOnce is Send for a message with a key, as in OnceSender.
func (s *Sender) SendOnce(ctx context.Context, body []byte, key Key, stored func(error)) {
	ctx, cancel := s.Sending(ctx)
	defer cancel(nil)
	ctx = Within(ctx, AnswerTime, "acknowledge a message")
	seq, err := publish(ctx, s.Target, s.Room, body, key)
	if err == nil && seq > 0 {
		// Two messages have two places, unless the second one is the first one again.
		if seq == s.last.seq && (key == "" || key != s.last.key) {
			err = fmt.Errorf("sending a message: %w", errMisplaced)
		}
		s.last.seq, s.last.key = seq, key
	}
	stored(err)
}

// Sending returns a copy of ctx for a send, which also ends when the session is closed. cancel must be called.
func (l *Life) Sending(ctx context.Context) (_ context.Context, cancel context.CancelCauseFunc) {
	return l.open(ctx, &l.sending)
}

// Reading returns a copy of ctx for the reading half of the session, which also ends when the
// session is closed. cancel must be called.
func (l *Life) Reading(ctx context.Context) (_ context.Context, cancel context.CancelCauseFunc) {
	return l.open(ctx, &l.reading)
}

// open returns a copy of ctx and sets *end, with which Close ends it.
func (l *Life) open(ctx context.Context, end *context.CancelCauseFunc) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	*end = cancel
	if l.closed {
		cancel(errClosed)
	}
	return ctx, cancel
}

var errClosed = errors.New("the session is closed")

// Close ends the contexts of both halves. The connections stay open; they belong to the target's RoundTripper.
func (l *Life) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, end := range []context.CancelCauseFunc{l.sending, l.reading} {
		if end != nil {
			end(errClosed)
		}
	}
	return nil
}

// Publish sends body to room by POST, with a key unless that is "", and returns once the server has stored it. An
// answer that says otherwise is a *StatusError, whose Step says whether the message may be sent again.
func Publish(ctx context.Context, t Target, room string, body []byte, key Key) error {
	_, err := publish(ctx, t, room, body, key)
	return err
}

// publish is Publish, and returns the place of the message; 0 if the answer doesn't say it.
func publish(ctx context.Context, t Target, room string, body []byte, key Key) (seq uint64, err error) {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	if key != "" {
		header[IdempotencyKey] = []string{`"` + string(key) + `"`}
	}
	resp, err := t.HTTP.RoundTrip(NewRequest(ctx, http.MethodPost, t.RoomURL(room, "messages"), header, body))
	if err != nil {
		return 0, fmt.Errorf("sending a message: %w", err)
	}
	defer resp.Body.Close()
	if StepAfter(Send, resp.StatusCode) != Proceed {
		return 0, fmt.Errorf("sending a message: %w", AnswerError(resp))
	}
	if resp.Header.Get(NextCursor) != "" { // of a poll
		return 0, fmt.Errorf("sending a message: %w", errMisplaced)
	}
	var said [32]byte // {"seq":7} and a line feed
	n := 0
	for n < len(said) && err == nil {
		var more int
		more, err = resp.Body.Read(said[n:])
		n += more
	}
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else if err == io.EOF {
		err = nil
	}
	if err != nil {
		return 0, fmt.Errorf("sending a message: %w", err)
	}
	digits, _ := bytes.CutPrefix(said[:n], []byte(`{"seq":`))
	digits, _, _ = bytes.Cut(digits, []byte("}"))
	seq, _ = strconv.ParseUint(string(digits), 10, 64) // a server may say something else
	return seq, nil
}

// NewRequest returns a request of a simulated user. It is cheaper than http.NewRequest, which would
// parse the URL again. It keeps u and header; a nil body means none.
func NewRequest(ctx context.Context, method string, u *url.URL, header http.Header, body []byte) *http.Request {
	req := &http.Request{
		Method: method, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
	}
	if body != nil {
		text := &requestBody{}
		text.Reset(body)
		req.Body, req.ContentLength = text, int64(len(body))
	}
	return req.WithContext(ctx)
}

// A requestBody is a body in one allocation.
type requestBody struct{ bytes.Reader }

// Close implements io.Closer.
func (*requestBody) Close() error { return nil }
