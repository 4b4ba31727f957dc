package dialect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"pushpull/transports"
	"pushpull/transports/websocket"
)

// A socket is the carrier of users on a WebSocket. They send by frames, or by requests of their own.
type socket struct {
	talk

	conn *websocket.Conn // nil: not open
}

var _ session = (*socket)(nil)

// join makes the handshakes, opens the WebSocket and reads it until the user is ready.
func (s *socket) join(ctx context.Context) error {
	if err := s.greet(ctx); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	joined := context.AfterFunc(ctx, s.conn.Cut)
	defer joined()
	err := s.reply(ctx, &s.heard)
	for err == nil && !s.ready && !s.gap {
		if err = s.take(s.conn.Next()); err == nil {
			s.keep()
			err = s.reply(ctx, &s.heard)
		}
	}
	if err == nil && !joined() {
		err = context.Cause(ctx)
	}
	return err
}

// open makes requests until the WebSocket is open.
func (s *socket) open(ctx context.Context) error {
	for range mostSteps {
		r, err := s.ask()
		if err != nil {
			return err
		}
		if r.Before {
			if err := s.handshake(ctx, r); err != nil {
				return err
			}
			continue
		}
		u, err := s.url(r.Path)
		if err != nil {
			return err
		}
		asked := transports.For(transports.Within(ctx, transports.AnswerTime, "open a WebSocket"), transports.Purpose{Request: transports.Handshake})
		header, err := r.header(u)
		if err != nil {
			return err
		}
		conn, header, err := websocket.Dial(asked, s.target.HTTP, u, header)
		if err != nil {
			return fmt.Errorf("opening a WebSocket: %w", err)
		}
		s.conn = conn
		if beat := s.way.Way.Heartbeat; beat > 0 {
			conn.Expect(header, beat, s.cut)
		}
		if err := s.hear(Unit{Kind: Opened, Status: http.StatusSwitchingProtocols, Header: header}, &s.heard); err != nil {
			return err
		}
		s.ready = s.ready || !s.way.Greets
		s.keep()
		return nil
	}
	return errNotReady
}

// take hears what conn.Next returned.
func (s *socket) take(payload []byte, isBinary bool, err error) error {
	s.heard.Reset()
	if err == nil {
		return s.hear(Unit{Kind: Frame, Body: payload, Binary: isBinary}, &s.heard)
	}
	closed, ok := errors.AsType[*websocket.ClosedError](err)
	if !ok {
		return err
	}
	if err := s.hear(Unit{Kind: Closed, Code: int(closed.Code), Body: []byte(closed.Reason)}, &s.heard); err != nil {
		return err
	}
	if s.gap {
		return nil
	}
	return err
}

// reply sends replies: frames on the WebSocket, and requests.
func (s *socket) reply(ctx context.Context, h *Heard) error {
	for i, r := range h.Replies {
		if !r.Frame() {
			rest := Heard{Replies: h.Replies[i:]}
			return s.talk.reply(ctx, &rest)
		}
		if err := s.conn.Write(r.Body, r.Binary); err != nil {
			return err
		}
	}
	return nil
}

// Messages reads the WebSocket until ctx or the connection ends, or the server is silent for longer than it may.
func (s *socket) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, s.conn.Cut)
		defer stop()
		if s.pending.Ended() == errClosed || !s.yieldQueue(yield) {
			return
		}
		for {
			err := s.missed()
			if err == nil {
				err = s.take(s.conn.Next())
				if !s.yield(yield) {
					return
				}
			}
			if err == nil {
				err = s.reply(ctx, &s.heard)
			}
			if err == nil {
				continue
			}
			if err := s.failed(err); err != errClosed && ctx.Err() == nil {
				yield(transports.Message{}, fmt.Errorf("reading a WebSocket: %w", err))
			}
			return
		}
	}
}

// Send implements transports.Session. A message that the server doesn't acknowledge is taken for stored once it
// is written.
func (s *socket) Send(ctx context.Context, body []byte, stored func(error)) {
	if err := transports.CheckText(body, len(body)); err != nil {
		stored(fmt.Errorf("sending a message: %w", err)) // no text frame can hold it
		return
	}
	number, r := s.say(body)
	if !r.Frame() {
		s.post(ctx, number, r, stored)
		return
	}
	var ended error
	if s.way.Way.Lacks.Acks {
		ended = s.pending.Ended()
	} else {
		ended = s.pending.Add(number, acknowledgeTime, stored)
	}
	if ended != nil {
		stored(fmt.Errorf("sending a message: %w: %w", transports.ErrUnsent, ended))
		return
	}
	err := s.conn.Write(r.Body, r.Binary)
	if err != nil {
		err = s.failed(err) // calls back the messages that are to be acknowledged
	}
	if s.way.Way.Lacks.Acks {
		stored(err)
	}
}

// failed ends the session and returns the first reason.
func (s *socket) failed(why error) error {
	why = s.end(why)
	s.conn.Cut()
	return why
}

// cut implements session.
func (s *socket) cut(why error) {
	_ = s.end(why)
	if s.conn != nil {
		s.conn.Cut()
	}
	_ = s.Life.Close()
}

// Close implements transports.Session.
func (s *socket) Close() error {
	_ = s.pending.Seal(errClosed) // first, so that Messages doesn't report the server's close frame as an error
	if s.conn != nil {
		s.conn.Leave()
	}
	s.cut(errClosed)
	return nil
}
