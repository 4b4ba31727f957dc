package transports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// A Sender is the sending half of a session that sends each message by a POST of its own. Its fields
// must be set before it is used.
type Sender struct {
	Target Target
	Room   string

	mu               sync.Mutex
	closed           bool
	sending, reading context.CancelCauseFunc // of the last contexts that open returned; nil: none yet
}

// Send sends body by POST and waits for the response: sending one message at a time keeps the order.
func (s *Sender) Send(ctx context.Context, body []byte, stored func(error)) {
	ctx, cancel := s.Sending(ctx)
	defer cancel(nil)
	ctx = Within(ctx, AnswerTime, "acknowledge a message")
	stored(Publish(ctx, s.Target, s.Room, body))
}

// Sending returns a copy of ctx for a send, which also ends when the session is closed. cancel must be called.
func (s *Sender) Sending(ctx context.Context) (_ context.Context, cancel context.CancelCauseFunc) {
	return s.open(ctx, &s.sending)
}

// Reading returns a copy of ctx for the reading half of the session, which also ends when the
// session is closed. cancel must be called.
func (s *Sender) Reading(ctx context.Context) (_ context.Context, cancel context.CancelCauseFunc) {
	return s.open(ctx, &s.reading)
}

// open returns a copy of ctx and sets *end, with which Close ends it.
func (s *Sender) open(ctx context.Context, end *context.CancelCauseFunc) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	*end = cancel
	if s.closed {
		cancel(errClosed)
	}
	return ctx, cancel
}

var errClosed = errors.New("the session is closed")

// Close ends a running Send and the context of the reading half. The connections stay open; they
// belong to the target's RoundTripper.
func (s *Sender) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, end := range []context.CancelCauseFunc{s.sending, s.reading} {
		if end != nil {
			end(errClosed)
		}
	}
	return nil
}

// Publish sends body to room by POST and returns once the server has stored it. An answer that says
// otherwise is a *StatusError, whose Step says whether the message may be sent again.
func Publish(ctx context.Context, t Target, room string, body []byte) error {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	resp, err := t.HTTP.RoundTrip(NewRequest(ctx, http.MethodPost, t.RoomURL(room, "messages"), header, body))
	if err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	defer resp.Body.Close()
	if StepAfter(Send, resp.StatusCode) != Proceed {
		return fmt.Errorf("sending a message: %w", AnswerError(resp))
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	return nil
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
