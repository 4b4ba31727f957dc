package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"
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
	resp, err := target.HTTP.RoundTrip(transports.NewRequest(ctx, http.MethodGet, u, upgradeHeader(), nil))
	if err != nil {
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, fmt.Errorf("opening a WebSocket: %w", transports.AnswerError(resp))
	}
	err = checkUpgrade(resp.Header)
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if err == nil && !ok {
		err = fmt.Errorf("the Body of a 101 is a %T, want an io.ReadWriteCloser", resp.Body)
	}
	if err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	s := &session{conn: conn, cursor: from}
	s.frames = newFrameReader(s.silence.Listen(conn))
	s.silence.Expect(resp.Header, func(err error) { _ = s.end(err) })
	return s, nil
}

// A session is one user's connection.
type session struct {
	conn   io.ReadWriteCloser
	frames *frameReader
	cursor transports.Cursor // the place of Join or of the last gap
	last   uint64            // seq of the last message; 0: none since cursor was set

	silence transports.Silence // of the server

	writing sync.Mutex // held while a frame is written; locked before mu

	mu      sync.Mutex
	pending []sent      // sends without an acknowledgement yet, oldest first
	late    *time.Timer // calls overdue; nil: nothing was pending when it last did
	ended   error       // why nothing can be sent any more; nil while the connection is open
	owed    []byte      // the payload of the last ping without a pong yet; nil: none
}

// A sent message has no acknowledgement yet.
type sent struct {
	stored func(error)
	due    time.Time // when the acknowledgement must be there
}

var _ transports.Session = (*session)(nil)

var errClosed = errors.New("the WebSocket is closed")

// Send writes one frame. Messages reads the acknowledgement. If there is none within transports.AnswerTime,
// the session ends: the connection may be half open.
func (s *session) Send(_ context.Context, body []byte, stored func(error)) {
	if err := transports.CheckText(body, len(body)); err != nil {
		stored(fmt.Errorf("sending a message: %w", err)) // JSON can't hold it unchanged
		return
	}
	buf := make([]byte, 0, len(body)+32)
	text := transports.AppendText(make([]byte, 0, len(body)+16), body)
	buf = appendFrame(buf, opText, text)

	s.writing.Lock()
	s.mu.Lock()
	ended := s.ended
	if ended == nil {
		s.pending = append(s.pending, sent{stored, time.Now().Add(transports.AnswerTime)})
		if s.late == nil {
			s.late = time.AfterFunc(transports.AnswerTime, s.overdue)
		}
	}
	s.mu.Unlock()
	var err error
	if ended == nil {
		_, err = s.conn.Write(buf)
	}
	s.writing.Unlock()
	if err == nil {
		err = s.payPong()
	}
	switch {
	case ended != nil:
		stored(fmt.Errorf("sending a message: %w: %w", transports.ErrUnsent, ended))
	case err != nil:
		_ = s.end(err) // calls stored, too
	}
}

// errUnacknowledged ends a session whose server has not acknowledged a message in time.
var errUnacknowledged error = &transports.TimeoutError{Part: "acknowledge a message", Limit: transports.AnswerTime}

// overdue ends the session if the oldest pending send is overdue. It is called when that may be the
// case for the first time, so a user that sends often sets one timer in transports.AnswerTime, not one for
// each message.
func (s *session) overdue() {
	s.mu.Lock()
	s.late = nil
	wait := transports.AnswerTime
	if len(s.pending) > 0 && s.ended == nil {
		if wait = time.Until(s.pending[0].due); wait > 0 {
			s.late = time.AfterFunc(wait, s.overdue)
		}
	}
	s.mu.Unlock()
	if wait <= 0 {
		_ = s.end(errUnacknowledged)
	}
}

// Messages reads frames until ctx or the connection ends.
func (s *session) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, func() { s.conn.Close() })
		defer stop()
		s.mu.Lock()
		closed := s.ended == errClosed
		s.mu.Unlock()
		if closed { // messages may have come along with the handshake
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
				if v, ok := errors.AsType[*violation](err); ok {
					s.sendClose(binary.BigEndian.AppendUint16(nil, v.code))
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

// read reads one message or control frame. It handles all but the room's messages itself; for those
// it returns a Message whose Seq is 0.
func (s *session) read() (transports.Message, error) {
	f, err := s.frames.next()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // the close frame is missing
		}
		return transports.Message{}, err
	}
	switch f.op {
	case opPing:
		return transports.Message{}, s.pong(f.payload)
	case opPong:
		return transports.Message{}, nil
	case opClose:
		err := closeError(f.payload)
		if _, broken := errors.AsType[*violation](err); !broken { // else Messages sends a code of its own
			s.sendClose(f.payload[:min(2, len(f.payload))])
		}
		return transports.Message{}, err
	case opBinary:
		return transports.Message{}, violates(codeBinary, "got a message of kind 2, binary, but a pushpull server sends only texts")
	}
	if m, rest, ok := transports.ParseMessage(f.payload); ok && len(rest) == 0 && m.Seq > 0 {
		return m, nil
	}
	if bytes.HasPrefix(f.payload, []byte(storedPrefix)) {
		return transports.Message{}, s.acknowledge(nil)
	}
	return s.decode(f.payload)
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
		return transports.Message{}, violates(codeNotUTF8, "got a text that is not UTF-8: %.100q", payload)
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return transports.Message{}, err
	}
	switch {
	case said.Stored > 0:
		return transports.Message{}, s.acknowledge(nil)
	case said.Error != "":
		return transports.Message{}, s.acknowledge(errors.New(said.Error))
	case said.Seq == 0:
		return transports.Message{}, fmt.Errorf("%.100q is neither a message nor an acknowledgement", payload)
	}
	return transports.Message{Seq: said.Seq, Body: []byte(said.Body)}, nil
}

