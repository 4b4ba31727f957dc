package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// Frames that arrive in one packet with the handshake are read, and counted, as all others are.
func TestFramesWithTheHandshake(t *testing.T) {
	log := feed.New(new(memory.Store), 0)
	defer log.Close()
	var serving sync.WaitGroup
	handler := Transport{Limits: transports.Limits{Frames: 1000}}.Handler(log)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}/websocket", func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		handler.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	defer serving.Wait()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const n = 20
	request := "GET /rooms/room/websocket HTTP/1.1\r\nHost: " + server.Listener.Addr().String() + "\r\nUpgrade: h2c, WebSocket\r\nConnection: keep-alive\r\nConnection: ,upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + newKey() + "\r\n\r\n"
	var frames []byte
	for i := range n {
		frames = appendFrame(frames, opText, fmt.Appendf(nil, `{"body":"message %d"}`, i))
	}
	cut := len(frames) - 9 // within the last frame
	if _, err := conn.Write(append([]byte(request), frames[:cut]...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 1)
	for answer := ""; !strings.HasSuffix(answer, "\r\n\r\n"); answer += string(head) {
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write(frames[cut:]); err != nil {
		t.Fatal(err)
	}
	reader, stored := newFrameReader(conn), 0
	for stored < n {
		f, err := reader.next()
		if err != nil {
			t.Fatalf("after %d acknowledgements: %v", stored, err)
		}
		if strings.HasPrefix(string(f.payload), storedPrefix) {
			stored++
		}
	}
}

// An upgrading is an http.ResponseWriter whose connection has sent bytes that are read already.
type upgrading struct {
	http.ResponseWriter
	conn   net.Conn
	reader *bufio.Reader
}

func (u upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u.conn, bufio.NewReadWriter(u.reader, bufio.NewWriter(u.conn)), nil
}

// Bytes that net/http has read already are followed too, or else the rest would not be understood.
func TestHijackedBytesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user, conn := net.Pipe()
		defer user.Close()
		defer conn.Close()
		stream := string(userFrame(opText, "hello")) + string(userFrame(finBit|opContinuation, ", world"))
		reader := bufio.NewReader(io.MultiReader(strings.NewReader(stream[:5]), conn))
		if _, err := reader.Peek(5); err != nil {
			t.Fatal(err)
		}
		raw := &rawConn{pace: newPace(100), heartbeat: time.Minute}
		_, rw, err := hijacker{upgrading{nil, conn, reader}, raw}.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(user, stream[5:])
		got := make([]byte, len(stream))
		if _, err := io.ReadFull(rw, got); err != nil || string(got) != stream {
			t.Errorf("read %q, %v, want %q", got, err, stream)
		}
		if raw.pace.frames != (framing{masked: true}) {
			t.Errorf("after two whole frames: %+v", raw.pace.frames)
		}
	})
}

// A reader has the write timeout for a whole batch, not for each of its messages: it must not hold
// the batch for ever.
func TestSlowReaderOfABatch(t *testing.T) {
	OnBoth(t, func(t *testing.T, transport Transport) {
		store := new(memory.Store)
		for range 100 {
			store.Append(t.Context(), "room", []byte(strings.Repeat("x", 60_000)), "")
		}
		const pause = 3 * time.Second
		server := transporttest.Serve(t, transport.Limited(transports.Limits{WriteTimeout: 2*pause + pause/2}), store)
		conn := upgrade(t, server, "")
		reader, read := newFrameReader(conn), 0
		for {
			time.Sleep(pause)
			f, err := reader.next()
			if err != nil {
				break
			}
			switch f.op {
			case opText:
				read++
			case opPing:
			default:
				t.Errorf("got a frame of kind %d", f.op)
			}
		}
		if read < 2 || read > 10 {
			t.Errorf("a slow reader gets %d messages of a batch, want to see it cut off after two and what was under way", read)
		}
	})
}
