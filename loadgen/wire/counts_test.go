package wire

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
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
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

// TestCountsBytes compares the counts with those of the server's side.
func TestCountsBytes(t *testing.T) {
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
	pool := newPool(t, base)
	for range 3 * len(answers) {
		if _, _, err := ask(t, pool, base, http.MethodPost, strings.Repeat("y", 3000)); err != nil {
			t.Fatal(err)
		}
	}
	got := pool.Dialer.Counts.Total()
	if got.BytesIn != out.Load() || got.BytesOut != in.Load() {
		t.Errorf("%d bytes in and %d out, the server has written %d and read %d", got.BytesIn, got.BytesOut, out.Load(), in.Load())
	}
	if got.BytesIn < 150_000 || got.BytesOut < 45_000 {
		t.Errorf("%d bytes in and %d out are less than what was carried", got.BytesIn, got.BytesOut)
	}
}

const handshake = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"

// upgrade opens a connection to an echo server, which sends "early" along with its handshake.
func upgrade(t *testing.T, pool *Pool, base *url.URL) io.ReadWriteCloser {
	t.Helper()
	pool.Dialer.Stream = true
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.JoinPath("/").String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Upgrade", "echo")
	resp, err := pool.RoundTrip(req)
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

// TestUpgrade takes over a connection, and the bytes that came along with the handshake.
func TestUpgrade(t *testing.T) {
	var asked, out atomic.Int64
	base := peers(t, func(p *peer) {
		p.request = bufio.NewReader(tally{p.Conn, &asked, &out})
		p.next()
		p.say(handshake + "early")
		io.Copy(p.Conn, p.request)
	})
	pool := newPool(t, base)
	conn := upgrade(t, pool, base)
	before := pool.Dialer.Counts.Total()
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	read("earl")
	read("y")
	for range 3 {
		io.WriteString(conn, "hello")
		read("hello")
	}
	asked.Add(-15)
	if pool.waiting() != 0 {
		t.Error("the connection is kept for other requests")
	}
	after := pool.Dialer.Counts.Total()
	if before.BytesIn != 5 || before.BytesOut != 0 { // they have come, read or not
		t.Errorf("%d bytes in and %d out beside the handshake, want the 5 that came with it", before.BytesIn, before.BytesOut)
	}
	// The handshake counts in full whenever the measured part begins, apart from the other bytes.
	got := Between(before, after)
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

// TestBetweenTakesEveryNumber holds each number of two totals: what is older than the measured part
// is left out of it, but for connections and handshakes.
func TestBetweenTakesEveryNumber(t *testing.T) {
	whole := []string{"Connections", "Handshakes", "HandshakeBytes", "TLSFull", "TLSResumed"}
	var start, end result.Traffic
	kind := reflect.TypeFor[result.Traffic]()
	for i := range kind.NumField() {
		reflect.ValueOf(&start).Elem().Field(i).SetInt(int64(10 + i))
		reflect.ValueOf(&end).Elem().Field(i).SetInt(int64(1000 * (1 + i)))
	}
	got := reflect.ValueOf(Between(start, end))
	for i := range kind.NumField() {
		name, want := kind.Field(i).Name, int64(1000*(1+i)-10-i)
		switch {
		case name == "Requests":
			want += start.Handshakes // these count in full, and are requests
		case slices.Contains(whole, name):
			want = int64(1000 * (1 + i))
		}
		if got := got.Field(i).Int(); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

// TestBetween leaves out the requests of the warm-up, but not the connections opened then.
func TestBetween(t *testing.T) {
	base := answering(t, "HTTP/1.1 204 No Content\r\n\r\n")
	pool := newPool(t, base)
	poll := func(times int) result.Traffic {
		for range times {
			if _, _, err := ask(t, pool, base, http.MethodGet, ""); err != nil {
				t.Fatal(err)
			}
		}
		return pool.Dialer.Counts.Total()
	}
	before, after := poll(4), poll(3)
	got := Between(before, after)
	if got.Connections != 1 || got.Requests != 3 || got.EmptyResponses != 3 || got.BytesIn != 3*int64(len("HTTP/1.1 204 No Content\r\n\r\n")) ||
		got.BytesOut*7 != after.BytesOut*3 {
		t.Errorf("%+v since %+v", got, before)
	}
}

// stream is the response that opens an event stream, and the first event on it.
const (
	stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	event  = "d\r\ndata: early\n\n\r\n"
)

// TestStream opens a stream in one direction: its request and the head of its response are a
// handshake, also on a connection that has carried another request, and the events are not.
func TestStream(t *testing.T) {
	for name, posts := range map[string]int{"on a new connection": 0, "after a POST": 1} {
		t.Run(name, func(t *testing.T) {
			var in, out atomic.Int64
			asked := make(chan int64, 1) // bytes of the request
			base := peers(t, func(p *peer) {
				p.request = bufio.NewReader(tally{p.Conn, &in, &out})
				before := int64(0)
				for req := p.next(); req != nil; req = p.next() {
					if req.Method == http.MethodGet {
						asked <- in.Load() - before
						p.say(stream + event)
						continue
					}
					p.say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
					before = in.Load()
				}
			})
			pool := newPool(t, base)
			pool.Dialer.Stream = true
			for range posts {
				if _, _, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil {
					t.Fatal(err)
				}
			}
			before := pool.Dialer.Counts.Total()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.JoinPath("/").String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := pool.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			first := make([]byte, len("data: early\n\n"))
			if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "data: early\n\n" {
				t.Fatalf("read %q, %v", first, err)
			}
			got := Between(before, pool.Dialer.Counts.Total())
			want := result.Traffic{
				Connections: 1, Requests: 1, Handshakes: 1,
				BytesIn: int64(len(event)), HandshakeBytes: <-asked + int64(len(stream)),
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestHandshakes counts the exchanges that open a stream, and no other ones.
func TestHandshakes(t *testing.T) {
	for _, c := range []struct {
		name, method, answer string
		stream               bool
		want                 int64
	}{
		{"a stream", http.MethodGet, stream + "0\r\n\r\n", true, 1},
		{"a refused stream", http.MethodGet, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", true, 0},
		{"a message", http.MethodPost, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 0},
		{"a poll", http.MethodGet, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := answering(t, c.answer)
			pool := newPool(t, base)
			pool.Dialer.Stream = c.stream
			if _, _, err := ask(t, pool, base, c.method, ""); err != nil {
				t.Fatal(err)
			}
			got := pool.Dialer.Counts.Total()
			if got.Handshakes != c.want || (got.HandshakeBytes > 0) != (c.want > 0) || got.Requests+got.Posts != 1 {
				t.Errorf("%+v, want %d handshakes", got, c.want)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would report the handshake that fails
	server.StartTLS()
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, base)
	pool.Dialer.tls.RootCAs = x509.NewCertPool()
	pool.Dialer.tls.RootCAs.AddCert(server.Certificate())
	for range 2 {
		if _, text, err := ask(t, pool, base, http.MethodGet, ""); err != nil || text != "HTTP/1.1" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	got := pool.Dialer.Counts.Total()
	if got.Connections != 1 || got.BytesIn < 1000 { // a certificate is larger than two answers
		t.Errorf("%d connections and %d bytes in, want 1 and those of TLS too", got.Connections, got.BytesIn)
	}
	pool.Close()

	stranger := newPool(t, base)
	stranger.Dialer.tls.RootCAs = x509.NewCertPool()
	var unknown x509.UnknownAuthorityError
	if _, _, err := ask(t, stranger, base, http.MethodGet, ""); !errors.As(err, &unknown) {
		t.Errorf("a certificate of an unknown authority gives %v", err)
	}
	if _, _, err := ask(t, stranger, base, http.MethodPost, "hello"); !errors.As(err, &unknown) || !errors.Is(err, transports.ErrUnsent) {
		t.Errorf("a message to a server of an unknown authority gives %v, want %v too", err, transports.ErrUnsent)
	}
}

// TestNoTLS has a server that does not speak TLS: the connection to it is closed.
func TestNoTLS(t *testing.T) {
	ended := make(chan struct{})
	base := peers(t, func(p *peer) {
		p.say("HTTP/1.1 400 Bad Request\r\n\r\n")
		io.Copy(io.Discard, p) // until the user closes the connection
		close(ended)
	})
	base.Scheme = "https"
	pool := newPool(t, base)
	if err := pool.Open(t.Context()); err == nil {
		t.Error("a connection without TLS is opened")
	}
	within(t, ended, func(struct{}) {})
	if pool.waiting() != 0 {
		t.Error("the connection is kept")
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

// TestCancel ends a request that the server holds, before the response and in the middle of it.
func TestCancel(t *testing.T) {
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
			pool := newPool(t, base)
			ctx, cancel := context.WithCancelCause(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("/").String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				resp, err := pool.RoundTrip(req)
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
			if n := pool.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// within passes on the next value of a channel, which must come soon.
func within[T any](t *testing.T, c <-chan T, took func(T)) {
	t.Helper()
	select {
	case v := <-c:
		took(v)
	case <-time.After(soon):
		t.Fatalf("nothing within %v", soon)
	}
}

// TestCancelledAfterwards keeps the connection of a response that came in time.
func TestCancelledAfterwards(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	pool := newPool(t, base)
	for range 20 { // ask ends its context each time
		if _, text, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil || text != "ok" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	if got := pool.Dialer.Counts.Total().Connections; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// TestUnread closes the connection of a response that was not read to its end.
func TestUnread(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	pool := newPool(t, base)
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.JoinPath("/").String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := pool.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		carrier := resp.Body.(*body).conn
		resp.Body.Close()
		resp.Body.Close()
		if !closed(carrier) {
			t.Error("the connection of a response that was not read is not closed")
		}
	}
	if got := pool.Dialer.Counts.Total().Connections; got != 2 || pool.waiting() != 0 {
		t.Errorf("%d connections and %d kept, want 2 and none", got, pool.waiting())
	}
}

// TestNothingToRead keeps the connection of a response without a body, which need not be read, and of
// one that was read, unless the server closes it.
func TestNothingToRead(t *testing.T) {
	for _, c := range []struct {
		answer     string
		read, kept bool
	}{
		{"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", false, true},
		{"HTTP/1.1 204 No Content\r\n\r\n", false, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", true, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, false},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", true, false},
		{"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", false, false},
	} {
		base := answering(t, c.answer)
		pool := newPool(t, base)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := pool.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		carrier := resp.Body.(*body).conn
		if c.read {
			if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "x" {
				t.Errorf("read %q, %v", text, err)
			}
		}
		resp.Body.Close()
		if closed(carrier) == c.kept || (pool.waiting() == 1) != c.kept {
			t.Errorf("%q, read: %t: the connection is closed: %t, and %d are kept", c.answer, c.read, closed(carrier), pool.waiting())
		}
	}
}

// TestIdle uses no connection that the server may have closed because it was idle for long.
func TestIdle(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for age, want := range map[time.Duration]int64{idleLimit - soon: 1, idleLimit: 2} {
		pool := newPool(t, base)
		if err := pool.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := pool.idle[0]
		first.used = first.used.Add(-age)
		if _, _, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil {
			t.Fatal(err)
		}
		if got := pool.Dialer.Counts.Total().Connections; got != want {
			t.Errorf("%d connections after %v, want %d", got, age, want)
		}
		if closed(first) != (want == 2) {
			t.Errorf("after %v the first connection is closed: %t", age, closed(first))
		}
	}
}

// TestClose closes idle connections at once, and one in use after its response.
func TestClose(t *testing.T) {
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
	pool := newPool(t, base)
	got := make(chan string, 1)
	go func() {
		_, text, _ := ask(t, pool, base, http.MethodGet, "")
		got <- text
	}()
	<-held
	if _, _, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil {
		t.Fatal(err)
	}
	pool.Close()
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
	if n := pool.waiting(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestConcurrently is for the race detector.
func TestConcurrently(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	pool := newPool(t, base)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for i := range 20 {
				if _, text, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil || text != "ok" {
					t.Errorf("got %q, %v", text, err)
				}
				if i == 10 {
					pool.Close()
				}
			}
		})
	}
	users.Wait()
	if got := pool.Dialer.Counts.Total().Posts; got != 160 || pool.waiting() != 0 {
		t.Errorf("%d posts and %d connections kept, want 160 and none", got, pool.waiting())
	}
}
