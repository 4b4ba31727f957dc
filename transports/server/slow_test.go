package server

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

// enter joins a room over WebSocket and doesn't read yet.
func (sd *served) enter(from transports.Cursor) (transports.Session, *transporttest.Wire) {
	sd.t.Helper()
	base, err := url.Parse(sd.base)
	if err != nil {
		sd.t.Fatal(err)
	}
	wire := new(transporttest.Wire)
	wire.DialContext = func(context.Context, string, string) (net.Conn, error) { return sd.dial() }
	session, err := websocket.Transport{}.Join(sd.t.Context(), transports.Target{Base: base, Wire: wire}, "room", from)
	if err != nil {
		sd.t.Fatal(err)
	}
	return session, wire
}

// join joins a room over WebSocket and reads it.
func (sd *served) join(from transports.Cursor) *transporttest.User {
	sd.t.Helper()
	session, wire := sd.enter(from)
	return transporttest.Read(sd.t, context.Background(), session, wire)
}

// Who takes nothing is cut off after the write timeout, while others go on, and comes back.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		sd := inBubble(t, &Server{Store: store})
		t.Cleanup(func() { sd.stop() })
		session, wire := sd.enter("")
		other := sd.join("")
		var want []string
		for i := range 30 {
			body := strings.Repeat("x", i)
			want = append(want, body)
			sent := time.Now()
			store.Append(t.Context(), "room", []byte(body))
			if got := other.Wait(i + 1)[i]; !got.At.Equal(sent) || got.Body != body {
				t.Fatalf("another user gets message %d %v late", i, got.At.Sub(sent))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			// The first message is what the slow one doesn't take.
			if cut := sd.stats().CutOff; (cut == 1) != (i+1 >= 10) {
				t.Fatalf("%d cut off after %d s", cut, i+1)
			}
		}
		slow := transporttest.Read(t, context.Background(), session, wire)
		if err := slow.End(); err == nil {
			t.Error("who took nothing for 30 s is told nothing")
		}
		back := sd.join(slow.Cursor())
		back.Wait(len(want) - len(slow.Got()))
		if got := append(slow.Bodies(), back.Bodies()...); !slices.Equal(got, want) {
			t.Errorf("who came back got %d messages, want %d", len(got), len(want))
		}
	})
}

// Who takes one message after the other, each in time, is not cut off.
func TestReaderBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		for range 50 {
			store.Append(t.Context(), "room", []byte("hello"))
		}
		sd := inBubble(t, &Server{Store: store})
		t.Cleanup(func() { sd.stop() })
		session, _ := sd.enter("")
		defer session.Close()
		n := 0
		for _, err := range session.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 50 {
				break
			}
			time.Sleep(9 * time.Second)
		}
	})
}

// A user who takes nothing neither keeps the server from stopping nor makes that an error.
func TestStoppingWithSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		sd := inBubble(t, &Server{Store: store})
		session, _ := sd.enter("")
		defer session.Close()
		store.Append(t.Context(), "room", []byte("hello"))
		synctest.Wait()
		start := time.Now()
		if err := sd.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}
