package loadgen

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
	"time"
)

// A peer is the server's side of one connection in a test.
type peer struct {
	net.Conn

	number  int // of the connection, from 0
	request *bufio.Reader
}

// next reads a request, with its body; nil when there is none.
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

// peers serves every connection by serve, and has closed all when the test ends.
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

// newWire makes a user's connections, which are closed when the test ends.
func newWire(tb testing.TB, base *url.URL) *Wire {
	w := &Wire{Dialer: NewDialer(base, &Counts{})}
	tb.Cleanup(w.Close)
	return w
}

// soon bounds what must not hang.
const soon = 10 * time.Second

// ask sends a request and reads its answer to the end.
func ask(tb testing.TB, w *Wire, base *url.URL, method, text string) (*http.Response, string, error) {
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
	resp, err := w.RoundTrip(req)
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

func (w *Wire) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.idle)
}

// TestWireAnswers reads every shape of an answer, twice: what is left of one must not be the
// beginning of the next.
func TestWireAnswers(t *testing.T) {
	long := strings.Repeat("x", 3*responseBuffer)
	for _, c := range []struct {
		name, answer, body string
		status             int
		connections        int64 // for two requests: 1 when it is kept
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
			w := newWire(t, base)
			for range 2 {
				resp, body, err := ask(t, w, base, http.MethodGet, "")
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != c.status || body != c.body {
					t.Errorf("got %d %.20q, want %d %.20q", resp.StatusCode, body, c.status, c.body)
				}
			}
			got := w.Dialer.Counts.totals()
			if got.Connections != c.connections || got.Requests != 2 || got.EmptyResponses != c.empty || got.Posts != 0 {
				t.Errorf("%d connections, %d requests, %d empty, %d posts; want %d, 2, %d, 0",
					got.Connections, got.Requests, got.EmptyResponses, got.Posts, c.connections, c.empty)
			}
		})
	}
}

