package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pushpull/transports"
)

// over2 serves h over HTTP/2, with TLS or with prior knowledge, and returns a user's connections to it.
func over2(t *testing.T, secure bool, h http.HandlerFunc) (*httptest.Server, *Pool) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	}
	t.Cleanup(server.Close)
	base, err := ParseAddress(strings.Replace(server.URL, "://", "://Mary:secret@", 1) + "?key=7")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDialer(base, &Counts{})
	d.HTTP2 = true
	if secure {
		d.Trust(server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	}
	p := &Pool{Dialer: d}
	t.Cleanup(p.Close)
	return server, p
}

// get makes a request within a limit and returns the body of the answer.
func get(p *Pool, method, path string, limit time.Duration, purpose transports.Purpose) (string, error) {
	ctx := transports.For(transports.Within(context.Background(), limit, "answer"), purpose)
	resp, err := p.RoundTrip(transports.NewRequest(ctx, method, p.Dialer.Base().JoinPath(path), http.Header{}, []byte("hello")))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.Status + " " + string(text), err
}

var poll = transports.Purpose{Request: transports.Poll}

func TestHTTP2(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secure), func(t *testing.T) {
			begun := make(chan bool, 1)
			server, p := over2(t, secure, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/nothing":
					w.WriteHeader(http.StatusNoContent)
				case "/late":
					begun <- true
					<-r.Context().Done()
				case "/long":
					for {
						if _, err := w.Write(make([]byte, 1<<20)); err != nil {
							return
						}
					}
				case "/cut":
					w.Header().Set("Content-Length", "10")
					io.WriteString(w, "half")
				case "/gzip":
					w.Header().Set("Content-Encoding", "gzip")
					io.WriteString(w, "zzz")
				default:
					text, _ := io.ReadAll(r.Body)
					user, _, _ := r.BasicAuth()
					fmt.Fprintf(w, "%s %s %s %s %s %q %d", r.Proto, r.Host, user, r.URL, text, r.UserAgent(), len(r.Header))
				}
			})
			host := server.Listener.Addr().String()
			got, err := get(p, http.MethodPost, "/echo", time.Minute, transports.Purpose{Request: transports.Send})
			if want := "200 OK HTTP/2.0 " + host + ` Mary /echo?key=7 hello "" 2`; err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if _, err := get(p, http.MethodGet, "/nothing", time.Minute, poll); err != nil {
				t.Error(err)
			}
			held := make(chan error, 1)
			go func() {
				_, err := get(p, http.MethodGet, "/late", 300*time.Millisecond, poll)
				held <- err
			}()
			<-begun
			if _, err := get(p, http.MethodPost, "/echo", time.Minute, transports.Purpose{Request: transports.Send}); err != nil {
				t.Error("while a poll is held:", err)
			}
			if _, ok := errors.AsType[*transports.TimeoutError](<-held); !ok {
				t.Error("a poll outlives its limit")
			}
			if _, err := get(p, http.MethodGet, "/long", time.Minute, poll); err == nil || !strings.Contains(err.Error(), "16 MiB") {
				t.Errorf("a body without end: %v", err)
			}
			if _, err := get(p, http.MethodGet, "/cut", time.Minute, poll); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a body that is cut: %v", err)
			}
			if _, err := get(p, http.MethodGet, "/gzip", time.Minute, poll); err == nil || !strings.Contains(err.Error(), `"gzip"`) {
				t.Errorf("an encoded body: %v", err)
			}
			total := p.Dialer.Counts.Total()
			if total.Connections != 1 || total.Posts != 2 || total.Requests != 5 || total.EmptyResponses != 1 || total.Handshakes != 0 {
				t.Errorf("%+v, want 1 connection, 2 sends, 5 polls, 1 of them empty", total)
			}

			server.CloseClientConnections()
			if _, err := get(p, http.MethodGet, "/echo", time.Minute, poll); err != nil {
				t.Errorf("a poll after the connection has ended: %v", err)
			}
			if n := p.Dialer.Counts.Total().Connections; n != 2 {
				t.Errorf("%d connections, want a second one", n)
			}
			server.Close()
			if _, err := get(p, http.MethodPost, "/echo", time.Minute, transports.Purpose{Request: transports.Send}); err == nil {
				t.Error("a server that is gone has answered")
			}
		})
	}
}

