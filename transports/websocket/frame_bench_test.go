package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// A looping connection reads the same frames again and again, one in each call, and drops what is
// written.
type looping struct {
	frames []string
	next   int
}

func (l *looping) Read(p []byte) (int, error) {
	n := copy(p, l.frames[l.next])
	l.next = (l.next + 1) % len(l.frames)
	return n, nil
}

func (*looping) Write(p []byte) (int, error) { return len(p), nil }
func (*looping) Close() error                { return nil }

// BenchmarkReceive is the cost of a message to a simulated user, without the network.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{100, 400} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			conn := &looping{frames: []string{text(`{"seq":7,"body":"` + strings.Repeat("x", size) + `"}`)}}
			s := &session{conn: &Conn{conn: conn, frames: newFrameReader(conn)}}
			b.ReportAllocs()
			n := 0
			for range s.Messages(context.Background()) {
				if n++; n >= b.N {
					break
				}
			}
		})
	}
}

// BenchmarkSend is the cost of sending a message and reading its acknowledgement.
func BenchmarkSend(b *testing.B) {
	conn := &looping{frames: []string{text(`{"stored":7}`), text(`{"seq":7,"body":"hello"}`)}}
	s := &session{conn: &Conn{conn: conn, frames: newFrameReader(conn)}}
	defer s.Close()
	body := []byte(strings.Repeat("x", 100))
	b.ReportAllocs()
	n := 0
	stored := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	s.Send(context.Background(), body, stored)
	for _, err := range s.Messages(context.Background()) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n >= b.N {
			break
		}
		s.Send(context.Background(), body, stored)
	}
}

var _ io.ReadWriteCloser = (*looping)(nil)

// BenchmarkPace is what the limit of frames costs the server for each message, beside reading it.
func BenchmarkPace(b *testing.B) {
	conn := &rawConn{Conn: &reading{data: userFrame(finBit|opText, strings.Repeat("x", 100))}, pace: newPace(1 << 30)}
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		conn.pace.paid = conn.pace.now.Add(-burst) // else the loop is a flood
		if _, err := conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// A reading connection reads the same data again and again.
type reading struct {
	net.Conn
	data []byte
}

func (r *reading) Read(p []byte) (int, error) { return copy(p, r.data), nil }
