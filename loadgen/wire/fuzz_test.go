package wire

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A canned connection yields a given text, then ends.
type canned struct {
	net.Conn // nil

	said io.Reader
}

func (c canned) Read(p []byte) (int, error)      { return c.said.Read(p) }
func (c canned) Write(p []byte) (int, error)     { return len(p), nil }
func (c canned) SetDeadline(time.Time) error     { return nil }
func (c canned) SetReadDeadline(time.Time) error { return nil }
func (c canned) Close() error                    { return nil }

// FuzzAnswer reads arbitrary responses: there is no panic, every read ends, and no connection is kept
// with bytes left on it. What net/http can read, too, comes out the same and ends at the same byte.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5 ;a=b\r\nhello\r\n0\r\n\r\nmore",
		"HTTP/1.1 204 No Content\r\nNext-Cursor: 7\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nconnection: a, keep-alive\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		handshake + "early",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 502 Bad\r\nContent-Encoding: gzip\r\nConnection: close, b\r\n\r\nhello",
		"HTTP/1.1 000 \r\n\r\n", "\r\n\r\n", "HTTP/9.9 999 ?\r\n: \r\n\r\n", "",
	} {
		f.Add([]byte(answer), false)
		f.Add([]byte(answer), true)
	}
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	f.Fuzz(func(t *testing.T, answer []byte, stream bool) {
		pool := &Pool{Dialer: NewDialer(base, &Counts{})}
		pool.Dialer.Stream = stream
		c := newConn(canned{said: bytes.NewReader(answer)}, pool.Dialer.Counts, &carried{})
		pool.put(c)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Upgrade", "echo")
		resp, err := pool.RoundTrip(req)
		if err != nil {
			return
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		kept := pool.waiting() > 0
		if kept && c.answers.Buffered() > 0 {
			t.Errorf("a connection is kept with %d bytes on it", c.answers.Buffered())
		}
		got := pool.Dialer.Counts.Total()
		if got.BytesIn < 0 || got.HandshakeBytes < 0 || got.BytesIn > int64(len(answer)) {
			t.Errorf("%d bytes in from %d, %d of a handshake", got.BytesIn, len(answer), got.HandshakeBytes)
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			if stream && int(got.BytesIn) != len(text) {
				t.Errorf("%d bytes in after the handshake, want the %d that are read", got.BytesIn, len(text))
			}
			return
		}
		if _, ok := resp.Body.(note); ok || err != nil {
			return
		}
		status, theirs, size, err := standard(answer, req)
		if err != nil {
			return
		}
		if status != resp.StatusCode || !bytes.Equal(theirs, text) {
			t.Errorf("got %d %q, net/http reads %d %q", resp.StatusCode, text, status, theirs)
		}
		if kept && c.meter.in.Load() != size {
			t.Errorf("the answer ends after %d bytes, for net/http after %d", c.meter.in.Load(), size)
		}
	})
}

// standard reads a response by net/http. It returns the bytes this took, too.
func standard(answer []byte, req *http.Request) (status int, text []byte, size int64, err error) {
	said := bytes.NewReader(answer)
	reader := bufio.NewReader(said)
	resp, err := http.ReadResponse(reader, req)
	for err == nil && resp.StatusCode < 200 {
		resp, err = http.ReadResponse(reader, req)
	}
	if err != nil {
		return 0, nil, 0, err
	}
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, int64(len(answer) - said.Len() - reader.Buffered()), err
}

// FuzzStray puts arbitrary bytes on an idle connection, which has carried an answer or not: it answers
// no request.
func FuzzStray(f *testing.F) {
	for _, stray := range strays {
		f.Add([]byte(stray))
	}
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	f.Fuzz(func(t *testing.T, stray []byte) {
		if len(stray) == 0 {
			return // the connection is quiet
		}
		pool := &Pool{Dialer: NewDialer(base, &Counts{})}
		c := newConn(canned{said: io.MultiReader(bytes.NewReader(stray), strings.NewReader(strays["an answer"]))}, pool.Dialer.Counts, &carried{})
		c.meter.records = &records{rest: stray}
		pool.put(c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no other connection can be made
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := pool.RoundTrip(req)
		if got := pool.Dialer.Counts.Total(); err == nil || got.Posts > 0 {
			t.Errorf("%q: got %v, %v after %d posts", stray, resp, err, got.Posts)
		}
	})
}