// TestHTTP2Stream opens a stream, whose bytes up to the head are those of a handshake.
func TestHTTP2Stream(t *testing.T) {
	more := make(chan bool)
	_, p := over2(t, false, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-more
		io.WriteString(w, "event")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx := transports.For(transports.Within(t.Context(), 200*time.Millisecond, "open"), transports.Purpose{Request: transports.Poll, Stream: true})
	resp, err := p.RoundTrip(transports.NewRequest(ctx, http.MethodGet, p.Dialer.Base(), nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	opened := p.Dialer.Counts.Total()
	if opened.Handshakes != 1 || opened.HandshakeBytes < 100 {
		t.Errorf("%+v, want a handshake", opened)
	}
	<-time.After(250 * time.Millisecond) // the limit is that of opening it
	more <- true
	text := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, text); err != nil || string(text) != "event" {
		t.Errorf("%q, %v", text, err)
	}
	if got := p.Dialer.Counts.Total(); got.HandshakeBytes != opened.HandshakeBytes || got.BytesIn == opened.BytesIn {
		t.Errorf("%+v after an event, and %+v before it", got, opened)
	}
	go resp.Body.Close()
	if _, err := resp.Body.Read(text); err == nil {
		t.Error("a stream was read after its end")
	}
}

// TestAnsweredEarly asks a server that speaks HTTP/1.1 alone, and has said so before the first request.
func TestAnsweredEarly(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDialer(base, &Counts{})
	d.HTTP2 = true
	p := &Pool{Dialer: d}
	defer p.Close()
	s, err := p.share(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for s.Err() == nil && t.Context().Err() == nil { // until the answer is there
		time.Sleep(time.Millisecond)
	}
	req := transports.NewRequest(t.Context(), http.MethodGet, d.Base(), http.Header{}, nil)
	if _, err := p.stream(s, req, poll); !errors.Is(err, errHTTP1) {
		t.Errorf("%v, want that it doesn't speak HTTP/2", err)
	}
}

// TestNoHTTP2 asks servers that speak HTTP/1.1 alone, and for a WebSocket.
func TestNoHTTP2(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	silent := httptest.NewUnstartedServer(http.NotFoundHandler()) // it chooses no protocol in the TLS handshake
	silent.Listener = tls.NewListener(silent.Listener, &tls.Config{Certificates: secure.TLS.Certificates})
	silent.Start()
	defer silent.Close()
	silent.URL = "https" + strings.TrimPrefix(silent.URL, "http")
	for _, server := range []*httptest.Server{plain, secure, silent} {
		base, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDialer(base, &Counts{})
		d.HTTP2 = true
		if server != plain {
			d.Trust(secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
		}
		p := &Pool{Dialer: d}
		defer p.Close()
		if _, err := get(p, http.MethodGet, "/", time.Minute, poll); !errors.Is(err, errHTTP1) {
			t.Errorf("%s: %v, want that it doesn't speak HTTP/2", server.URL, err)
		}
	}
	_, p := over2(t, false, func(http.ResponseWriter, *http.Request) {})
	req := transports.NewRequest(t.Context(), http.MethodGet, p.Dialer.Base(), http.Header{"Upgrade": {"websocket"}}, nil)
	if _, err := p.RoundTrip(req); !errors.Is(err, ErrUpgrade) {
		t.Error(err)
	}
	d := NewDialer(&url.URL{Scheme: "http", Host: "127.0.0.1:9"}, &Counts{})
	d.HTTP2 = true
	d.Connect = func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }
	if _, err := get(&Pool{Dialer: d}, http.MethodPost, "/", time.Minute, transports.Purpose{Request: transports.Send}); !errors.Is(err, transports.ErrUnsent) {
		t.Errorf("a message without a connection: %v", err)
	}
}
