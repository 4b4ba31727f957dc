package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"pushpull/transports"
)

// openLean is the engine on this package's own frames: one goroutine and a buffer of 512 bytes for each
// connection. It has no extensions and no subprotocols.
func openLean(w http.ResponseWriter, r *http.Request, raw *rawConn, limits transports.Limits) (reader, error) {
	key, err := checkHandshake(r)
	if err != nil {
		w.Header().Set("Sec-WebSocket-Version", "13")
		transports.Error(w, http.StatusBadRequest, "%v", err)
		return nil, err
	}
	h := w.Header()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Accept", acceptOf(key))
	w.WriteHeader(http.StatusSwitchingProtocols)
	if _, _, err := (hijacker{w, raw}).Hijack(); err != nil {
		return nil, fmt.Errorf("taking over a connection: %w", err)
	}
	return &leanReader{raw: raw, frames: newServerFrameReader(raw, largestText(limits)), limits: limits}, nil
}

// A leanReader reads the messages of one connection.
type leanReader struct {
	raw    *rawConn
	frames *frameReader
	limits transports.Limits
	broken bool // a message was refused, and only the user's close frame matters
}

// read implements reader.
func (l *leanReader) read() ([]byte, error) {
	if l.broken {
		for buf := l.frames.buf; !l.raw.pace.frames.closed(); {
			if _, err := l.raw.Read(buf); err != nil {
				return nil, err
			}
		}
		return nil, io.EOF
	}
	for {
		got, err := l.frames.next()
		if err != nil {
			return nil, l.failed(err)
		}
		switch got.op {
		case opText:
			return got.payload, nil
		case opBinary:
			return nil, &refusal{errBinary}
		case opPing:
			_, err = l.raw.Write(frameOf(opPong, got.payload))
		case opClose:
			if err = checkClose(got.payload); err == nil {
				_, _ = l.raw.Write(frameOf(opClose, got.payload[:min(2, len(got.payload))])) // the user may not wait for it
				err = io.EOF
			} else {
				err = l.failed(err)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// failed returns the error of a read. A violation is a refusal, after which the next read waits for the
// user's close frame, or for the end of the connection: closing at once could reset it, and the code would
// be lost.
func (l *leanReader) failed(err error) error {
	v, ok := errors.AsType[*violation](err)
	if !ok {
		return err
	}
	l.broken = true
	if v.code == codeTooLarge {
		return &refusal{transports.CheckText(make([]byte, l.limits.MessageBytes+1), l.limits.MessageBytes)}
	}
	return &refusal{v}
}

// close implements reader.
func (l *leanReader) close() {}

// checkClose returns an error for a close frame's payload that RFC 6455, sections 5.5.1 and 7.4, forbid.
func checkClose(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) == 1 {
		return violates(codeProtocol, "a close frame with one byte, want a code of two")
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	switch {
	case code < 1000 || code >= 5000 || code == 1004 || code == 1005 || code == 1006 || 1015 <= code && code < 3000:
		return violates(codeProtocol, "a close frame with %d, a code that must not be sent", code)
	case !utf8.Valid(reason):
		return violates(codeNotUTF8, "a close frame with a reason that is not UTF-8")
	}
	return nil
}
