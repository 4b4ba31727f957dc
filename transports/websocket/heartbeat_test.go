package websocket

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

const beat = 20 * time.Second

// pings reads conn until it ends, calls answer at each ping, and returns when the pings came, and when the
// end. Any other frame is an error.
func pings(t *testing.T, conn io.ReadWriter, answer func(n int, payload []byte)) (at []time.Time, end time.Time) {
	reader := newFrameReader(conn)
	for {
		f, err := reader.next()
		if err != nil {
			return at, time.Now()
		}
		switch f.op {
		case opPing:
			at = append(at, time.Now())
			answer(len(at), f.payload)
		case opText, opPong: // of a test that sends messages and pings
		default:
			t.Errorf("got a frame of kind %d, %q", f.op, f.payload)
		}
	}
}

// A user that answers no ping is gone with the second one after the first, without a close frame, which
// nobody would read. The first one comes after a random time, so that users that come together don't cost
// together.
func TestUserWithoutASignOfLife(t *testing.T) {
	OnBoth(t, func(t *testing.T, transport Transport) {
		limits := transports.Limits{Heartbeat: beat}
		server := transporttest.Serve(t, transport.Limited(limits), new(memory.Store))
		const n = 20
		firsts := make(chan time.Duration, n)
		for range n {
			conn, begun := upgrade(t, server, ""), time.Now()
			go func() {
				at, end := pings(t, conn, func(int, []byte) {})
				if len(at) != 2 {
					t.Errorf("%d pings, want 2", len(at))
					firsts <- 0
					return
				}
				first := at[0].Sub(begun)
				if first <= 0 || first > beat+time.Millisecond {
					t.Errorf("the first ping comes after %v, want up to %v", first, beat)
				}
				if second, gone := at[1].Sub(at[0]), end.Sub(at[1]); second != beat || gone != beat {
					t.Errorf("the second ping comes after %v, and the end after %v more, want %v each", second, gone, beat)
				}
				firsts <- first
			}()
		}
		var all []time.Duration
		for range n {
			all = append(all, <-firsts)
		}
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) < n/2 || all[n-1]-all[0] < beat/4 {
			t.Errorf("the first pings come after %v, want times at random", all)
		}
	})
}

// A user that gives any sign of life stays, and one that has stopped doesn't.
func TestUserWithSignsOfLife(t *testing.T) {
	for name, sign := range map[string]func(conn io.Writer, n int, payload []byte){
		"pongs":             func(conn io.Writer, _ int, payload []byte) { conn.Write(appendFrame(nil, opPong, payload)) },
		"unsolicited pongs": func(conn io.Writer, _ int, _ []byte) { conn.Write(userFrame(finBit|opPong, "hello")) },
		"messages":          func(conn io.Writer, _ int, _ []byte) { conn.Write(userFrame(finBit|opText, body("hello"))) },
		"pings":             func(conn io.Writer, _ int, _ []byte) { conn.Write(userFrame(finBit|opPing, "")) },
		"every other pong": func(conn io.Writer, n int, payload []byte) {
			if n%2 == 0 {
				conn.Write(appendFrame(nil, opPong, payload))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			OnBoth(t, func(t *testing.T, transport Transport) {
				limits := transports.Limits{Heartbeat: beat}
				server := transporttest.ServeOn(t, transporttest.Buffered(0), transport.Limited(limits), new(memory.Store))
				conn := upgrade(t, server, "")
				const stays = 180 // pings, which is an hour
				at, end := pings(t, conn, func(n int, payload []byte) {
					if n <= stays {
						time.Sleep(beat / 3)
						sign(conn, n, payload)
					}
				})
				if n := len(at); n < stays || n > stays+2 {
					t.Fatalf("%d pings, want %d and at most two more", n, stays)
				}
				for i := range at[1:] {
					if between := at[i+1].Sub(at[i]); between != beat {
						t.Errorf("%v between two pings, want %v", between, beat)
					}
				}
				if took := end.Sub(at[stays-1]); took > 3*beat {
					t.Errorf("the user is gone %v after its last ping that it answered", took)
				}
			})
		})
	}
}

// promised returns a session whose server promises a sign of life in a header, if it isn't empty, and the
// server's end of the connection.
func promised(t *testing.T, header string) (*session, net.Conn) {
	t.Helper()
	user, server := net.Pipe()
	h := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	if header != "" {
		h.Set(transports.HeartbeatHeader, header)
	}
	s, err := join(t, answering{h, user})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return s, server
}

// A user ends the session when the server has missed two of the signs of life that it has promised.
func TestServerWithoutASignOfLife(t *testing.T) {
	for name, frame := range map[string]string{
		"pings":    serverFrame(finBit|opPing, ""),
		"messages": text(`{"seq":1,"body":"hello"}`),
		"pongs":    serverFrame(finBit|opPong, "unsolicited"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := promised(t, "20")
				go io.Copy(io.Discard, server)
				var last atomic.Pointer[time.Time]
				go func() {
					time.Sleep(beat / 2)
					for range 180 {
						io.WriteString(server, frame)
						now := time.Now()
						last.Store(&now)
						time.Sleep(beat)
					}
				}()
				calls := make(chan error, 1)
				for _, err := range s.Messages(background) {
					silent, ok := errors.AsType[*transports.TimeoutError](err)
					if err != nil && (!ok || silent.Limit != 2*beat || !strings.Contains(err.Error(), "the server did not give a sign of life within 40s")) {
						t.Errorf("Messages: %v", err)
					}
				}
				if took := time.Since(*last.Load()); took < 2*beat || took > 3*beat {
					t.Errorf("the session ends %v after the last sign of life, want from 40 s to 60 s", took)
				}
				s.Send(background, []byte("too late"), func(err error) { calls <- err })
				if err := <-calls; !errors.Is(err, transports.ErrUnsent) {
					t.Errorf("a message after that: %v", err)
				}
				s.Close()
			})
		})
	}
}

