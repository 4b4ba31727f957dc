package websocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// RFC 6455 without extensions: all of the user's side, and the server's in the lean engine. It reads
// frames in place from one small buffer. With nhooyr.io/websocket a user takes 13 KB more per connection
// (BenchmarkConnection), which would exceed the 16 KB that a simulated user may cost.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	finBit  = 0x80
	maskBit = 0x80

	maskBytes = 4

	readBuffer = 512      // bytes, while messages are small
	readAhead  = 64 << 10 // bytes that the buffer grows by for a frame of which nothing has come yet
	maxControl = 125      // bytes of a control frame's payload; RFC 6455, section 5.5
	maxMessage = 16 << 20 // bytes; a larger size is taken for a broken stream
)

// Close codes; RFC 6455, section 7.4.1.
const (
	codeGoingAway = 1001
	codeProtocol  = 1002
	codeBinary    = 1003
	codeNotUTF8   = 1007
	codePolicy    = 1008
	codeTooLarge  = 1009
	codeInternal  = 1011
)

// A violation is an error of a peer that doesn't keep to RFC 6455.
type violation struct {
	code uint16 // to close the connection with
	text string
}

func (v *violation) Error() string { return v.text }

func violates(code uint16, format string, args ...any) error {
	return &violation{code, fmt.Sprintf(format, args...)}
}

// A frame is one RFC 6455 frame from the peer, or a message put together from its fragments.
type frame struct {
	op      byte
	fin     bool
	payload []byte // may be a part of the reader's buffer, valid until the next frame is read
}

// A frameReader reads messages and control frames from r.
type frameReader struct {
	r          io.Reader
	most       int  // bytes of a message
	masked     bool // the peer is a user, which must mask its frames
	buf        []byte
	start, end int        // buf[start:end] has been read but not consumed
	parts      *fragments // of a message whose last fragment has not come yet; nil: none
}

// fragments are the first fragments of a message.
type fragments struct {
	op      byte
	size    int // bytes so far, with the headers: else empty fragments could go on forever
	payload []byte
}

// newFrameReader returns a user's reader of frames.
func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, most: maxMessage, buf: make([]byte, readBuffer)}
}

// newServerFrameReader returns a server's reader of frames, of messages of at most most bytes.
func newServerFrameReader(r io.Reader, most int) *frameReader {
	return &frameReader{r: r, most: most, masked: true, buf: make([]byte, readBuffer)}
}

// next reads a message, or a control frame, which may come between the fragments of a message (RFC
// 6455, section 5.4). The error is io.EOF if the stream ends between two messages.
func (f *frameReader) next() (frame, error) {
	for {
		got, err := f.frame()
		switch {
		case err != nil && f.parts != nil:
			return frame{}, unexpected(err)
		case err != nil:
			return frame{}, err
		case got.op >= opClose:
			return got, nil
		case f.parts == nil && got.op == opContinuation:
			return frame{}, violates(codeProtocol, "got a frame of kind 0, a continuation, but no message has begun")
		case f.parts == nil && got.fin:
			return got, nil // in place, as messages are that come in one frame
		case f.parts == nil:
			f.parts = &fragments{op: got.op}
		case got.op != opContinuation:
			return frame{}, violates(codeProtocol, "got a frame of kind %d within a message in fragments, want a continuation", got.op)
		}
		f.parts.payload = append(f.parts.payload, got.payload...)
		f.parts.size += 2 + len(got.payload)
		if got.fin {
			whole := frame{op: f.parts.op, fin: true, payload: f.parts.payload}
			f.parts = nil
			return whole, nil
		}
	}
}

