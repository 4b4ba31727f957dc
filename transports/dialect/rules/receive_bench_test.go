package rules_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/longpoll"
	"pushpull/transports/sse"
	"pushpull/transports/websocket"
)

// An endless answers every request with the same, and a stream or WebSocket with the same again and again.
type endless struct {
	status int
	header http.Header
	text   string
}

func (e endless) RoundTrip(req *http.Request) (*http.Response, error) {
	header := e.header
	if e.status == http.StatusSwitchingProtocols {
		sum := sha1.Sum([]byte(req.Header["Sec-Websocket-Key"][0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		header = http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
			"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
		}
	}
	var body io.ReadCloser = &loop{text: e.text, once: header.Get(transports.NextCursor) != ""}
	return &http.Response{StatusCode: e.status, Status: http.StatusText(e.status), Header: header, ContentLength: -1, Body: body, Request: req}, nil
}

// A loop is a body, or the connection of a WebSocket. Each read returns the whole text.
type loop struct {
	text string
	once bool
	done bool
}

func (l *loop) Read(p []byte) (int, error) {
	if l.done {
		return 0, io.EOF
	}
	l.done = l.once
	return copy(p, l.text), nil
}

func (*loop) Write(p []byte) (int, error) { return len(p), nil }
func (*loop) Close() error                { return nil }

// BenchmarkReceive is the cost of a message of 100 bytes to a simulated user, without the network: with pushpull's
// own client, and with the dialect file for pushpull's own server.
func BenchmarkReceive(b *testing.B) {
	text := `{"seq":7,"body":"` + strings.Repeat("x", 100) + `"}`
	d, err := rules.Load("testdata/pushpull.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		own  transports.Client
		wire endless
	}{
		{"long-poll", longpoll.Transport{}, endless{http.StatusOK, http.Header{transports.NextCursor: {"7"}, "Content-Type": {"application/json"}}, "[" + text + "]"}},
		{"sse", sse.Transport{}, endless{http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}}, "id: 7\ndata: " + text + "\n\n"}},
		{"websocket", websocket.Transport{}, endless{http.StatusSwitchingProtocols, nil, "\x81\x77" + text}},
	} {
		ruled, err := dialect.Client(d, c.name)
		if err != nil {
			b.Fatal(err)
		}
		for by, client := range map[string]transports.Client{"own": c.own, "rules": ruled} {
			b.Run(c.name+"/"+by, func(b *testing.B) {
				s, err := client.Join(context.Background(), transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: c.wire}, "room", "")
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				b.ReportAllocs()
				n := 0
				for _, err := range s.Messages(context.Background()) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n >= b.N {
						break
					}
				}
			})
		}
	}
}
