package websocket_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	nhooyr "nhooyr.io/websocket"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

// Messages are delivered at once, and a user makes one request in all, even to send.
func TestLatency(t *testing.T) {
	const n = 100
	websocket.OnBoth(t, func(t *testing.T, transport websocket.Transport) {
		server := transporttest.Serve(t, transport, new(memory.Store))
		reader, sender := server.Join("room", ""), server.Join("room", "")
		var sent []time.Time
		for range n {
			time.Sleep(7 * time.Second)
			sent = append(sent, time.Now())
			if err := sender.Send("hello"); err != nil {
				t.Fatal(err)
			}
		}
		for i, d := range reader.Wait(n) {
			if latency := d.At.Sub(sent[i]); latency != 0 {
				t.Errorf("message %d took %v", i, latency)
			}
		}
		for _, u := range []*transporttest.User{reader, sender} {
			if gets, posts := u.Conns.Answers(http.MethodGet, 0), u.Conns.Answers(http.MethodPost, 0); gets != 1 || posts != 0 {
				t.Errorf("%d GET and %d POST for %d messages, want one request in all", gets, posts, n)
			}
		}
	})
}

// A user that reads nothing doesn't keep the server from stopping.
func TestStoppingWithSlowReader(t *testing.T) {
	websocket.OnBoth(t, func(t *testing.T, transport websocket.Transport) {
		store := new(memory.Store)
		server := transporttest.Serve(t, transport, store)
		server.Enter("room", "")
		store.Append(t.Context(), "room", []byte("hello"), "")
		synctest.Wait()
		start := time.Now()
		server.Stop()
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

// dial connects with the client of another implementation.
func dial(t *testing.T, server *transporttest.Server, query string) *nhooyr.Conn {
	t.Helper()
	target, wire := server.Target()
	conn, _, err := nhooyr.Dial(t.Context(), target.RoomURL("room", websocket.Name).String()+query,
		&nhooyr.DialOptions{HTTPClient: &http.Client{Transport: wire}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func read(t *testing.T, conn *nhooyr.Conn) string {
	t.Helper()
	kind, data, err := conn.Read(t.Context())
	if err != nil || kind != nhooyr.MessageText {
		t.Fatalf("reading: kind %v, %v", kind, err)
	}
	return string(data)
}

func TestForeignUser(t *testing.T) {
	websocket.OnBoth(t, func(t *testing.T, transport websocket.Transport) {
		store := &memory.Store{First: 1}
		store.Append(t.Context(), "room", []byte("first"), "")
		store.Append(t.Context(), "room", []byte("<second>"), "")
		conn := dial(t, transporttest.Serve(t, transport, store), "?after=1")
		if got, want := read(t, conn), `{"seq":2,"body":"\u003csecond\u003e"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := conn.Write(t.Context(), nhooyr.MessageText, []byte(` {"body": "third"} `)); err != nil {
			t.Fatal(err)
		}
		got := []string{read(t, conn), read(t, conn)}
		slices.Sort(got) // the acknowledgement and the message may come in any order
		if want := []string{`{"seq":3,"body":"third"}`, `{"stored":3}`}; !slices.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := conn.Close(nhooyr.StatusNormalClosure, ""); err != nil {
			t.Errorf("leaving: %v", err)
		}
	})
}

// broken is a store that can't be read.
type broken struct{ transports.Store }

func (broken) After(context.Context, string, uint64, int) ([]transports.Message, error) {
	return nil, errors.New("the disk is on fire " + strings.Repeat("ü", 100))
}

func TestCloseCodes(t *testing.T) {
	for name, test := range map[string]struct {
		store  transports.Store
		after  string
		send   string
		stop   bool
		code   nhooyr.StatusCode
		reason string
	}{
		"stopping":        {stop: true, code: nhooyr.StatusGoingAway, reason: transports.ErrStopping.Error()},
		"gap":             {after: "?after=7", code: websocket.StatusGap, reason: `{"oldest":1}`},
		"too large":       {send: `{"body":"` + strings.Repeat("x", 65537) + `"}`, code: nhooyr.StatusMessageTooBig, reason: "larger than 65536 bytes"},
		"far too large":   {send: strings.Repeat("x", 400_000), code: nhooyr.StatusMessageTooBig},
		"not JSON":        {send: "hello", code: nhooyr.StatusInvalidFramePayloadData, reason: `send {"body":"the text"}`},
		"no body":         {send: `{"text":"hello"}`, code: nhooyr.StatusInvalidFramePayloadData, reason: "bad JSON"},
		"body not a text": {send: `{"body":1}`, code: nhooyr.StatusInvalidFramePayloadData, reason: "bad JSON"},
		"not UTF-8":       {send: "{\"body\":\"caf\xe9\"}", code: nhooyr.StatusInvalidFramePayloadData, reason: "not UTF-8"},
		"store":           {store: broken{new(memory.Store)}, code: nhooyr.StatusInternalError, reason: "the store can't be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			websocket.OnBoth(t, func(t *testing.T, transport websocket.Transport) {
				if test.store == nil {
					test.store = new(memory.Store)
				}
				server := transporttest.Serve(t, transport, test.store)
				conn := dial(t, server, test.after)
				if test.send != "" {
					// The server may close before it has read all of it.
					go conn.Write(t.Context(), nhooyr.MessageText, []byte(test.send))
				}
				if test.stop {
					go server.Stop()
				}
				_, data, err := conn.Read(t.Context())
				closed, ok := errors.AsType[nhooyr.CloseError](err)
				if !ok || closed.Code != test.code || !strings.Contains(closed.Reason, test.reason) || strings.Contains(closed.Reason, "disk") {
					t.Errorf("got %q, %v, want a close frame with %d and %q", data, err, test.code, test.reason)
				}
				if messages, err := test.store.After(t.Context(), "room", 0, 1); test.send != "" && (err != nil || len(messages) > 0) {
					t.Errorf("%d messages stored, %v", len(messages), err)
				}
			})
		})
	}
}

func TestRefusedUpgrades(t *testing.T) {
	upgrade := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"cHVzaHB1bGwtdXNlci0xNg=="},
	}
	with := func(name, value string) http.Header {
		h := upgrade.Clone()
		h.Set(name, value)
		return h
	}
	for name, test := range map[string]struct {
		header http.Header
		after  string
		status int
		says   string
	}{
		"fine":                     {header: upgrade, status: 101},
		"origin of the server":     {header: with("Origin", "http://server.test"), status: 101},
		"origin in other case":     {header: with("Origin", "http://SERVER.test"), status: 101},
		"origin that is allowed":   {header: with("Origin", "https://chat.example"), status: 101},
		"another origin":           {header: with("Origin", "https://evil.example"), status: 403, says: "--allow-origin"},
		"allowed as another":       {header: with("Origin", "http://chat.example"), status: 403, says: "--allow-origin"},
		"allowed with another end": {header: with("Origin", "https://chat.example.evil"), status: 403, says: "--allow-origin"},
		"allowed with a port":      {header: with("Origin", "https://chat.example:8443"), status: 403, says: "--allow-origin"},
		"no page":                  {header: with("Origin", "null"), status: 403, says: "--allow-origin"},
		"no origin to parse":       {header: with("Origin", "http://[::1"), status: 403, says: "--allow-origin"},
		"no upgrade":               {header: http.Header{}, status: 426, says: "Upgrade: websocket"},
		"another upgrade":          {header: with("Upgrade", "h2c"), status: 426, says: "Upgrade: websocket"},
		"bad cursor":               {header: upgrade, after: "?after=x", status: 400, says: "bad cursor"},
		"another version":          {header: with("Sec-WebSocket-Version", "8"), status: 400},
		"short key":                {header: with("Sec-WebSocket-Key", "c2hvcnQ="), status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			websocket.OnBoth(t, func(t *testing.T, transport websocket.Transport) {
				limits := transports.Limits{Origins: []string{"https://chat.example"}}
				target, wire := transporttest.Serve(t, transport.Limited(limits), new(memory.Store)).Target()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.RoomURL("room", websocket.Name).String()+test.after, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header = test.header
				resp, err := wire.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != test.status {
					t.Fatalf("%s, want %d", resp.Status, test.status)
				}
				if test.status == http.StatusSwitchingProtocols {
					return
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if says := string(body); test.says != "" && (!strings.HasPrefix(says, `{"error":"`) || !strings.Contains(says, test.says) || strings.Count(says, "\n") != 1) {
					t.Errorf("%q, want one line of JSON that says %q", says, test.says)
				}
			})
		})
	}
}

func TestOneReadForEachMessage(t *testing.T) {
	for _, lean := range []bool{false, true} {
		transporttest.OneReadForEachMessage(t, websocket.Transport{Lean: lean})
	}
}
