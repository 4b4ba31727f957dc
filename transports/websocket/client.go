package websocket

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"

	"pushpull/transports"
)

// Join opens the connection. target.HTTP must answer an upgrade as net/http does: with status 101
// and a Body that is an io.ReadWriteCloser.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	u := target.RoomURL(room, t.name())
	if from != "" {
		u.RawQuery = "after=" + string(from)
	}
	conn, header, err := Dial(ctx, target.HTTP, u, nil)
	if err != nil {
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	s := &session{conn: conn, cursor: cmp.Or(from, transports.Cursor(header.Get(transports.NextCursor)))} // the start of this log
	s.pending.Overdue = func() { _ = s.end(errUnacknowledged) }
	conn.Expect(header, 0, func(err error) { _ = s.end(err) })
	return s, nil
}

// A session is one user's connection.
type session struct {
	conn    *Conn
	cursor  transports.Cursor // the place of Join or of the last gap
	last    uint64            // seq of the last message; 0: none since cursor was set
	pending transports.Pending
}

var _ transports.OnceSender = (*session)(nil)

var errClosed = errors.New("the WebSocket is closed")

// errUnacknowledged ends a session whose server has not acknowledged a message in time.
var errUnacknowledged error = &transports.TimeoutError{Part: "acknowledge a message", Limit: transports.AnswerTime}

// Send writes one frame. Messages reads the acknowledgement. If there is none within transports.AnswerTime,
// the session ends: the connection may be half open.
func (s *session) Send(ctx context.Context, body []byte, stored func(error)) {
	s.SendOnce(ctx, body, "", stored)
}

// SendOnce is Send for a message with a key.
func (s *session) SendOnce(_ context.Context, body []byte, key transports.Key, stored func(error)) {
	if err := transports.CheckText(body, len(body)); err != nil {
		stored(fmt.Errorf("sending a message: %w", err)) // JSON can't hold it unchanged
		return
	}
	size := len(body) + 16
	if key != "" {
		size += len(key) + 9
	}
	text := transports.AppendText(make([]byte, 0, size), body, key)
	if ended := s.pending.Add(0, transports.AnswerTime, stored); ended != nil {
		stored(fmt.Errorf("sending a message: %w: %w", transports.ErrUnsent, ended))
		return
	}
	if err := s.conn.Write(text, false); err != nil {
		_ = s.end(err) // calls stored, too
	}
}

// Messages reads frames until ctx or the connection ends.
func (s *session) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, s.conn.Cut)
		defer stop()
		if s.pending.Ended() == errClosed { // messages may have come along with the handshake
			return
		}
		for {
			m, err := s.read()
			switch {
			case err == nil && m.Seq == 0: // not a message
			case err == nil:
				s.last = m.Seq
				if !yield(m, nil) {
					return
				}
			default:
				if gap, ok := errors.AsType[*transports.GapError](err); ok {
					s.cursor, s.last = gap.Cursor(), 0
				}
				if err := s.end(err); err != errClosed && ctx.Err() == nil {
					yield(transports.Message{}, fmt.Errorf("reading a WebSocket: %w", err))
				}
				return
			}
		}
	}
}

// Cursor implements transports.Receiver.
func (s *session) Cursor() transports.Cursor {
	if s.last > 0 {
		return transports.CursorAt(s.last)
	}
	return s.cursor
}

// read reads one message. It handles all but the room's messages itself; for those it returns a Message
// whose Seq is 0.
func (s *session) read() (transports.Message, error) {
	payload, isBinary, err := s.conn.Next()
	switch {
	case err != nil:
		return transports.Message{}, gapOf(err)
	case isBinary:
		return transports.Message{}, s.conn.refuse(violates(codeBinary, "got a message of kind 2, binary, but a pushpull server sends only texts"))
	}
	if m, rest, ok := transports.ParseMessage(payload); ok && len(rest) == 0 && m.Seq > 0 {
		return m, nil
	}
	if bytes.HasPrefix(payload, []byte(storedPrefix)) {
		return transports.Message{}, s.acknowledge(nil)
	}
	return s.decode(payload)
}

// gapOf returns the *transports.GapError that a close frame with StatusGap stands for, or err.
func gapOf(err error) error {
	var gap struct{ Oldest uint64 }
	closed, ok := errors.AsType[*ClosedError](err)
	if ok && closed.Code == StatusGap && json.Unmarshal([]byte(closed.Reason), &gap) == nil && gap.Oldest > 0 {
		return &transports.GapError{Oldest: gap.Oldest}
	}
	return err
}

// decode handles a frame's JSON in any spelling, where read knows only the server's own.
func (s *session) decode(payload []byte) (transports.Message, error) {
	var said struct {
		Seq    uint64 `json:"seq"`
		Body   string `json:"body"`
		Stored uint64 `json:"stored"`
		Error  string `json:"error"`
	}
	if !utf8.Valid(payload) { // json would replace it by U+FFFD
		return transports.Message{}, s.conn.refuse(violates(codeNotUTF8, "got a text that is not UTF-8: %.100q", payload))
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return transports.Message{}, err
	}
	switch {
	case said.Stored > 0:
		return transports.Message{}, s.acknowledge(nil)
	case said.Error != "":
		return transports.Message{}, s.acknowledge(transports.SaidError(said.Error))
	case said.Seq == 0:
		return transports.Message{}, fmt.Errorf("%.100q is neither a message nor an acknowledgement", payload)
	}
	return transports.Message{Seq: said.Seq, Body: []byte(said.Body)}, nil
}

// acknowledge calls back the oldest pending send. It returns an error if there is none.
func (s *session) acknowledge(err error) error {
	stored := s.pending.Oldest()
	if stored == nil {
		return errors.New("the server acknowledged a message that was not sent")
	}
	stored(err)
	return nil
}

// end closes the connection and fails the pending sends. It returns the first reason of all calls,
// which is also the error of the sends.
func (s *session) end(why error) error {
	pending, why := s.pending.End(why)
	s.conn.Cut()
	for _, stored := range pending {
		stored(fmt.Errorf("sending a message: %w", why))
	}
	return why
}

// Close sends a close frame, unless a Send is stuck, and closes the connection.
func (s *session) Close() error {
	_ = s.pending.Seal(errClosed) // first, so that Messages doesn't report the server's close frame as an error
	s.conn.Leave()
	_ = s.end(errClosed)
	return nil
}
