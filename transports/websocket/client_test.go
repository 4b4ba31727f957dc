package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"pushpull/transports"
)

// A script is an http.RoundTripper that answers a handshake as the test says.
type script struct {
	status int
	accept func(key string) string
	body   io.ReadCloser
}

func (s script) RoundTrip(req *http.Request) (*http.Response, error) {
	header := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Accept": {s.accept(req.Header.Get("Sec-WebSocket-Key"))},
	}
	return &http.Response{StatusCode: s.status, Status: fmt.Sprint(s.status), Header: header, Body: s.body}, nil
}

func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func join(t *testing.T, wire http.RoundTripper) (*session, error) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "server.test"}
	s, err := Transport{}.Join(t.Context(), transports.Target{Base: base, HTTP: wire}, "room", "")
	if err != nil {
		return nil, err
	}
	return s.(*session), nil
}

// connect returns a session and the server's end of its connection.
func connect(t *testing.T) (*session, net.Conn) {
	t.Helper()
	user, server := net.Pipe()
	s, err := join(t, script{http.StatusSwitchingProtocols, accept, user})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return s, server
}

func TestHandshake(t *testing.T) {
	user, server := net.Pipe()
	defer server.Close()
	for name, wire := range map[string]script{
		"wrong key":       {101, func(string) string { return accept("another key") }, user},
		"no key":          {101, func(string) string { return "" }, user},
		"no connection":   {101, accept, io.NopCloser(strings.NewReader(""))},
		"not upgraded":    {200, accept, io.NopCloser(strings.NewReader("hello"))},
		"not a WebSocket": {404, accept, io.NopCloser(strings.NewReader("404 page not found"))},
		"refused":         {403, accept, io.NopCloser(strings.NewReader(`{"error":"allow them"}`))},
	} {
		s, err := join(t, wire)
		if err == nil || !strings.HasPrefix(err.Error(), "opening a WebSocket: ") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	_, err := join(t, script{410, accept, io.NopCloser(strings.NewReader(`{"error":"gone","oldest":9}`))})
	if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != 9 {
		t.Errorf("410: %v", err)
	}
}

func TestMisbehavingServer(t *testing.T) {
	message := text(`{"seq":1,"body":"hello"}`)
	for name, test := range map[string]struct {
		stream string
		hangUp bool
		says   string
	}{
		"a masked frame":         {"\x81\x85\x01\x02\x03\x04hello", false, "must not mask"},
		"reserved bits":          {"\xc1\x00", false, "reserved bits"},
		"an unknown kind":        {serverFrame(finBit|0x3, ""), false, "kind 3"},
		"binary":                 {serverFrame(finBit|opBinary, "{}"), false, "kind 2"},
		"the first of fragments": {serverFrame(opText, `{"seq":2,`), true, "unexpected EOF"},
		"a lone continuation":    {serverFrame(finBit|opContinuation, "x"), false, "kind 0"},
		"an empty continuation":  {serverFrame(opContinuation, ""), false, "kind 0"},
		"a text in fragments":    {serverFrame(opText, `{"seq":2,`) + text(`"body":""}`), false, "kind 1 within a message in fragments"},
		"binary in fragments":    {serverFrame(opBinary, "{") + serverFrame(finBit|opContinuation, "}"), false, "kind 2"},
		"binary within a text":   {serverFrame(opText, "{") + serverFrame(opBinary, "}"), false, "kind 2 within a message in fragments"},
		"a ping in fragments":    {serverFrame(opPing, "are you"), false, "control frame of kind 9 is in fragments"},
		"a long ping":            {serverFrame(finBit|opPing, strings.Repeat("x", 126)), false, "control frame of kind 9 has more than 125 bytes"},
		"a long close":           {serverFrame(finBit|opClose, "\x03\xe8"+strings.Repeat("x", 124)), false, "control frame of kind 8 has more than 125 bytes"},
		"an unknown control":     {serverFrame(finBit|0xb, ""), false, "kind 11"},
		"not UTF-8":              {text("{\"seq\":2,\"body\":\"caf\xe9\"}"), false, "not UTF-8"},
		"half a letter":          {serverFrame(opText, "{\"seq\":2,\"body\":\"\xc3") + serverFrame(finBit|opContinuation, `"}`), false, "not UTF-8"},
		"oversize":               {"\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x01", false, "16777217 bytes are more"},
		"oversize beyond int":    {"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", false, "are more than"},
		"no JSON":                {text("hello"), false, "invalid character"},
		"empty text":             {text(""), false, "unexpected end"},
		"another JSON":           {text(`{"type":"welcome"}`), false, "neither a message nor an acknowledgement"},
		"null":                   {text("null"), false, "neither a message nor an acknowledgement"},
		"an array":               {text("[]"), false, "cannot unmarshal"},
		"a negative seq":         {text(`{"seq":-1,"body":"x"}`), false, "cannot unmarshal"},
		"stored without a send":  {text(`{"stored":7}`), false, "not sent"},
		"error without a send":   {text(`{"error":"no"}`), false, "not sent"},
		"1001":                   {serverFrame(finBit|opClose, "\x03\xe9the server is stopping"), false, "1001 the server is stopping"},
		"1000":                   {serverFrame(finBit|opClose, "\x03\xe8"), false, "closed the connection: 1000"},
		"a close without a code": {serverFrame(finBit|opClose, ""), false, "closed the connection"},
		"999":                    {serverFrame(finBit|opClose, "\x03\xe7"), false, "999, a code that no server may send"},
		"1005":                   {serverFrame(finBit|opClose, "\x03\xed"), false, "1005, a code that no server may send"},
		"1006":                   {serverFrame(finBit|opClose, "\x03\xee"), false, "1006, a code that no server may send"},
		"1015":                   {serverFrame(finBit|opClose, "\x03\xf7"), false, "1015, a code that no server may send"},
		"5000":                   {serverFrame(finBit|opClose, "\x13\x88"), false, "5000, a code that no server may send"},
		"a reason not UTF-8":     {serverFrame(finBit|opClose, "\x03\xe8caf\xe9"), false, "1000 and a reason that is not UTF-8"},
		"half a code":            {serverFrame(finBit|opClose, "\x03"), false, "closed the connection"},
		"4410 without oldest":    {serverFrame(finBit|opClose, "\x11\x3a{}"), false, "4410"},
		"EOF between frames":     {"", true, "unexpected EOF"},
		"EOF in a header":        {"\x81", true, "unexpected EOF"},
		"EOF in a frame":         {message[:9], true, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := connect(t)
				go io.Copy(io.Discard, server)
				go func() {
					io.WriteString(server, message+test.stream)
					if test.hangUp {
						server.Close()
					}
				}()
				var got []string
				var ended error
				for m, err := range s.Messages(background) {
					if err != nil {
						ended = err
						continue
					}
					got = append(got, string(m.Body))
				}
				if len(got) != 1 || got[0] != "hello" {
					t.Errorf("got %q before the error, want hello", got)
				}
				if ended == nil || !strings.HasPrefix(ended.Error(), "reading a WebSocket: ") || !strings.Contains(ended.Error(), test.says) {
					t.Errorf("Messages ended with %v, want an error that says %q", ended, test.says)
				}
				if _, err := server.Write([]byte("x")); err == nil {
					t.Error("the connection stays open")
				}
				calls := 0
				s.Send(background, []byte("too late"), func(err error) {
					if calls++; err == nil {
						t.Error("a message is stored after the connection has ended")
					}
				})
				if calls != 1 {
					t.Errorf("a send after the end calls stored %d times, want once", calls)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

func TestGapOnConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go io.WriteString(server, serverFrame(finBit|opClose, "\x11\x3a"+`{"oldest":9}`))
		answer := make(chan frame, 1)
		go func() {
			f, err := unmask(server)
			if err != nil {
				t.Error(err)
			}
			answer <- f
		}()
		for _, err := range s.Messages(background) {
			if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != 9 {
				t.Errorf("Messages: %v", err)
			}
		}
		if f := <-answer; f.op != opClose || string(f.payload) != "\x11\x3a" {
			t.Errorf("the close frame is answered with a frame of kind %d, %q", f.op, f.payload)
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go func() {
			io.WriteString(server, serverFrame(finBit|opPing, "are you there"))
			if f, err := unmask(server); err != nil || f.op != opPong || string(f.payload) != "are you there" {
				t.Errorf("a ping is answered with a frame of kind %d, %q", f.op, f.payload)
			}
			io.WriteString(server, serverFrame(finBit|opPong, "unasked")+text(`{"seq":3,"body":"hello"}`))
			io.Copy(io.Discard, server)
		}()
		for m, err := range s.Messages(background) {
			if err != nil || m.Seq != 3 {
				t.Errorf("got %d, %v", m.Seq, err)
			}
			break
		}
		s.Close()
	})
}

// Sends are called back in their order, including those that are never acknowledged.
func TestAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		var calls []string
		for i := range 4 {
			go unmask(server)
			s.Send(background, []byte("hello"), func(err error) { calls = append(calls, fmt.Sprint(i, " ", err)) })
			synctest.Wait()
		}
		go func() {
			io.WriteString(server, text(`{"stored":1}`)+text(`{"error":"the disk is full"}`)+text(`{ "stored" : 3 }`))
			server.Close()
		}()
		for _, err := range s.Messages(background) {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("Messages: %v", err)
			}
		}
		want := "0 <nil>, 1 the disk is full, 2 <nil>, 3 sending a message: unexpected EOF"
		if got := strings.Join(calls, ", "); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// When the connection breaks, Send and Messages both report it, once each.
func TestBreaksUnderSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		server.Close()
		calls := 0
		s.Send(background, []byte("hello"), func(err error) {
			if calls++; err == nil {
				t.Error("a message is stored on a broken connection")
			}
		})
		errs := 0
		for _, err := range s.Messages(background) {
			if errs++; err == nil {
				t.Error("a message came on a broken connection")
			}
		}
		if calls != 1 || errs != 1 {
			t.Errorf("Send reports %d results and Messages yields %d times, want one each", calls, errs)
		}
	})
}

// Messages doesn't report the server's answer to the close frame as an error.
func TestCloseIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go func() {
			if f, err := unmask(server); err != nil || f.op != opClose || string(f.payload) != "\x03\xe8" {
				t.Errorf("Close sent a frame of kind %d, %q", f.op, f.payload)
			}
			io.WriteString(server, serverFrame(finBit|opClose, "\x03\xe8"))
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for _, err := range s.Messages(background) {
				t.Errorf("Messages: %v", err)
			}
		}()
		synctest.Wait()
		s.Close()
		<-ended
	})
}

// Close doesn't wait forever for a server that reads nothing.
func TestCloseWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := connect(t)
		s.Close() // the bubble fails if this doesn't return
	})
}
