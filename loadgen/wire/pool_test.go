package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pushpull/transports"
)

// A peer is the server's side of one connection in a test.
type peer struct {
	net.Conn

	number  int // of the connection, from 0
	request *bufio.Reader
}

// next reads a request with its body; nil if there is none.
func (p *peer) next() *http.Request {
	req, err := http.ReadRequest(p.request)
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(strings.NewReader(string(text)))
	return req
}

func (p *peer) say(text string) { io.WriteString(p, text) }

// peers serves every connection with serve, and closes them all when the test ends.
func peers(tb testing.TB, serve func(*peer)) *url.URL {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for number := 0; ; number++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() {
				defer c.Close()
				serve(&peer{c, number, bufio.NewReader(c)})
			})
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

// answering serves every request of every connection with the same bytes.
func answering(tb testing.TB, answer string) *url.URL {
	return peers(tb, func(p *peer) {
		for p.next() != nil {
			p.say(answer)
		}
	})
}

// newPool returns a user's connections, which are closed when the test ends.
func newPool(tb testing.TB, base *url.URL) *Pool {
	pool := &Pool{Dialer: NewDialer(base, &Counts{})}
	tb.Cleanup(pool.Close)
	return pool
}

// soon is the limit of everything that must not hang.
const soon = 10 * time.Second

// ask sends a request and reads its answer to the end.
func ask(tb testing.TB, pool *Pool, base *url.URL, method, text string) (*http.Response, string, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), soon)
	defer cancel()
	var body io.Reader
	if text != "" {
		body = strings.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, base.JoinPath("/rooms/a/messages").String(), body)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := pool.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			tb.Fatalf("nothing within %v: %v", soon, err)
		}
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, string(data), err
}

// closed reports whether this side of a connection is closed.
func closed(c *conn) bool { return errors.Is(c.SetDeadline(time.Time{}), net.ErrClosed) }

