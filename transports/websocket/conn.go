package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"pushpull/transports"
)

// A Conn is the user's side of a WebSocket, without extensions. One goroutine may call Next while others call
// Write and Close.
type Conn struct {
	conn    io.ReadWriteCloser
	frames  *frameReader
	silence transports.Silence // of the server

	writing sync.Mutex // held while a frame is written; locked before mu

	mu   sync.Mutex
	owed []byte // the payload of the last ping without a pong yet; nil: none
}

// Dial opens a WebSocket with a GET for u, which ctx bounds. header is added to that of the handshake;
// subprotocols are offered by its Sec-WebSocket-Protocol. wire must answer an upgrade as net/http does: with
// status 101 and a Body that is an io.ReadWriteCloser. Any other answer is the error of transports.AnswerError.
func Dial(ctx context.Context, wire http.RoundTripper, u *url.URL, header http.Header) (*Conn, http.Header, error) {
	key := newKey()
	asked := upgradeHeader(key)
	maps.Copy(asked, header)
	resp, err := wire.RoundTrip(transports.NewRequest(ctx, http.MethodGet, u, asked, nil))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, nil, transports.AnswerError(resp)
	}
	err = checkUpgrade(resp.Header, key, header["Sec-Websocket-Protocol"])
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if err == nil && !ok {
		err = fmt.Errorf("the Body of a 101 is a %T, want an io.ReadWriteCloser", resp.Body)
	}
	if err != nil {
		resp.Body.Close()
		return nil, nil, err
	}
	c := &Conn{conn: conn}
	c.frames = newFrameReader(c.silence.Listen(conn))
	return c, resp.Header, nil
}

// Next reads a message, which is valid until the next call, and answers pings meanwhile. The error of a
// connection that the server has closed in order is a *ClosedError.
func (c *Conn) Next() (message []byte, isBinary bool, err error) {
	for {
		f, err := c.frames.next()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // the close frame is missing
			}
			return nil, false, c.refuse(err)
		}
		switch f.op {
		case opPing:
			if err := c.pong(f.payload); err != nil {
				return nil, false, err
			}
		case opPong:
		case opClose:
			err := closeError(f.payload)
			if _, broken := errors.AsType[*violation](err); broken {
				return nil, false, c.refuse(err)
			}
			c.sendClose(f.payload[:min(2, len(f.payload))])
			return nil, false, err
		default:
			return f.payload, f.op == opBinary, nil
		}
	}
}

// refuse sends the server the close code of a violation.
func (c *Conn) refuse(err error) error {
	if v, ok := errors.AsType[*violation](err); ok {
		c.sendClose(binary.BigEndian.AppendUint16(nil, v.code))
	}
	return err
}

// Write writes a message in one frame.
func (c *Conn) Write(message []byte, isBinary bool) error {
	op := byte(opText)
	if isBinary {
		op = opBinary
	}
	frame := appendFrame(make([]byte, 0, len(message)+14), op, message)
	c.writing.Lock()
	_, err := c.conn.Write(frame)
	c.writing.Unlock()
	if err != nil {
		return err
	}
	return c.payPong()
}

// pong answers a ping. It doesn't wait for a Write that is stuck: the server may be stuck too, until this
// user reads on. Then Write sends the pong. Of several pings only the last needs one (RFC 6455, section
// 5.5.3).
func (c *Conn) pong(payload []byte) error {
	c.mu.Lock()
	c.owed = append(make([]byte, 0, len(payload)), payload...)
	c.mu.Unlock()
	return c.payPong()
}

// payPong sends the pong that is owed, unless a frame is being written: then its writer does it.
func (c *Conn) payPong() error {
	for {
		c.mu.Lock()
		owed := c.owed
		c.mu.Unlock()
		if owed == nil || !c.writing.TryLock() {
			return nil
		}
		c.mu.Lock()
		owed, c.owed = c.owed, nil
		c.mu.Unlock()
		var err error
		if owed != nil {
			err = c.control(transports.AnswerTime, opPong, owed)
		}
		c.writing.Unlock()
		if err != nil {
			return err
		}
	}
}

// control writes one frame and closes the connection if the server doesn't read it within timeout. It
// must be called with writing held.
func (c *Conn) control(timeout time.Duration, op byte, payload []byte) error {
	late := time.AfterFunc(timeout, func() { c.conn.Close() })
	_, err := c.conn.Write(appendFrame(nil, op, payload))
	if !late.Stop() && err != nil {
		err = &transports.TimeoutError{Part: "read a frame", Limit: timeout}
	}
	return err
}

// sendClose writes a close frame, unless a Write is stuck. The caller must close the connection in
// either case.
func (c *Conn) sendClose(payload []byte) {
	if !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	_ = c.control(closeTimeout, opClose, payload)
}

// Expect calls gone once the server has been silent for longer than it may; see transports.Silence. beat is the
// time between two signs of life; 0: as the header of the answer promises.
func (c *Conn) Expect(header http.Header, beat time.Duration, gone func(error)) {
	if beat > 0 {
		c.silence.ExpectEvery(beat, gone)
		return
	}
	c.silence.Expect(header, gone)
}

// Cut closes the connection at once, which ends Next and Write.
func (c *Conn) Cut() {
	c.silence.Stop()
	c.conn.Close()
}

// Leave sends a close frame with code 1000, unless a Write is stuck, and closes the connection.
func (c *Conn) Leave() {
	c.sendClose(binary.BigEndian.AppendUint16(nil, 1000))
	c.Cut()
}

// closeError returns the error of a close frame with payload: a *violation for what RFC 6455, sections 5.5.1 and
// 7.4, forbid, else a *ClosedError.
func closeError(payload []byte) error {
	if len(payload) == 0 {
		return &ClosedError{}
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
	return &ClosedError{code, string(reason)}
}

// A ClosedError is the error of a connection that the server has closed.
type ClosedError struct {
	Code   uint16 // RFC 6455, section 7.4.1; 0: none, which it calls 1005
	Reason string
}

func (e *ClosedError) Error() string {
	if e.Code == 0 {
		return "the server closed the connection without a reason"
	}
	return fmt.Sprintf("the server closed the connection: %d %.123s", e.Code, e.Reason)
}

// Is makes the codes after which joining again may help match transports.ErrStopping. A user gives up
// after the others: they say that it, or the server, breaks a rule.
func (e *ClosedError) Is(target error) bool {
	if target != transports.ErrStopping {
		return false
	}
	switch e.Code { // RFC 6455, section 7.4.1, and the IANA registry of close codes
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
