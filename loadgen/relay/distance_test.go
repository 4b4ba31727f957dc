package relay

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"pushpull/loadgen/network"
)

// echo starts a server that sends back what it gets, and closes a connection whose user has stopped sending.
func echo(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// connect connects to an echo through a route with a network.
func connect(t *testing.T, p network.Profile) (*Route, net.Conn) {
	t.Helper()
	route, err := start(t).Route("echo", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := route.Distance(p); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", route.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return route, conn
}

// exchange sends a byte, waits until it is back, and returns how long it took.
func exchange(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	begun := time.Now()
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}

// TestDistance checks that the first exchange takes a round trip more than the others, and that bytes on their way
// arrive when the network, or a toxic behind it, is taken away.
func TestDistance(t *testing.T) {
	const rtt = 50 * time.Millisecond
	route, conn := connect(t, network.Profile{RTTS: rtt.Seconds()})
	if took := exchange(t, conn); took < 2*rtt {
		t.Errorf("connecting and an exchange took %v, less than two round trips of %v", took, rtt)
	}
	if took := exchange(t, conn); took < rtt {
		t.Errorf("an exchange took %v, less than a round trip of %v", took, rtt)
	}
	if _, err := conn.Write([]byte("on its way")); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"behind": "noop", "far behind": "noop"} {
		if err := route.Add(name, kind, Up, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := route.Remove("behind"); err != nil {
		t.Error(err)
	}
	if err := route.Remove("distance " + string(Up)); err != nil {
		t.Error(err)
	}
	got := make([]byte, len("on its way"))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "on its way" {
		t.Errorf("%q came back, %v", got, err)
	}
	begun := time.Now()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(got); !errors.Is(err, io.EOF) || time.Since(begun) < rtt/2 {
		t.Errorf("%d bytes, %v came %v after the user had closed", n, err, time.Since(begun))
	}
}

// TestBytes sends many bytes over a bad network: they come back as they were, and no sooner than the bandwidth allows.
func TestBytes(t *testing.T) {
	_, conn := connect(t, network.Profile{RTTS: .002, JitterS: .002, UpBPS: 80e6, DownBPS: 80e6, Loss: .002})
	sent, random := make([]byte, 3e6), rand.NewChaCha8([32]byte{})
	_, _ = random.Read(sent)
	begun := time.Now()
	go func() {
		for rest := sent; len(rest) > 0; {
			n, err := conn.Write(rest[:min(len(rest), 1+rand.IntN(100_000))])
			if err != nil {
				return
			}
			rest = rest[n:]
		}
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%v, the bytes are the same: %t", err, bytes.Equal(got, sent))
	}
	if took, least := time.Since(begun), 300*time.Millisecond; took < least {
		t.Errorf("it took %v, less than %v", took, least)
	}
}
