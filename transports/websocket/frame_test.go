package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"nhooyr.io/websocket"

	"pushpull/transports"
)

// This package's client and another implementation read each other's frames.
func TestFramesRoundTrip(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		for {
			kind, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, data); err != nil {
				t.Error(err)
				return
			}
		}
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := new(http.Transport)
	defer wire.CloseIdleConnections()
	joined, err := Transport{}.Join(t.Context(), transports.Target{Base: base, HTTP: wire}, "room", "")
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	s := joined.(*session)
	for _, size := range []int{0, 1, 125, 126, 127, 500, 512, 513, 4096, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1 << 20, 3, 0} {
		payload := bytes.Repeat([]byte("frame "), size/6+1)[:size]
		if err := s.conn.Write(payload, false); err != nil {
			t.Fatal(err)
		}
		got, isBinary, err := s.conn.Next()
		if err != nil || isBinary || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes came back as a message of %d bytes, binary: %t, %v", size, len(got), isBinary, err)
		}
		if buf := s.conn.frames.buf; len(buf) > 8*readBuffer && size < 100 {
			t.Errorf("the buffer keeps %d bytes after a large frame", len(buf))
		}
	}
}

// serverFrame returns an unmasked frame, as a server sends it.
func serverFrame(first byte, payload string) string {
	buf := []byte{first}
	switch n := len(payload); {
	case n < 126:
		buf = append(buf, byte(n))
	case n <= 0xffff:
		buf = binary.BigEndian.AppendUint16(append(buf, 126), uint16(n))
	default:
		buf = binary.BigEndian.AppendUint64(append(buf, 127), uint64(n))
	}
	return string(buf) + payload
}

// text returns a frame as a pushpull server sends it.
func text(payload string) string { return serverFrame(finBit|opText, payload) }

func TestFrameReaderErrors(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   error
	}{
		"between two frames": {text("a"), io.EOF},
		"in the header":      {text("a") + "\x81", io.ErrUnexpectedEOF},
		"in a long header":   {"\x81\x7e\x01", io.ErrUnexpectedEOF},
		"in a longer header": {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00", io.ErrUnexpectedEOF},
		"in the payload":     {text("hello")[:4], io.ErrUnexpectedEOF},
		"before the payload": {text("hello")[:2], io.ErrUnexpectedEOF},
	} {
		reader := newFrameReader(strings.NewReader(test.stream))
		var err error
		for err == nil {
			_, err = reader.next()
		}
		if err != test.want {
			t.Errorf("a stream that ends %s: %v, want %v", name, err, test.want)
		}
	}
	broken := errors.New("the cable is cut")
	_, err := newFrameReader(io.MultiReader(strings.NewReader("\x81\x05he"), iotest.ErrReader(broken))).next()
	if !errors.Is(err, broken) {
		t.Errorf("a stream that breaks: %v", err)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add([]byte(text("hello") + text("") + serverFrame(finBit|opPing, "p") + serverFrame(finBit|opClose, "\x03\xe9bye")))
	f.Add([]byte(text(strings.Repeat("x", 126)) + text(strings.Repeat("y", 5000)) + text("z")))
	f.Add([]byte("\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x01"))
	f.Add([]byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x81\x85\x01\x02\x03\x04hello"))
	f.Add([]byte("\xf1\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, bytewise := newFrameReader(bytes.NewReader(stream)), newFrameReader(iotest.OneByteReader(bytes.NewReader(stream)))
		for read := 0; ; {
			a, errA := whole.next()
			b, errB := bytewise.next()
			if (errA == nil) != (errB == nil) || errA != nil && errA.Error() != errB.Error() {
				t.Fatalf("the same stream, read at once and bytewise: %v and %v", errA, errB)
			}
			if errA != nil {
				return
			}
			if a.op != b.op || a.fin != b.fin || !bytes.Equal(a.payload, b.payload) {
				t.Fatalf("the same stream, read at once and bytewise: %v and %v", a, b)
			}
			if read += 2 + len(a.payload); read > len(stream) {
				t.Fatalf("%d bytes of frames in a stream of %d", read, len(stream))
			}
		}
	})
}

// FuzzAppendFrame reads the frames of a client back as a server does.
func FuzzAppendFrame(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add(bytes.Repeat([]byte("x"), 126))
	f.Add(bytes.Repeat([]byte("x"), 1<<16))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := unmask(bytes.NewReader(appendFrame(nil, opText, payload)))
		if err != nil || got.op != opText || !got.fin || !bytes.Equal(got.payload, payload) {
			t.Errorf("a frame with %q is read as %v, %v", payload, got, err)
		}
	})
}

// unmask reads a client's frame as a server does.
func unmask(r io.Reader) (frame, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return frame{}, err
	}
	if head[1]&maskBit == 0 {
		return frame{}, errors.New("a client's frame is not masked")
	}
	size := uint64(head[1] &^ maskBit)
	if long := map[uint64]int{126: 2, 127: 8}[size]; long > 0 {
		more := make([]byte, 8)
		if _, err := io.ReadFull(r, more[8-long:]); err != nil {
			return frame{}, err
		}
		size = binary.BigEndian.Uint64(more)
	}
	rest := make([]byte, 4+size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return frame{}, err
	}
	for i := range rest[4:] {
		rest[4+i] ^= rest[i&3]
	}
	return frame{op: head[0] & 0x0f, fin: head[0]&finBit != 0, payload: rest[4:]}, nil
}

// background is a context that no test ends.
var background = context.Background()
