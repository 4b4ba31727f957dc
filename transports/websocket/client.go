package websocket

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"pushpull/transports"
)

// Join opens the connection. The wire answers an upgrade as net/http does: with status 101 and a
// Body that is an io.ReadWriteCloser.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	u := target.RoomURL(room, Name)
	if from != "" {
		u.RawQuery = "after=" + string(from)
	}
	key := base64.StdEncoding.EncodeToString([]byte("pushpull-user-16")) // tells a WebSocket server from a cache, no more
	req := (&http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {key},
		},
	}).WithContext(ctx)
	resp, err := target.Wire.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, fmt.Errorf("opening a WebSocket: %w", transports.AnswerError(resp))
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 4.2.2
	if !ok || resp.Header.Get("Sec-Websocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		resp.Body.Close()
		return nil, errors.New("opening a WebSocket: the server's handshake is not RFC 6455's")
	}
	return &session{conn: conn, frames: newFrameReader(conn)}, nil
}

// A session is one user's connection.
type session struct {
	conn   io.ReadWriteCloser
	frames *frameReader

	writing sync.Mutex // held while a frame is written; taken before mu

	mu      sync.Mutex
	pending []func(error) // sends without an answer yet, oldest first
	ended   error         // why nothing more can be sent
}

var _ transports.Session = (*session)(nil)

var errClosed = errors.New("the WebSocket is closed")

// Send writes one frame. Its answer comes with the messages, in the order of the sends.
func (s *session) Send(_ context.Context, body []byte, stored func(error)) {
	if err := transports.CheckText(body, len(body)); err != nil {
		stored(fmt.Errorf("sending a message: %w", err)) // JSON would change it
		return
	}
	buf := make([]byte, 0, len(body)+32)
	text := transports.AppendText(make([]byte, 0, len(body)+16), body)
	buf = appendFrame(buf, opText, text)

	s.writing.Lock()
	s.mu.Lock()
	ended := s.ended
	if ended == nil {
		s.pending = append(s.pending, stored)
	}
	s.mu.Unlock()
	var err error
	if ended == nil {
		_, err = s.conn.Write(buf)
	}
	s.writing.Unlock()
	switch {
	case ended != nil:
		stored(fmt.Errorf("sending a message: %w: %w", transports.ErrUnsent, ended))
	case err != nil:
		_ = s.end(err) // tells stored, too
	}
}

// Messages reads frames until ctx or the connection ends.
func (s *session) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, func() { s.conn.Close() })
		defer stop()
		for {
			m, err := s.read()
			switch {
			case err == nil && m.Seq == 0: // an answer to a send
			case err == nil:
				if !yield(m, nil) {
					return
				}
			default:
				if err := s.end(err); err != errClosed && ctx.Err() == nil {
					yield(transports.Message{}, fmt.Errorf("reading a WebSocket: %w", err))
				}
				return
			}
		}
	}
}

// read reads one frame. A message has a Seq; everything else is dealt with here.
func (s *session) read() (transports.Message, error) {
	f, err := s.frames.next()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // it ended without a close frame
		}
		return transports.Message{}, err
	}
	switch {
	case f.op == opPing:
		return transports.Message{}, s.write(opPong, f.payload)
	case f.op == opPong:
		return transports.Message{}, nil
	case f.op == opClose:
		s.goodbye(f.payload[:min(2, len(f.payload))])
		return transports.Message{}, closeError(f.payload)
	case f.op != opText || !f.fin:
		return transports.Message{}, fmt.Errorf("a frame of kind %d (last: %t), where a pushpull server sends whole texts", f.op, f.fin)
	}
	if m, rest, ok := transports.ParseMessage(f.payload); ok && len(rest) == 0 && m.Seq > 0 {
		return m, nil
	}
	if bytes.HasPrefix(f.payload, []byte(storedPrefix)) {
		return transports.Message{}, s.answer(nil)
	}
	return s.spelled(f.payload)
}

// spelled reads what a frame says in JSON, however it is spelled.
func (s *session) spelled(payload []byte) (transports.Message, error) {
	var said struct {
		Seq    uint64 `json:"seq"`
		Body   string `json:"body"`
		Stored uint64 `json:"stored"`
		Error  string `json:"error"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return transports.Message{}, err
	}
	switch {
	case said.Stored > 0:
		return transports.Message{}, s.answer(nil)
	case said.Error != "":
		return transports.Message{}, s.answer(errors.New(said.Error))
	case said.Seq == 0:
		return transports.Message{}, fmt.Errorf("%.100q is neither a message nor an answer to one", payload)
	}
	return transports.Message{Seq: said.Seq, Body: []byte(said.Body)}, nil
}

// answer tells the oldest pending send how it went.
func (s *session) answer(err error) error {
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return errors.New("the server answered a message that was not sent")
	}
	stored := s.pending[0]
	s.pending = s.pending[1:]
	s.mu.Unlock()
	stored(err)
	return nil
}

func (s *session) write(op byte, payload []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write(appendFrame(nil, op, payload))
	return err
}

// end closes the connection, tells the pending sends why, and returns what ended it first.
func (s *session) end(why error) error {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = why
	}
	why = s.ended
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	s.conn.Close()
	for _, stored := range pending {
		stored(fmt.Errorf("sending a message: %w", why))
	}
	return why
}

// Close says goodbye, unless a Send is stuck, and closes the connection.
func (s *session) Close() error {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = errClosed // before the server answers: its goodbye is not an error
	}
	s.mu.Unlock()
	s.goodbye(binary.BigEndian.AppendUint16(nil, 1000))
	_ = s.end(errClosed)
	return nil
}

// goodbye writes a close frame, unless a Send is stuck. The connection is to be closed either way.
func (s *session) goodbye(payload []byte) {
	if !s.writing.TryLock() {
		return
	}
	defer s.writing.Unlock()
	late := time.AfterFunc(goodbye, func() { s.conn.Close() }) // nobody takes it
	defer late.Stop()
	_, _ = s.conn.Write(appendFrame(nil, opClose, payload))
}

// closeError reads the server's close frame.
func closeError(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("the server closed the connection")
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	var gap struct{ Oldest uint64 }
	if code == StatusGap && json.Unmarshal(reason, &gap) == nil && gap.Oldest > 0 {
		return &transports.GapError{Oldest: gap.Oldest}
	}
	return &closedError{code, string(reason)}
}

// A closedError is a close frame of the server.
type closedError struct {
	code   uint16
	reason string
}

func (e *closedError) Error() string {
	return fmt.Sprintf("the server closed the connection: %d %.123s", e.code, e.reason)
}

// Is makes errors.Is tell that the server can't go on: it stops, or has met something unexpected
// (RFC 6455, section 7.4.1).
func (e *closedError) Is(target error) bool {
	return target == transports.ErrStopping && (e.code == 1001 || e.code == 1011)
}