func (p *Pool) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// TestAnswers reads every shape of a response twice: the rest of one must not become the beginning
// of the next.
func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", 3*responseBuffer)
	for _, c := range []struct {
		name, answer, body string
		status             int
		connections        int64 // for two requests: 1 if it is kept
		empty              int64
	}{
		{"with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 1, 0},
		{"with a length of nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, 1, 0},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n", "hello", 200, 1, 0},
		{"chunked and empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", 200, 1, 0},
		{"nothing new", "HTTP/1.1 204 No Content\r\nNext-Cursor: 7\r\n\r\n", "", 204, 1, 2},
		{"an error", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", "busy", 503, 1, 0},
		{"the last one", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 2, 0},
		{"the last one, nothing new", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "", 204, 2, 2},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 2, 0},
		{"HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 1, 0},
		{"announced by 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 1, 0},
		{"announced by 103, twice", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "", 204, 1, 2},
		{"a header longer than the buffer", "HTTP/1.1 200 OK\r\nX-Long: " + long + "\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 1, 0},
		{"a body longer than the buffer", "HTTP/1.1 200 OK\r\nContent-Length: 1536\r\n\r\n" + long, long, 200, 1, 0},
		{"a redirect, which is not followed", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "", 302, 1, 0},
		{"more than was asked for", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 500 Not yours\r\nContent-Length: 0\r\n\r\n", "hello", 200, 2, 0},
		{"a body where there is none", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 Not yours\r\n\r\n", "", 204, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := answering(t, c.answer)
			pool := newPool(t, base)
			for range 2 {
				resp, body, err := ask(t, pool, base, http.MethodGet, "")
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != c.status || body != c.body {
					t.Errorf("got %d %.20q, want %d %.20q", resp.StatusCode, body, c.status, c.body)
				}
			}
			got := pool.Dialer.Counts.Total()
			if got.Connections != c.connections || got.Requests != 2 || got.EmptyResponses != c.empty || got.Posts != 0 {
				t.Errorf("%d connections, %d requests, %d empty, %d posts; want %d, 2, %d, 0",
					got.Connections, got.Requests, got.EmptyResponses, got.Posts, c.connections, c.empty)
			}
		})
	}
}

// TestBrokenAnswers gets an error for each at once, and keeps no connection.
func TestBrokenAnswers(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		cut          bool // the connection has ended within it
	}{
		{"nothing", "", false},
		{"garbage", "what do you want?\r\n\r\n", false},
		{"one byte", "H", true},
		{"half a status", "HTTP/1.1 2", true},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le", true},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello", true},
		{"a chunk of garbage", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false},
		{"an announcement alone", "HTTP/1.1 100 Continue\r\n\r\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				p.next()
				p.say(c.answer)
			})
			pool := newPool(t, base)
			// An answer that has begun is no connection that had ended before.
			if resp, body, err := ask(t, pool, base, http.MethodGet, ""); err == nil || errors.Is(err, ErrStale) != (c.answer == "") || errors.Is(err, io.ErrUnexpectedEOF) != c.cut {
				t.Errorf("got %v %q, %v", resp, body, err)
			}
			if n := pool.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// TestSends looks at the requests that arrive.
func TestSends(t *testing.T) {
	got := make(chan *http.Request, 1)
	base := peers(t, func(p *peer) {
		for req := p.next(); req != nil; req = p.next() {
			got <- req
			p.say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	pool := newPool(t, base)
	for _, c := range []struct{ method, text string }{
		{http.MethodGet, ""}, {http.MethodPost, "hello"}, {http.MethodPost, ""}, {http.MethodPost, strings.Repeat("long ", 10_000)},
	} {
		if _, _, err := ask(t, pool, base, c.method, c.text); err != nil {
			t.Fatal(err)
		}
		req := <-got
		text, _ := io.ReadAll(req.Body)
		if req.Method != c.method || string(text) != c.text || req.URL.Path != "/rooms/a/messages" || req.Host != base.Host || req.ContentLength != int64(len(c.text)) {
			t.Errorf("sent %s of %d bytes, arrived as %s %s to %s of %d", c.method, len(c.text), req.Method, req.URL, req.Host, req.ContentLength)
		}
	}
	if got := pool.Dialer.Counts.Total(); got.Requests != 1 || got.Posts != 3 || got.Connections != 1 {
		t.Errorf("%d requests, %d posts on %d connections, want 1, 3 and 1", got.Requests, got.Posts, got.Connections)
	}
}

// A source is the body of a request.
type source struct {
	io.Reader

	closed bool
}

func (s *source) Close() error {
	s.closed = true
	return nil
}

// TestRequestBytes looks at every byte of a request.
func TestRequestBytes(t *testing.T) {
	for _, c := range []struct {
		method, header, text string
		want                 string // the request, without the host
	}{
		{http.MethodGet, "", "", "GET /a?after=7 HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{http.MethodGet, "text/plain", "", "GET /a?after=7 HTTP/1.1\r\nHost: HOST\r\nAccept: text/plain\r\n\r\n"},
		{http.MethodPost, "", "", "POST /a?after=7 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n"},
		{http.MethodPost, "", "hello", "POST /a?after=7 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello"},
		{http.MethodPut, "", "", "PUT /a?after=7 HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{http.MethodPut, "", "x", "PUT /a?after=7 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n\r\nx"},
	} {
		arrived := make(chan string, 1)
		base := peers(t, func(p *peer) {
			request := make([]byte, len(c.want)-len("HOST")+len(p.LocalAddr().String()))
			io.ReadFull(p, request)
			arrived <- string(request)
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		body := &source{Reader: strings.NewReader(c.text)}
		req, err := http.NewRequestWithContext(t.Context(), c.method, base.String()+"/a?after=7", body)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			req.Header.Set("Accept", c.header)
		}
		pool := newPool(t, base)
		resp, err := pool.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got, want := <-arrived, strings.ReplaceAll(c.want, "HOST", base.Host); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if out := pool.Dialer.Counts.Total().BytesOut; out != int64(len(c.want)-len("HOST")+len(base.Host)) {
			t.Errorf("%s: %d bytes are sent", c.want, out)
		}
		if !body.closed {
			t.Errorf("%s: the body of the request is not closed", c.want)
		}
	}
}

// TestUnreadableBody has a request whose body can't be read: nothing of it is sent.
func TestUnreadableBody(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	pool := newPool(t, base)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base.String(), io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(errGone)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.RoundTrip(req); !errors.Is(err, errGone) {
		t.Errorf("it ended with %v, want %v", err, errGone)
	}
	if got := pool.Dialer.Counts.Total(); got.BytesOut != 0 || got.Posts != 0 || pool.waiting() != 0 {
		t.Errorf("%d bytes of %d posts are sent, and %d connections kept", got.BytesOut, got.Posts, pool.waiting())
	}
}

// TestTwoAtOnce holds one request while another one is answered.
func TestTwoAtOnce(t *testing.T) {
	release := make(chan struct{})
	held := make(chan struct{})
	base := peers(t, func(p *peer) {
		for req := p.next(); req != nil; req = p.next() {
			if req.Method == http.MethodGet {
				close(held)
				<-release
			}
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	pool := newPool(t, base)
	first := make(chan error, 1)
	go func() {
		_, _, err := ask(t, pool, base, http.MethodGet, "")
		first <- err
	}()
	<-held
	for range 3 {
		if _, _, err := ask(t, pool, base, http.MethodPost, "hello"); err != nil {
			t.Error(err)
		}
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if got := pool.Dialer.Counts.Total(); got.Connections != 2 || got.Posts != 3 || got.Requests != 1 {
		t.Errorf("%d connections for %d posts and %d requests, want 2 for 3 and 1", got.Connections, got.Posts, got.Requests)
	}
	if n := pool.waiting(); n != 2 {
		t.Errorf("%d connections are kept, want 2", n)
	}
}

// TestStale has the server close a kept connection: a GET is sent again, a POST is not, since it
// may have arrived.
func TestStale(t *testing.T) {
	for method, retried := range map[string]bool{http.MethodGet: true, http.MethodPost: false} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				for n := 0; p.next() != nil; n++ {
					if p.number == 0 && n == 1 {
						return // without a response
					}
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			pool := newPool(t, base)
			if _, _, err := ask(t, pool, base, http.MethodGet, ""); err != nil {
				t.Fatal(err)
			}
			_, text, err := ask(t, pool, base, method, "")
			if retried && (err != nil || text != "ok") {
				t.Errorf("got %q, %v, want an answer on a new connection", text, err)
			}
			if !retried && !errors.Is(err, ErrStale) {
				t.Errorf("got %q, %v, want %v", text, err, ErrStale)
			}
			want := int64(1)
			if retried {
				want = 2
			}
			if got := pool.Dialer.Counts.Total().Connections; got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
		})
	}
}

// TestSeesTheEnd has the server close an idle connection, after a response or before the first
// request, as servers do after a while: a POST is sent on a new one.
func TestSeesTheEnd(t *testing.T) {
	for name, asked := range map[string]bool{"after an answer": true, "never asked anything": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			base := peers(t, func(p *peer) {
				if p.number == 0 && !asked {
					p.Close()
					close(ended)
					return
				}
				for p.next() != nil {
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					if p.number == 0 {
						p.Close()
						close(ended)
						return
					}
				}
			})
			pool := newPool(t, base)
			if err := pool.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := pool.idle[0]
			if asked {
				if _, _, err := ask(t, pool, base, http.MethodGet, ""); err != nil {
					t.Fatal(err)
				}
			}
			<-ended
			if _, text, err := ask(t, pool, base, http.MethodPost, ""); err != nil || text != "ok" {
				t.Errorf("got %q, %v, want an answer on a new connection", text, err)
			}
			if !closed(first) {
				t.Error("the connection that has ended is not closed")
			}
			if got := pool.Dialer.Counts.Total(); got.Connections != 2 || got.Posts != 1 {
				t.Errorf("%d connections and %d posts, want 2 and 1", got.Connections, got.Posts)
			}
		})
	}
}

// TestNeverAnswers has every connection closed without a response: a GET is tried twice, not
// forever.
func TestNeverAnswers(t *testing.T) {
	base := peers(t, func(p *peer) { p.next() })
	pool := newPool(t, base)
	if err := pool.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(t, pool, base, http.MethodGet, ""); !errors.Is(err, ErrStale) {
		t.Errorf("got %v, want %v", err, ErrStale)
	}
	if got := pool.Dialer.Counts.Total().Connections; got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	listener.Close()
	pool := newPool(t, base)
	// Only a message has to be known as unsent.
	for method, unsent := range map[string]bool{http.MethodGet: false, http.MethodPost: true} {
		_, _, err := ask(t, pool, base, method, "")
		if network := net.Error(nil); !errors.As(err, &network) || errors.Is(err, transports.ErrUnsent) != unsent {
			t.Errorf("a %s to a closed port gives %v; it is unsent: %t", method, err, unsent)
		}
	}
	if err := pool.Open(t.Context()); err == nil {
		t.Error("a closed port can be opened")
	}
	if got := pool.Dialer.Counts.Total(); got.Connections != 0 || got.Requests != 0 {
		t.Errorf("%d connections and %d requests are counted, want none", got.Connections, got.Requests)
	}
}
