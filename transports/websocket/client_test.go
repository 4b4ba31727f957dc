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

// A script is a server that says what the test wants it to.
type script struct {
	status int
	accept func(key string) string
	body   io.ReadCloser
}

func (s script) RoundTrip(req *http.Request) (*http.Response, error) {
	header := http.Header{"Sec-Websocket-Accept": {s.accept(req.Header.Get("Sec-WebSocket-Key"))}}
	return &http.Response{StatusCode: s.status, Status: fmt.Sprint(s.status), Header: header, Body: s.body}, nil
}

func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func join(t *testing.T, wire http.RoundTripper) (*session, error) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "server.test"}
	s, err := Transport{}.Join(t.Context(), transports.Target{Base: base, Wire: wire}, "room", "")
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
		"wrong key":        {101, func(string) string { return accept("another key") }, user},
		"no key":           {101, func(string) string { return "" }, user},
		"no connection":    {101, accept, io.NopCloser(strings.NewReader(""))},
		"not upgraded":     {200, accept, io.NopCloser(strings.NewReader("hello"))},
		"not a WebSocket":  {404, accept, io.NopCloser(strings.NewReader("404 page not found"))},
		"refused with why": {403, accept, io.NopCloser(strings.NewReader(`{"error":"allow them"}`))},
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
		"the first of fragments": {serverFrame(opText, `{"seq":2,`), false, "whole texts"},
		"a lone continuation":    {serverFrame(finBit|opContinuation, "x"), false, "kind 0"},
		"oversize":               {"\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x01", false, "16777217 bytes are more"},
		"oversize beyond int":    {"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", false, "are more than"},
		"no JSON":                {text("hello"), false, "invalid character"},
		"empty text":             {text(""), false, "unexpected end"},
		"another JSON":           {text(`{"type":"welcome"}`), false, "neither a message nor an answer"},
		"null":                   {text("null"), false, "neither a message nor an answer"},
		"an array":               {text("[]"), false, "cannot unmarshal"},
		"a negative seq":         {text(`{"seq":-1,"body":"x"}`), false, "cannot unmarshal"},
		"stored without a send":  {text(`{"stored":7}`), false, "not sent"},
		"error without a send":   {text(`{"error":"no"}`), false, "not sent"},
		"1001":                   {serverFrame(finBit|opClose, "\x03\xe9the server is stopping"), false, "1001 the server is stopping"},
		"1000":                   {serverFrame(finBit|opClose, "\x03\xe8"), false, "closed the connection: 1000"},
		"a close without a code": {serverFrame(finBit|opClose, ""), false, "closed the connection"},
		"half a code":            {serverFrame(finBit|opClose, "\x03"), false, "closed the connection"},
		"4410 without a place":   {serverFrame(finBit|opClose, "\x11\x3a{}"), false, "4410"},
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
					t.Errorf("got %q before it", got)
				}
				if ended == nil || !strings.HasPrefix(ended.Error(), "reading a WebSocket: ") || !strings.Contains(ended.Error(), test.says) {
					t.Errorf("Messages ended with %v, want an error that says %q", ended, test.says)
				}
				if _, err := server.Write([]byte("x")); err == nil {
					t.Error("the connection stays open")
				}
				told := 0
				s.Send(background, []byte("too late"), func(err error) {
					if told++; err == nil {
						t.Error("a message is stored after the connection has ended")
					}
				})
				if told != 1 {
					t.Errorf("a send after the end is told %d times", told)
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
			t.Errorf("the close is answered with a frame of kind %d, %q", f.op, f.payload)
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

// Answers are told in the order of the sends, and the ones that never come are told, too.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		var told []string
		for i := range 4 {
			go unmask(server)
			s.Send(background, []byte("hello"), func(err error) { told = append(told, fmt.Sprint(i, " ", err)) })
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
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	})
}

// A connection that breaks under Send is an error of Messages, too.
func TestBreaksUnderSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		server.Close()
		told := 0
		s.Send(background, []byte("hello"), func(err error) {
			if told++; err == nil {
				t.Error("stored by nobody")
			}
		})
		errs := 0
		for _, err := range s.Messages(background) {
			if errs++; err == nil {
				t.Error("a message from nobody")
			}
		}
		if told != 1 || errs != 1 {
			t.Errorf("Send is told %d times and Messages %d times", told, errs)
		}
	})
}

// The server's answer to a goodbye is not an error.
func TestCloseIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go func() {
			if f, err := unmask(server); err != nil || f.op != opClose || string(f.payload) != "\x03\xe8" {
				t.Errorf("a goodbye of kind %d, %q", f.op, f.payload)
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

// Close doesn't wait long for a server that takes nothing.
func TestCloseIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := connect(t)
		s.Close() // the bubble fails if this doesn't return
	})
}