// frame reads one frame. The error is io.EOF if the stream ends before it.
func (f *frameReader) frame() (frame, error) {
	head, err := f.peek(2)
	if err != nil {
		return frame{}, err
	}
	op, fin := head[0]&0x0f, head[0]&finBit != 0
	header, size := 2, uint64(head[1]&^maskBit)
	switch {
	case head[0]&0x70 != 0:
		return frame{}, violates(codeProtocol, "reading a frame: reserved bits are set, but no extension was negotiated")
	case f.masked && head[1]&maskBit == 0:
		return frame{}, violates(codeProtocol, "reading a frame: a user must mask")
	case !f.masked && head[1]&maskBit != 0:
		return frame{}, violates(codeProtocol, "reading a frame: a server must not mask")
	case op > opBinary && op < opClose || op > opPong:
		return frame{}, violates(codeProtocol, "reading a frame: got a frame of kind %d, which RFC 6455 does not define", op)
	case op >= opClose && !fin:
		return frame{}, violates(codeProtocol, "reading a frame: a control frame of kind %d is in fragments", op)
	case op >= opClose && size > maxControl:
		return frame{}, violates(codeProtocol, "reading a frame: a control frame of kind %d has more than %d bytes", op, maxControl)
	case size == 126:
		header = 4
		if head, err = f.peek(header); err != nil {
			return frame{}, unexpected(err)
		}
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case size == 127:
		header = 10
		if head, err = f.peek(header); err != nil {
			return frame{}, unexpected(err)
		}
		size = binary.BigEndian.Uint64(head[2:])
	}
	if size > uint64(f.most) {
		return frame{}, violates(codeTooLarge, "reading a frame: %d bytes are more than the limit of %d", size, f.most)
	}
	if op < opClose && f.parts != nil && f.parts.size+header+int(size) > f.most {
		return frame{}, violates(codeTooLarge, "reading a message: its fragments have more than %d bytes", f.most)
	}
	if f.masked {
		header += maskBytes
	}
	whole, err := f.peek(header + int(size))
	if err != nil {
		return frame{}, unexpected(err)
	}
	f.start += len(whole)
	payload := whole[header:]
	if f.masked {
		mask(payload, [maskBytes]byte(whole[header-maskBytes:]))
	}
	return frame{op: op, fin: fin, payload: payload}, nil
}

// mask applies a mask to payload, or takes it off again; RFC 6455, section 5.3.
func mask(payload []byte, key [maskBytes]byte) {
	word := uint64(binary.LittleEndian.Uint32(key[:]))
	word |= word << 32
	for len(payload) >= 8 {
		binary.LittleEndian.PutUint64(payload, binary.LittleEndian.Uint64(payload)^word)
		payload = payload[8:]
	}
	for i := range payload {
		payload[i] ^= key[i&3]
	}
}

// peek returns the next n bytes without consuming them, and reads if the buffer holds fewer. The
// buffer grows as they come: a server that only announces a large frame must not cost its size.
func (f *frameReader) peek(n int) ([]byte, error) {
	if f.start == f.end {
		f.start, f.end = 0, 0
		if len(f.buf) > 8*readBuffer && n <= readBuffer {
			f.buf = make([]byte, readBuffer) // shrink again after a large frame
		}
	}
	for f.end-f.start < n {
		if space := len(f.buf) - f.start; n > space && (f.start > 0 || f.end == len(f.buf)) {
			f.grow(min(n, max(space, 2*(f.end-f.start)+readAhead)))
		}
		read, err := f.r.Read(f.buf[f.end:])
		f.end += read
		if f.end-f.start >= n {
			break
		}
		if err != nil {
			if err == io.EOF && f.end > f.start {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return f.buf[f.start : f.start+n], nil
}

// grow moves what has been read but not consumed to the start of a buffer of at least n bytes.
func (f *frameReader) grow(n int) {
	into := f.buf
	if n > len(into) {
		into = make([]byte, n)
	}
	f.end = copy(into, f.buf[f.start:f.end])
	f.start, f.buf = 0, into
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendFrame appends a final, masked frame; RFC 6455 requires users to mask.
func appendFrame(buf []byte, op byte, payload []byte) []byte {
	buf = appendHead(buf, op, len(payload), maskBit)
	var key [maskBytes]byte
	binary.BigEndian.PutUint32(key[:], rand.Uint32())
	buf = append(buf, key[:]...)
	start := len(buf)
	buf = append(buf, payload...)
	mask(buf[start:], key)
	return buf
}

// frameOf returns a final frame of a server.
func frameOf(op byte, payload []byte) []byte {
	return append(appendHead(nil, op, len(payload), 0), payload...)
}

// appendHead appends the head of a final frame with a payload of n bytes, up to the mask.
func appendHead(buf []byte, op byte, n int, masked byte) []byte {
	buf = append(buf, finBit|op)
	switch {
	case n <= maxControl:
		return append(buf, masked|byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(buf, masked|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(buf, masked|127), uint64(n))
	}
}
