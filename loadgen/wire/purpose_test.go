package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

// asked sends a request with a purpose on a pool, reads the answer, and says that it is empty if empties is set.
func asked(t *testing.T, pool *Pool, method, path string, p *transports.Purpose, empties int) {
	t.Helper()
	ctx := t.Context()
	if p != nil {
		ctx = transports.For(ctx, *p)
	}
	resp, err := pool.RoundTrip(transports.NewRequest(ctx, method, pool.Dialer.Base().JoinPath(path), http.Header{}, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	for range empties {
		resp.Body.(transports.Emptier).Empty()
	}
	resp.Body.Close()
}

// TestPurpose counts what servers are asked for that are polled by POST, or sent to by PUT: the purpose of a request
// says what it is, not its method.
func TestPurpose(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		default:
			io.WriteString(w, "answer")
		}
	}))
	t.Cleanup(server.Close)
	base, _ := url.Parse(server.URL)
	poll := &transports.Purpose{Request: transports.Poll}
	for name, c := range map[string]struct {
		method, path string
		purpose      *transports.Purpose
		empties      int
		want         result.Traffic
		answered     bool
	}{
		"a poll by POST":           {"POST", "/", poll, 0, result.Traffic{Requests: 1}, true},
		"an empty one":             {"POST", "/", poll, 1, result.Traffic{Requests: 1, EmptyResponses: 1}, true},
		"an empty one, said twice": {"POST", "/204", poll, 2, result.Traffic{Requests: 1, EmptyResponses: 1}, true},
		"304 is empty":             {"GET", "/304", nil, 0, result.Traffic{Requests: 1, EmptyResponses: 1}, true},
		"a send by PUT":            {"PUT", "/204", &transports.Purpose{Request: transports.Send}, 0, result.Traffic{Posts: 1}, false},
		"a send by POST":           {"POST", "/", nil, 0, result.Traffic{Posts: 1}, false},
		"a handshake by POST":      {"POST", "/", &transports.Purpose{Request: transports.Handshake}, 0, result.Traffic{Requests: 1, Handshakes: 1}, false},
		"a stream by POST":         {"POST", "/", &transports.Purpose{Request: transports.Handshake, Stream: true}, 0, result.Traffic{Requests: 1, Handshakes: 1}, false},
	} {
		var counts Counts
		pool := &Pool{Dialer: NewDialer(base, &counts)}
		asked(t, pool, c.method, c.path, c.purpose, c.empties)
		got := counts.Total()
		carried := got.BytesIn + got.BytesOut
		stream := c.purpose != nil && c.purpose.Stream
		if handshake := got.Handshakes > 0; (got.HandshakeBytes > 0) != handshake || !stream && (carried == 0) != handshake || stream && (carried == 0 || carried > 100) {
			t.Errorf("%s: %d bytes of a handshake, %d others", name, got.HandshakeBytes, carried)
		}
		got.Connections, got.BytesIn, got.BytesOut, got.HandshakeBytes = 0, 0, 0, 0
		if got != c.want || pool.Answered() != c.answered {
			t.Errorf("%s: %+v, answered: %t, want %+v", name, got, pool.Answered(), c.want)
		}
		if pool.Forget(); pool.Answered() {
			t.Errorf("%s: not forgotten", name)
		}
		pool.Close()
	}
}

// TestOnce meets a server that closes a kept connection instead of answering a second request: an ordinary GET is
// sent again on a new connection, one with Once is not.
func TestOnce(t *testing.T) {
	for once, want := range map[bool]int{false: 3, true: 2} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan int)
		go func() {
			n := 0
			for range 2 {
				conn, err := listener.Accept()
				if err != nil {
					break
				}
				buf := make([]byte, 1<<10)
				for i := range 2 {
					if _, err := conn.Read(buf); err != nil {
						break
					}
					if n++; i == 1 {
						break // without an answer
					}
					io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				}
				conn.Close()
			}
			served <- n
		}()
		pool := &Pool{Dialer: NewDialer(&url.URL{Scheme: "http", Host: listener.Addr().String()}, &Counts{})}
		ctx := transports.For(t.Context(), transports.Purpose{Request: transports.Poll, Once: once})
		get := func() error {
			resp, err := pool.RoundTrip(transports.NewRequest(ctx, "GET", pool.Dialer.Base(), http.Header{}, nil))
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		if err := get(); errors.Is(err, ErrStale) != once || err != nil && !once {
			t.Errorf("once: %t: %v", once, err)
		}
		pool.Close()
		listener.Close()
		if n := <-served; n != want {
			t.Errorf("once: %t: %d requests came, want %d", once, n, want)
		}
	}
}

// TestUnsentOfPurpose can't connect: only a message is called unsent.
func TestUnsentOfPurpose(t *testing.T) {
	pool := &Pool{Dialer: NewDialer(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}, &Counts{})}
	for purpose, want := range map[transports.Request]bool{transports.Send: true, transports.Poll: false, transports.Handshake: false} {
		ctx := transports.For(t.Context(), transports.Purpose{Request: purpose})
		_, err := pool.RoundTrip(transports.NewRequest(ctx, "POST", pool.Dialer.Base(), http.Header{}, nil))
		if errors.Is(err, transports.ErrUnsent) != want {
			t.Errorf("purpose %v: %v", purpose, err)
		}
	}
}

// TestEncodedForeignAnswer gets a compressed answer to a poll by POST, which is one clear line.
func TestEncodedForeignAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "not text")
	}))
	t.Cleanup(server.Close)
	base, _ := url.Parse(server.URL)
	pool := &Pool{Dialer: NewDialer(base, &Counts{})}
	defer pool.Close()
	ctx := transports.For(context.Background(), transports.Purpose{Request: transports.Poll})
	_, err := pool.RoundTrip(transports.NewRequest(ctx, "POST", base, http.Header{}, nil))
	if err == nil || !strings.Contains(err.Error(), `encoded the body of its answer as "gzip"`) {
		t.Errorf("%v", err)
	}
}

func TestTouch(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	base, _ := url.Parse(server.URL)
	var counts Counts
	if took, err := NewDialer(base, &counts).Touch(t.Context()); err != nil || took <= 0 || counts.Total() != (result.Traffic{}) {
		t.Errorf("%v, %v, %+v", took, err, counts.Total())
	}
	if _, err := NewDialer(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}, &counts).Touch(t.Context()); err == nil {
		t.Error("nothing listens there")
	}
}