// A server that promises nothing may be silent for ever, as pushpull's own may not.
func TestServerThatPromisesNothing(t *testing.T) {
	for _, header := range []string{"", "0", "-1", "x", "NaN", "Inf", "1e9", "20s"} {
		synctest.Test(t, func(t *testing.T) {
			s, server := promised(t, header)
			go io.Copy(io.Discard, server)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for _, err := range s.Messages(background) {
					t.Errorf("%q is promised, and Messages ends with %v", header, err)
				}
			}()
			time.Sleep(24 * time.Hour)
			s.Close()
			<-ended
		})
	}
}

// A session that is closed, or ends, waits for no sign of life any more.
func TestSilenceEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := promised(t, "0.5")
		go io.Copy(io.Discard, server)
		s.Close()
		time.Sleep(time.Hour)
		if s.pending.Ended() != errClosed {
			t.Errorf("a closed session ends with %v", s.pending.Ended())
		}
	})
}

// The user's answer to a ping doesn't wait for a Send that is stuck, and the user reads on: the server may not
// read before its own messages are read.
func TestPongWhileASendIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		sent := make(chan error, 1)
		go s.Send(background, []byte("stuck"), func(err error) { sent <- err })
		synctest.Wait()
		go io.WriteString(server, serverFrame(finBit|opPing, "one")+serverFrame(finBit|opPing, "two")+text(`{"seq":1,"body":"hello"}`))
		got := make(chan string)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for m, err := range s.Messages(background) {
				if err != nil {
					t.Error(err)
				}
				got <- string(m.Body)
			}
		}()
		begun := time.Now()
		if m := <-got; m != "hello" || time.Since(begun) != 0 {
			t.Errorf("got %q after %v", m, time.Since(begun))
		}
		var kinds []string
		for range 2 { // of several pings the last one is answered
			f, err := unmask(server)
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, string("0123456789ABCDEF"[f.op])+string(f.payload))
		}
		if want := []string{`1{"body":"stuck"}`, "Atwo"}; !slices.Equal(kinds, want) {
			t.Errorf("the server reads %q, want %q", kinds, want)
		}
		go io.Copy(io.Discard, server)
		io.WriteString(server, text(`{"stored":1}`))
		if err := <-sent; err != nil {
			t.Error(err)
		}
		s.Close()
		<-ended
	})
}

// The lean engine refuses what doesn't ask for a WebSocket as RFC 6455, section 4.2.1, says.
func TestCheckHandshake(t *testing.T) {
	if got, want := acceptOf("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want { // of the RFC
		t.Errorf("a key is accepted with %q, want %q", got, want)
	}
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	for name, test := range map[string]struct {
		connection, version string
		keys                []string
		says                string // "" if it is fine
	}{
		"fine":               {"Upgrade", "13", []string{key}, ""},
		"lower case":         {"upgrade", "13", []string{key}, ""},
		"a list":             {"keep-alive, Upgrade", "13", []string{key}, ""},
		"a key with spaces":  {"Upgrade", "13", []string{" " + key + "\t"}, ""},
		"no connection":      {"", "13", []string{key}, "Connection: Upgrade"},
		"another connection": {"keep-alive", "13", []string{key}, "Connection: Upgrade"},
		"no version":         {"Upgrade", "", []string{key}, "Sec-WebSocket-Version: 13"},
		"an old version":     {"Upgrade", "8", []string{key}, `"8" of WebSocket is not supported`},
		"a long version":     {"Upgrade", strings.Repeat("1", 1000), []string{key}, `"11111111111111111111" of`},
		"no key":             {"Upgrade", "13", nil, "one Sec-WebSocket-Key"},
		"an empty key":       {"Upgrade", "13", []string{""}, "one Sec-WebSocket-Key"},
		"two keys":           {"Upgrade", "13", []string{key, key}, "one Sec-WebSocket-Key"},
		"a short key":        {"Upgrade", "13", []string{"c2hvcnQ="}, "16 random bytes"},
		"a long key":         {"Upgrade", "13", []string{"bG9uZ2VyIHRoYW4gMTYgYnl0ZXM="}, "16 random bytes"},
		"not base64":         {"Upgrade", "13", []string{"dGhlIHNhbXBsZSBub25jZQ"}, "base64"},
	} {
		h := http.Header{"Connection": {test.connection}, "Sec-Websocket-Version": {test.version}, "Sec-Websocket-Key": test.keys}
		got, err := checkHandshake(&http.Request{Header: h})
		switch {
		case test.says == "" && (err != nil || got != key):
			t.Errorf("%s: the key is %q, %v", name, got, err)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v, want an error that says %q", name, err, test.says)
		}
		if test.says == "" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			target, wire := transporttest.Serve(t, Transport{Lean: true}, new(memory.Store)).Target()
			h.Set("Upgrade", "websocket")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.RoomURL("room", NameLean).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = h
			resp, err := wire.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUpgradeRequired || !strings.HasPrefix(string(text), `{"error":"`) {
				t.Errorf("%s is answered %s %q, %v", name, resp.Status, text, err)
			}
			if resp.StatusCode == http.StatusBadRequest && resp.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("%s: the answer doesn't say which version is supported", name)
			}
		})
	}
}
