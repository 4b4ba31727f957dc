package websocket

import (
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"pushpull/transports"
)

// An answering is an http.RoundTripper that answers with a 101 and header.
type answering struct {
	header http.Header
	body   io.ReadCloser
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, given := a.header["Sec-Websocket-Accept"]; !given {
		a.header.Set("Sec-Websocket-Accept", accept(req.Header.Get("Sec-Websocket-Key")))
	}
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Status: "101 Switching Protocols", Header: a.header, Body: a.body}, nil
}

// Proxies may respell, split and join the headers of a handshake; what the user hasn't asked for, or
// what is missing, is an error that says what.
func TestUpgradeHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		change http.Header // an empty list removes the header
		says   string      // "" if the session must open
	}{
		"fine":                    {},
		"other case":              {change: http.Header{"Upgrade": {"WebSocket"}, "Connection": {"uPGRADE"}}},
		"a list":                  {change: http.Header{"Connection": {"keep-alive, Upgrade"}}},
		"a list without spaces":   {change: http.Header{"Connection": {"Upgrade,keep-alive"}}},
		"a list with empty parts": {change: http.Header{"Connection": {", ,\tUpgrade ,"}}},
		"split":                   {change: http.Header{"Connection": {"keep-alive", "Upgrade"}}},
		"other headers":           {change: http.Header{"Via": {"1.1 proxy"}, "Sec-Websocket-Version": {"13"}}},
		"no upgrade":              {http.Header{"Upgrade": {}}, `protocol "", not to websocket`},
		"another upgrade":         {http.Header{"Upgrade": {"h2c"}}, `protocol "h2c", not to websocket`},
		"a longer word":           {http.Header{"Upgrade": {"websocketx"}}, `protocol "websocketx", not to websocket`},
		"no connection":           {http.Header{"Connection": {}}, `Connection: "" without Upgrade`},
		"another connection":      {http.Header{"Connection": {"keep-alive", "close"}}, `Connection: "keep-alive, close" without Upgrade`},
		"no accept":               {http.Header{"Sec-Websocket-Accept": {}}, "no Sec-WebSocket-Accept header"},
		"another accept":          {http.Header{"Sec-Websocket-Accept": {accept("another")}}, "a cache may have answered"},
		"an extension":            {http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover"}}, `extension "permessage-deflate; server_no_context_takeover"`},
		"a subprotocol":           {http.Header{"Sec-Websocket-Protocol": {"chat"}}, `subprotocol "chat"`},
	} {
		t.Run(name, func(t *testing.T) {
			user, server := net.Pipe()
			defer server.Close()
			header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
			maps.Copy(header, test.change)
			s, err := join(t, answering{header, user})
			switch {
			case test.says == "" && err != nil:
				t.Errorf("joining: %v", err)
			case test.says == "":
				s.conn.Cut()
			case err == nil || !strings.HasPrefix(err.Error(), "opening a WebSocket: ") || !strings.Contains(err.Error(), test.says):
				t.Errorf("joining: %v, want an error that says %q", err, test.says)
			}
			if _, err := server.Write([]byte("x")); err == nil {
				t.Error("the connection stays open")
			}
		})
	}
}

// The status of a refused handshake stays in the error: the load generator decides by it.
func TestRefusedHandshake(t *testing.T) {
	for _, code := range []int{200, 403, 429, 503} {
		_, err := join(t, script{code, accept, io.NopCloser(strings.NewReader(`{"error":"slow down"}`))})
		if status, ok := errors.AsType[*transports.StatusError](err); !ok || status.Code != code || status.Text != "slow down" {
			t.Errorf("a handshake that is answered with %d: %v", code, err)
		}
	}
}

// Each connection has a key of its own: a server may tell connections that are being opened apart by it.
func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		key := newKey()
		if random, err := base64.StdEncoding.DecodeString(key); err != nil || len(random) != 16 || seen[key] {
			t.Fatalf("the key %q: %v, seen before: %t", key, err, seen[key])
		}
		seen[key] = true
	}
}