// TestWireBrokenAnswers gets an error for each, at once, and keeps no connection.
func TestWireBrokenAnswers(t *testing.T) {
	for _, c := range []struct{ name, answer string }{
		{"nothing", ""},
		{"garbage", "what do you want?\r\n\r\n"},
		{"half a status", "HTTP/1.1 2"},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le"},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello"},
		{"a chunk of garbage", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
		{"an announcement alone", "HTTP/1.1 100 Continue\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				p.next()
				p.say(c.answer)
			})
			w := newWire(t, base)
			if resp, body, err := ask(t, w, base, http.MethodGet, ""); err == nil {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
			if n := w.waiting(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// TestWireSends looks at what arrives.
func TestWireSends(t *testing.T) {
	got := make(chan *http.Request, 1)
	base := peers(t, func(p *peer) {
		for req := p.next(); req != nil; req = p.next() {
			got <- req
			p.say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	w := newWire(t, base)
	for _, c := range []struct{ method, text string }{
		{http.MethodGet, ""}, {http.MethodPost, "hello"}, {http.MethodPost, ""}, {http.MethodPost, strings.Repeat("long ", 10_000)},
	} {
		if _, _, err := ask(t, w, base, c.method, c.text); err != nil {
			t.Fatal(err)
		}
		req := <-got
		text, _ := io.ReadAll(req.Body)
		if req.Method != c.method || string(text) != c.text || req.URL.Path != "/rooms/a/messages" || req.Host != base.Host || req.ContentLength != int64(len(c.text)) {
			t.Errorf("sent %s of %d bytes, arrived as %s %s to %s of %d", c.method, len(c.text), req.Method, req.URL, req.Host, req.ContentLength)
		}
	}
	if got := w.Dialer.Counts.totals(); got.Requests != 1 || got.Posts != 3 || got.Connections != 1 {
		t.Errorf("%d requests, %d posts on %d connections, want 1, 3 and 1", got.Requests, got.Posts, got.Connections)
	}
}

// TestWireTwoAtOnce holds one request while another one is answered.
func TestWireTwoAtOnce(t *testing.T) {
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
	w := newWire(t, base)
	first := make(chan error, 1)
	go func() {
		_, _, err := ask(t, w, base, http.MethodGet, "")
		first <- err
	}()
	<-held
	for range 3 {
		if _, _, err := ask(t, w, base, http.MethodPost, "hello"); err != nil {
			t.Error(err)
		}
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if got := w.Dialer.Counts.totals(); got.Connections != 2 || got.Posts != 3 || got.Requests != 1 {
		t.Errorf("%d connections for %d posts and %d requests, want 2 for 3 and 1", got.Connections, got.Posts, got.Requests)
	}
	if n := w.waiting(); n != 2 {
		t.Errorf("%d connections are kept, want 2", n)
	}
}

// TestWireStale has the server close the connection that the wire keeps: a GET is asked again, a
// POST is not, since it may have arrived.
func TestWireStale(t *testing.T) {
	for method, retried := range map[string]bool{http.MethodGet: true, http.MethodPost: false} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			base := peers(t, func(p *peer) {
				for n := 0; p.next() != nil; n++ {
					if p.number == 0 && n == 1 {
						return // without an answer
					}
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			w := newWire(t, base)
			if _, _, err := ask(t, w, base, http.MethodGet, ""); err != nil {
				t.Fatal(err)
			}
			_, text, err := ask(t, w, base, method, "")
			if retried && (err != nil || text != "ok") {
				t.Errorf("got %q, %v, want an answer on a new connection", text, err)
			}
			if !retried && !errors.Is(err, errStale) {
				t.Errorf("got %q, %v, want %v", text, err, errStale)
			}
			want := int64(1)
			if retried {
				want = 2
			}
			if got := w.Dialer.Counts.totals().Connections; got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
		})
	}
}

// TestWireSeesTheEnd has the server close a connection that is idle, after an answer or before the
// first question, as servers do after a while: a POST is sent on a new one.
func TestWireSeesTheEnd(t *testing.T) {
	for name, asked := range map[string]bool{"after an answer": true, "never asked anything": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			base := peers(t, func(p *peer) {
				if p.number == 0 && !asked {
					p.Close()
					close(closed)
					return
				}
				for p.next() != nil {
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					if p.number == 0 {
						p.Close()
						close(closed)
						return
					}
				}
			})
			w := newWire(t, base)
			if err := w.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if asked {
				if _, _, err := ask(t, w, base, http.MethodGet, ""); err != nil {
					t.Fatal(err)
				}
			}
			<-closed
			if _, text, err := ask(t, w, base, http.MethodPost, ""); err != nil || text != "ok" {
				t.Errorf("got %q, %v, want an answer on a new connection", text, err)
			}
			if got := w.Dialer.Counts.totals(); got.Connections != 2 || got.Posts != 1 {
				t.Errorf("%d connections and %d posts, want 2 and 1", got.Connections, got.Posts)
			}
		})
	}
}

// TestWireNeverAnswers has every connection closed without an answer: it is tried twice, not for
// ever.
func TestWireNeverAnswers(t *testing.T) {
	base := peers(t, func(p *peer) { p.next() })
	w := newWire(t, base)
	if err := w.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(t, w, base, http.MethodGet, ""); !errors.Is(err, errStale) {
		t.Errorf("got %v, want %v", err, errStale)
	}
	if got := w.Dialer.Counts.totals().Connections; got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

func TestWireUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	listener.Close()
	w := newWire(t, base)
	if _, _, err := ask(t, w, base, http.MethodGet, ""); err == nil {
		t.Error("a closed port answers")
	}
	if err := w.Open(t.Context()); err == nil {
		t.Error("a closed port can be opened")
	}
	if got := w.Dialer.Counts.totals(); got.Connections != 0 || got.Requests != 0 {
		t.Errorf("%d connections and %d requests are counted, want none", got.Connections, got.Requests)
	}
}
