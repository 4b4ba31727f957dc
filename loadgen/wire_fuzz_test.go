package loadgen

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// A canned connection says what it was told to say, then ends.
type canned struct {
	net.Conn // nil

	said io.Reader
}

func (c canned) Read(p []byte) (int, error)      { return c.said.Read(p) }
func (c canned) Write(p []byte) (int, error)     { return len(p), nil }
func (c canned) SetDeadline(time.Time) error     { return nil }
func (c canned) SetReadDeadline(time.Time) error { return nil }
func (c canned) Close() error                    { return nil }

// FuzzAnswer reads whatever a server may answer: no panic, no end that doesn't come, and no
// connection that is kept with something left on it.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nNext-Cursor: 7\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		handshake + "early",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 000 \r\n\r\n", "\r\n\r\n", "HTTP/9.9 999 ?\r\n: \r\n\r\n", "",
	} {
		f.Add([]byte(answer))
	}
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	f.Fuzz(func(t *testing.T, answer []byte) {
		w := &Wire{Dialer: NewDialer(base, &Counts{})}
		c := &conn{}
		c.counted.Conn, c.counted.counts = canned{said: bytes.NewReader(answer)}, w.Dialer.Counts
		c.Conn = &c.counted
		c.answers = bufio.NewReaderSize(c.Conn, responseBuffer)
		w.put(c)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base.String(), nil) // which isn't retried
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.RoundTrip(req)
		if err != nil {
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(text) > len(answer) {
			t.Errorf("a body of %d bytes from %d", len(text), len(answer))
		}
		if n := w.waiting(); n > 0 && c.answers.Buffered() > 0 {
			t.Errorf("a connection is kept with %d bytes on it", c.answers.Buffered())
		}
		if got := w.Dialer.Counts.totals(); got.BytesIn < 0 || got.BytesIn > int64(len(answer)) {
			t.Errorf("%d bytes in from %d", got.BytesIn, len(answer))
		}
	})
}
