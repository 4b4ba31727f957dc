package server

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"pushpull/transports"
)

// A socket that can be tried takes what the system's buffers hold, and nothing more, without waiting and
// whatever deadline a write has left.
func TestTryWriteOfASocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	user, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newConnections(1, time.Minute).add(accepted)
	defer c.Close()
	if _, ok := transports.CanTry(c); !ok {
		t.Skip("sockets of this system can't be tried")
	}
	if !c.kept {
		t.Error("a connection that can be tried is left to net/http")
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i % 251)
	}
	fill := func() (total int) {
		t.Helper()
		for {
			n, err := c.TryWrite(data)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n == 0 {
				return total
			}
			if n < len(data) {
				data = append(data[n:], data[:n]...) // goes on where it stopped
			}
		}
	}
	written := fill()
	if written == 0 {
		t.Fatal("nothing is taken")
	}
	if n, err := c.TryWrite(nil); n != 0 || err != nil {
		t.Errorf("nothing is written as %d bytes, %v", n, err)
	}
	c.Conn.SetWriteDeadline(past)
	if n, err := c.TryWrite(data); n != 0 || err != nil {
		t.Errorf("a full socket after a deadline takes %d bytes, %v", n, err)
	}
	if _, err := io.CopyN(io.Discard, user, int64(written)); err != nil {
		t.Fatal(err)
	}
	c.Conn.SetWriteDeadline(past)
	until(t, "an empty socket takes more", func() bool {
		n, err := c.TryWrite(data[:1000])
		if err != nil {
			t.Fatal(err)
		}
		return n == 1000
	})
	user.Close()
	until(t, "an error after the user has gone", func() bool {
		_, err := c.TryWrite(data)
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	})
	c.Close()
	if _, err := c.TryWrite(data); err == nil {
		t.Error("a closed connection is written to")
	}
}