// acknowledge calls back the oldest pending send. It returns an error if there is none.
func (s *session) acknowledge(err error) error {
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return errors.New("the server acknowledged a message that was not sent")
	}
	stored := s.pending[0].stored
	s.pending[0] = sent{}
	if s.pending = s.pending[1:]; len(s.pending) == 0 {
		s.pending = nil
	}
	s.mu.Unlock()
	stored(err)
	return nil
}

// pong answers a ping. It doesn't wait for a Send that is stuck: the server may be stuck too, until this
// user reads on. Then Send sends the pong. Of several pings only the last needs one (RFC 6455, section
// 5.5.3).
func (s *session) pong(payload []byte) error {
	s.mu.Lock()
	s.owed = append(make([]byte, 0, len(payload)), payload...)
	s.mu.Unlock()
	return s.payPong()
}

// payPong sends the pong that is owed, unless a frame is being written: then its writer does it.
func (s *session) payPong() error {
	for {
		s.mu.Lock()
		owed := s.owed
		s.mu.Unlock()
		if owed == nil || !s.writing.TryLock() {
			return nil
		}
		s.mu.Lock()
		owed, s.owed = s.owed, nil
		s.mu.Unlock()
		var err error
		if owed != nil {
			err = s.write(transports.AnswerTime, opPong, owed)
		}
		s.writing.Unlock()
		if err != nil {
			return err
		}
	}
}

// write writes one frame and closes the connection if the server doesn't read it within timeout. It
// must be called with writing held.
func (s *session) write(timeout time.Duration, op byte, payload []byte) error {
	late := time.AfterFunc(timeout, func() { s.conn.Close() })
	_, err := s.conn.Write(appendFrame(nil, op, payload))
	if !late.Stop() && err != nil {
		err = &transports.TimeoutError{Part: "read a frame", Limit: timeout}
	}
	return err
}

// end closes the connection and fails the pending sends. It returns the first reason of all calls,
// which is also the error of the sends.
func (s *session) end(why error) error {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = why
	}
	why = s.ended
	pending := s.pending
	s.pending = nil
	if s.late != nil {
		s.late.Stop() // else it would keep the session in memory
		s.late = nil
	}
	s.mu.Unlock()
	s.silence.Stop()
	s.conn.Close()
	for _, p := range pending {
		p.stored(fmt.Errorf("sending a message: %w", why))
	}
	return why
}

// Close sends a close frame, unless a Send is stuck, and closes the connection.
func (s *session) Close() error {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = errClosed // set first, so that Messages doesn't report the server's close frame as an error
	}
	s.mu.Unlock()
	s.sendClose(binary.BigEndian.AppendUint16(nil, 1000))
	_ = s.end(errClosed)
	return nil
}

// sendClose writes a close frame, unless a Send is stuck. The caller must close the connection in
// either case.
func (s *session) sendClose(payload []byte) {
	if !s.writing.TryLock() {
		return
	}
	defer s.writing.Unlock()
	_ = s.write(closeTimeout, opClose, payload)
}

// closeError returns the error of a close frame with payload: a *transports.GapError for StatusGap, a
// *violation for what RFC 6455, sections 5.5.1 and 7.4, forbid, else a *closedError.
func closeError(payload []byte) error {
	if len(payload) == 0 {
		return &closedError{}
	}
	if len(payload) == 1 {
		return violates(codeProtocol, "the server closed the connection with one byte, want a code of two")
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	switch {
	case code < 1000 || code >= 5000 || code == 1004 || code == 1005 || code == 1006 || code == 1015:
		return violates(codeProtocol, "the server closed the connection with %d, a code that no server may send: %.123q", code, reason)
	case !utf8.Valid(reason):
		return violates(codeNotUTF8, "the server closed the connection with %d and a reason that is not UTF-8: %.123q", code, reason)
	}
	var gap struct{ Oldest uint64 }
	if code == StatusGap && json.Unmarshal(reason, &gap) == nil && gap.Oldest > 0 {
		return &transports.GapError{Oldest: gap.Oldest}
	}
	return &closedError{code, string(reason)}
}

// A closedError is the error of a connection that the server has closed.
type closedError struct {
	code   uint16 // 0: none, which RFC 6455 calls 1005
	reason string
}

func (e *closedError) Error() string {
	if e.code == 0 {
		return "the server closed the connection without a reason"
	}
	return fmt.Sprintf("the server closed the connection: %d %.123s", e.code, e.reason)
}

// Is makes the codes after which joining again may help match transports.ErrStopping. A user gives up
// after the others: they say that it, or the server, breaks a rule.
func (e *closedError) Is(target error) bool {
	if target != transports.ErrStopping {
		return false
	}
	switch e.code { // RFC 6455, section 7.4.1, and the IANA registry of close codes
	case 0, 1000, // servers and proxies close idle connections, and some give no reason
		1001, // going away
		1011, // internal error
		1012, // service restart
		1013, // try again later
		1014: // bad gateway
		return true
	}
	return false
}
