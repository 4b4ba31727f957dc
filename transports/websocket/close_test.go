package websocket

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	nhooyr "nhooyr.io/websocket"

	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// upgrade opens a raw connection, on which the test reads and writes frames itself.
func upgrade(t *testing.T, server *transporttest.Server, query string) io.ReadWriteCloser {
	t.Helper()
	target, wire := server.Target()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.RoomURL("room", Name).String()+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"cHVzaHB1bGwtdXNlci0xNg=="},
	}
	resp, err := wire.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	conn := resp.Body.(io.ReadWriteCloser)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A browser hides the close code from the page if another frame follows the close frame.
func TestNothingFollowsAClose(t *testing.T) {
	for name, test := range map[string]struct {
		after, send string
		code        nhooyr.StatusCode
	}{
		"stopping":      {code: nhooyr.StatusGoingAway},
		"gap":           {after: "?after=7", code: StatusGap},
		"far too large": {send: strings.Repeat("x", 400_000), code: nhooyr.StatusMessageTooBig},
		"not JSON":      {send: "hello", code: nhooyr.StatusInvalidFramePayloadData},
	} {
		t.Run(name, func(t *testing.T) {
			OnBoth(t, func(t *testing.T, transport Transport) {
				server := transporttest.Serve(t, transport, new(memory.Store))
				conn := upgrade(t, server, test.after)
				if test.send != "" {
					conn.Write(appendFrame(nil, opText, []byte(test.send)))
				}
				synctest.Wait()
				go server.Stop()
				head := make([]byte, 4)
				if _, err := io.ReadFull(conn, head); err != nil {
					t.Fatal(err)
				}
				if code := nhooyr.StatusCode(head[2])<<8 | nhooyr.StatusCode(head[3]); head[0] != 0x88 || code != test.code {
					t.Fatalf("got a frame that begins with %x, want a close with %d", head, test.code)
				}
				if _, err := io.CopyN(io.Discard, conn, int64(head[1])-2); err != nil {
					t.Fatal(err)
				}
				// The server ignores messages under way, and the user's close frame ends the connection.
				conn.Write(appendFrame(nil, opText, []byte(`{"body":"too late"}`)))
				conn.Write(appendFrame(nil, opClose, head[2:]))
				begun := time.Now()
				if more, err := io.ReadAll(conn); err != nil || len(more) > 0 {
					t.Errorf("the close frame is followed by %x, %v", more, err)
				}
				if took := time.Since(begun); took > 0 {
					t.Errorf("the connection is closed %v after both close frames, want at once", took)
				}
			})
		})
	}
}
