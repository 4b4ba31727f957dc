package loadgen

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

// A tally counts what the server's side of a connection sees.
type tally struct {
	net.Conn

	in, out *atomic.Int64
}

func (c tally) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c tally) Write(p []byte) (int, error) {
	c.out.Add(int64(len(p))) // before the other side can have read it
	return c.Conn.Write(p)
}

// TestWireCountsBytes holds its counts against those of the other side.
func TestWireCountsBytes(t *testing.T) {
	var in, out atomic.Int64
	answers := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 204 No Content\r\nNext-Cursor: 12\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 50_000),
	}
	base := peers(t, func(p *peer) {
		p.Conn = tally{p.Conn, &in, &out}
		p.request = bufio.NewReader(p.Conn)
		for i := 0; p.next() != nil; i++ {
			p.say(answers[i%len(answers)])
		}
	})
	w := newWire(t, base)
	for range 3 * len(answers) {
		if _, _, err := ask(t, w, base, http.MethodPost, strings.Repeat("y", 3000)); err != nil {
			t.Fatal(err)
		}
	}
	got := w.Dialer.Counts.totals()
	if got.BytesIn != out.Load() || got.BytesOut != in.Load() {
		t.Errorf("%d bytes in and %d out, the server has written %d and read %d", got.BytesIn, got.BytesOut, out.Load(), in.Load())
	}
	if got.BytesIn < 150_000 || got.BytesOut < 45_000 {
		t.Errorf("%d bytes in and %d out are less than what was carried", got.BytesIn, got.BytesOut)
	}
}

const handshake = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"

// upgrade opens a connection to an echo, which has said "early" with its handshake.
func upgrade(t *testing.T, w *Wire, base *url.URL) io.ReadWriteCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.JoinPath("/").String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %s and a %T", resp.Status, resp.Body)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestWireUpgrade takes over a connection, and what came on it with the handshake.
func TestWireUpgrade(t *testing.T) {
	var asked, out atomic.Int64
	base := peers(t, func(p *peer) {
		p.request = bufio.NewReader(tally{p.Conn, &asked, &out})
		p.next()
		p.say(handshake + "early")
		io.Copy(p.Conn, p.request)
	})
	w := newWire(t, base)
	conn := upgrade(t, w, base)
	before := w.Dialer.Counts.totals()
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	read("ear")
	read("ly")
	for range 3 {
		io.WriteString(conn, "hello")
		read("hello")
	}
	asked.Add(-15)
	if w.waiting() != 0 {
		t.Error("the connection is kept for other requests")
	}
	after := w.Dialer.Counts.totals()
	if before.BytesIn != 5 || before.BytesOut != 0 { // it has come already, if nobody has read it
		t.Errorf("%d bytes in and %d out beside the handshake, want the 5 that came with it", before.BytesIn, before.BytesOut)
	}
	// The handshake counts in full, whenever the measured part begins, and beside what is carried.
	got := since(before, after)
	if got.BytesIn != 15 || got.BytesOut != 15 {
		t.Errorf("%d bytes in and %d out since the handshake, want 15 and 15", got.BytesIn, got.BytesOut)
	}
	if want := int64(len(handshake)) + asked.Load(); got.HandshakeBytes != want {
		t.Errorf("a handshake of %d bytes, want %d", got.HandshakeBytes, want)
	}
	if got.Connections != 1 || got.Handshakes != 1 || got.Requests != 1 || got.EmptyResponses != 0 || got.Posts != 0 {
		t.Errorf("since the handshake: %+v, want one connection, one handshake, one request", got)
	}
}

// TestSinceWarmup leaves out the requests of the warm-up, not the connections that it opened.
func TestSinceWarmup(t *testing.T) {
	base := answering(t, "HTTP/1.1 204 No Content\r\n\r\n")
	w := newWire(t, base)
	poll := func(times int) result.Wire {
		for range times {
			if _, _, err := ask(t, w, base, http.MethodGet, ""); err != nil {
				t.Fatal(err)
			}
		}
		return w.Dialer.Counts.totals()
	}
	before, after := poll(4), poll(3)
	got := since(before, after)
	if got.Connections != 1 || got.Requests != 3 || got.EmptyResponses != 3 || got.BytesIn != 3*int64(len("HTTP/1.1 204 No Content\r\n\r\n")) ||
		got.BytesOut*7 != after.BytesOut*3 {
		t.Errorf("%+v since %+v", got, before)
	}
}

func TestWireTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake that fails
	server.StartTLS()
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, base)
	w.Dialer.tls.RootCAs = x509.NewCertPool()
	w.Dialer.tls.RootCAs.AddCert(server.Certificate())
	for range 2 {
		if _, text, err := ask(t, w, base, http.MethodGet, ""); err != nil || text != "HTTP/1.1" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	got := w.Dialer.Counts.totals()
	if got.Connections != 1 || got.BytesIn < 1000 { // a certificate is larger than two answers
		t.Errorf("%d connections and %d bytes in, want 1 and those of TLS too", got.Connections, got.BytesIn)
	}
	w.Close()

	stranger := newWire(t, base)
	stranger.Dialer.tls.RootCAs = x509.NewCertPool()
	var unknown x509.UnknownAuthorityError
	if _, _, err := ask(t, stranger, base, http.MethodGet, ""); !errors.As(err, &unknown) {
		t.Errorf("a server that nobody vouches for gives %v", err)
	}
}

