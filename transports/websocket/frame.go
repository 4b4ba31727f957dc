package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// The user's side of RFC 6455, without extensions. The library that serves takes 13 KB more for a
// user's connection (BenchmarkConnection) and would bring a simulated user over its 16 KB: this
// reads frames in place from one small buffer.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	finBit  = 0x80
	maskBit = 0x80

	readBuffer = 512      // a user's, while messages are small
	maxFrame   = 16 << 20 // more is taken for a broken stream
)

// A frame is one RFC 6455 frame from the server.
type frame struct {
	op      byte
	fin     bool
	payload []byte // within the reader's buffer: valid until the next frame is read
}

// A frameReader reads frames from r.
type frameReader struct {
	r          io.Reader
	buf        []byte
	start, end int // what is read but not used: buf[start:end]
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, buf: make([]byte, readBuffer)}
}

// next reads one frame. A stream that ends between two frames is io.EOF.
func (f *frameReader) next() (frame, error) {
	head, err := f.peek(2)
	if err != nil {
		return frame{}, err
	}
	if head[0]&0x70 != 0 {
		return frame{}, errors.New("reading a frame: reserved bits are set, but no extension was agreed on")
	}
	if head[1]&maskBit != 0 {
		return frame{}, errors.New("reading a frame: a server must not mask")
	}
	header, size := 2, uint64(head[1]&^maskBit)
	switch size {
	case 126:
		header = 4
		if head, err = f.peek(header); err != nil {
			return frame{}, unexpected(err)
		}
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		header = 10
		if head, err = f.peek(header); err != nil {
			return frame{}, unexpected(err)
		}
		size = binary.BigEndian.Uint64(head[2:])
	}
	if size > maxFrame {
		return frame{}, fmt.Errorf("reading a frame: %d bytes are more than the %d that are read", size, maxFrame)
	}
	whole, err := f.peek(header + int(size))
	if err != nil {
		return frame{}, unexpected(err)
	}
	f.start += len(whole)
	return frame{op: whole[0] & 0x0f, fin: whole[0]&finBit != 0, payload: whole[header:]}, nil
}

// peek returns the next n bytes and reads until they are there.
func (f *frameReader) peek(n int) ([]byte, error) {
	if f.start == f.end {
		f.start, f.end = 0, 0
		if len(f.buf) > 8*readBuffer && n <= readBuffer {
			f.buf = make([]byte, readBuffer) // a large frame has passed
		}
	}
	if n > len(f.buf)-f.start {
		into := f.buf
		if n > len(into) {
			into = make([]byte, n)
		}
		f.end = copy(into, f.buf[f.start:f.end])
		f.start, f.buf = 0, into
	}
	for f.end-f.start < n {
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

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendFrame appends a final, masked frame, as a user must send it.
func appendFrame(buf []byte, op byte, payload []byte) []byte {
	buf = append(buf, finBit|op)
	switch n := len(payload); {
	case n < 126:
		buf = append(buf, maskBit|byte(n))
	case n <= 0xffff:
		buf = binary.BigEndian.AppendUint16(append(buf, maskBit|126), uint16(n))
	default:
		buf = binary.BigEndian.AppendUint64(append(buf, maskBit|127), uint64(n))
	}
	var key [4]byte
	binary.BigEndian.PutUint32(key[:], rand.Uint32())
	buf = append(buf, key[:]...)
	for i, b := range payload {
		buf = append(buf, b^key[i&3])
	}
	return buf
}