func TestDialerAddress(t *testing.T) {
	for base, want := range map[string]string{
		"http://chat.example":       "chat.example:80",
		"https://chat.example":      "chat.example:443",
		"http://chat.example:8080":  "chat.example:8080",
		"http://[::1]:8080/chat":    "[::1]:8080",
		"https://[fe80::1]":         "[fe80::1]:443",
		"https://chat.example:8443": "chat.example:8443",
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if d := NewDialer(u, &Counts{}); d.address != want || (d.tls != nil) != (u.Scheme == "https") {
			t.Errorf("%s is dialed at %s, TLS: %t; want %s", base, d.address, d.tls != nil, want)
		}
	}
}

var errGone = errors.New("the user has gone")

// TestWireCancel ends a request that the server holds, before its answer and within.
func TestWireCancel(t *testing.T) {
	for name, answer := range map[string]string{
		"held":           "",
		"within a head":  "HTTP/1.1 200 OK\r\nContent-",
		"within a body":  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		"within a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, closed := make(chan struct{}), make(chan struct{})
			base := peers(t, func(p *peer) {
				p.next()
				p.say(answer)
				close(asked)
				p.next() // until the user closes the connection
				close(closed)
			})
			w := newWire(t, base)
			ctx, cancel := context.WithCancelCause(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("/").String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				resp, err := w.RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil {
						err = errGone // the reader of a body looks at ctx
					}
				}
				done <- err
			}()
			<-asked
			cancel(errGone)
			within(t, done, func(err error) {
				if !errors.Is(err, errGone) {
					t.Errorf("it ended with %v, want the cause of ctx", err)
				}
			})
			within(t, closed, func(struct{}) {})
			if n := w.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// within takes what comes, which must not take long.
func within[T any](t *testing.T, c <-chan T, took func(T)) {
	t.Helper()
	select {
	case v := <-c:
		took(v)
	case <-time.After(soon):
		t.Fatalf("nothing within %v", soon)
	}
}

// TestWireCancelledAfterwards keeps the connection of an answer that came in time.
func TestWireCancelledAfterwards(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	w := newWire(t, base)
	for range 20 { // ask ends its context each time
		if _, text, err := ask(t, w, base, http.MethodPost, "hello"); err != nil || text != "ok" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	if got := w.Dialer.Counts.totals().Connections; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// TestWireUnread closes the connection of an answer that nobody wanted to the end.
func TestWireUnread(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	w := newWire(t, base)
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.JoinPath("/").String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		resp.Body.Close()
	}
	if got := w.Dialer.Counts.totals().Connections; got != 2 || w.waiting() != 0 {
		t.Errorf("%d connections and %d kept, want 2 and none", got, w.waiting())
	}
}

// TestWireIdle takes no connection that the server may have closed for its age.
func TestWireIdle(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for age, want := range map[time.Duration]int64{idleLimit - soon: 1, idleLimit: 2} {
		w := newWire(t, base)
		if err := w.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.idle[0].used = w.idle[0].used.Add(-age)
		if _, _, err := ask(t, w, base, http.MethodPost, "hello"); err != nil {
			t.Fatal(err)
		}
		if got := w.Dialer.Counts.totals().Connections; got != want {
			t.Errorf("%d connections after %v, want %d", got, age, want)
		}
	}
}

// TestWireClose closes what is idle at once, and what is in use once it has its answer.
func TestWireClose(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	closed := make(chan int, 2)
	base := peers(t, func(p *peer) {
		for req := p.next(); req != nil; req = p.next() {
			if req.Method == http.MethodGet {
				close(held)
				<-release
			}
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		closed <- p.number
	})
	w := newWire(t, base)
	got := make(chan string, 1)
	go func() {
		_, text, _ := ask(t, w, base, http.MethodGet, "")
		got <- text
	}()
	<-held
	if _, _, err := ask(t, w, base, http.MethodPost, "hello"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	within(t, closed, func(number int) {
		if number != 1 {
			t.Errorf("connection %d was closed, which is in use", number)
		}
	})
	close(release)
	within(t, got, func(text string) {
		if text != "ok" {
			t.Errorf("got %q after Close", text)
		}
	})
	within(t, closed, func(int) {})
	if n := w.waiting(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestWireConcurrently is for the race detector.
func TestWireConcurrently(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	w := newWire(t, base)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for i := range 20 {
				if _, text, err := ask(t, w, base, http.MethodPost, "hello"); err != nil || text != "ok" {
					t.Errorf("got %q, %v", text, err)
				}
				if i == 10 {
					w.Close()
				}
			}
		})
	}
	users.Wait()
	if got := w.Dialer.Counts.totals().Posts; got != 160 || w.waiting() != 0 {
		t.Errorf("%d posts and %d connections kept, want 160 and none", got, w.waiting())
	}
}
