package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
)

// piped returns a pool with one idle connection in memory, whose time is that of the bubble. serve
// gets its other end.
func piped(t *testing.T, serve func(p *peer)) (*Pool, *url.URL) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "server.test"}
	pool := newPool(t, base)
	user, server := net.Pipe()
	pool.put(newConn(user, pool.Dialer.Counts, &carried{}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		serve(&peer{Conn: server, request: bufio.NewReader(server)})
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return pool, base
}

const limit = 10 * time.Second

// request makes a request that must be answered within limit.
func request(ctx context.Context, t *testing.T, pool *Pool, base *url.URL, method string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(transports.Within(ctx, limit, "answer"), method, base.JoinPath("/").String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if pool.Dialer.Stream {
		req.Header.Set("Upgrade", "echo")
	}
	return pool.RoundTrip(req)
}

// isLate reports whether err says that the limit has passed, and nothing else.
func isLate(err error) bool {
	late, ok := errors.AsType[*transports.TimeoutError](err)
	return ok && late.Limit == limit && late.Part == "answer" && !errors.Is(err, ErrStale)
}

// TestLimit has answers that stop at some place, of which the rest never comes, and one that comes
// drop by drop: each request fails once its limit has passed, and isn't tried again.
func TestLimit(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, c := range []struct {
			name, says string
			drops      bool // each byte comes a second later
			head       bool // it comes whole
		}{
			{"nothing", "", false, false},
			{"a byte", "H", false, false},
			{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", false, false},
			{"an announcement", "HTTP/1.1 100 Continue\r\n\r\n", false, false},
			{"a head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, true},
			{"half a body", whole[:len(whole)-2], false, true},
			{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", false, true},
			{"drops", whole, true, false},
		} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pool, base := piped(t, func(p *peer) {
						p.next()
						for i := range c.says {
							if c.drops {
								time.Sleep(time.Second)
							}
							if !p.says(c.says[i : i+1]) {
								return
							}
						}
						p.next() // until the user has gone
					})
					begun := time.Now()
					resp, err := request(t.Context(), t, pool, base, method)
					if (err == nil) != c.head {
						t.Fatalf("the head: %v", err)
					}
					if err == nil {
						_, err = io.ReadAll(resp.Body)
						resp.Body.Close()
					}
					if took := time.Since(begun); !isLate(err) || took != limit {
						t.Errorf("%v after %v, want a limit of %v", err, took, limit)
					}
					if pool.waiting() != 0 {
						t.Error("the connection is kept")
					}
				})
			})
		}
	}
}

// says writes text, and reports whether the user is still there.
func (p *peer) says(text string) bool {
	_, err := io.WriteString(p, text)
	return err == nil
}

// TestLimitOfEach counts the limit of each request from its own start: a connection carries several,
// and one without a limit, for longer than the limit.
func TestLimitOfEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, base := piped(t, func(p *peer) {
			for p.next() != nil {
				time.Sleep(limit - time.Second)
				p.says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			}
		})
		for range 3 {
			resp, err := request(t.Context(), t, pool, base, http.MethodPost)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(resp.Body); string(data) != "hello" || err != nil {
				t.Fatalf("%q, %v", data, err)
			}
			resp.Body.Close()
			time.Sleep(limit) // while it is idle
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(limit)
		resp, err := pool.RoundTrip(req)
		if err != nil {
			t.Fatalf("a request without a limit after one with it: %v", err)
		}
		resp.Body.Close()
	})
}

// TestLimitOfStreams ends with the head of an answer that opens a stream: what comes on it may be later.
func TestLimitOfStreams(t *testing.T) {
	for name, head := range map[string]string{"upgrade": handshake, "one way": stream} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				late := "5\r\nhello\r\n"
				if name == "upgrade" {
					late = "hello"
				}
				pool, base := piped(t, func(p *peer) {
					p.next()
					time.Sleep(limit - time.Second)
					p.says(head)
					time.Sleep(2 * limit)
					p.says(late)
					p.next()
				})
				pool.Dialer.Stream = true
				resp, err := request(t.Context(), t, pool, base, http.MethodGet)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got := make([]byte, len("hello"))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "hello" {
					t.Errorf("read %q, %v", got, err)
				}
			})
		})
	}
}

// TestLimitGivesWay has a request end for another reason before its limit, also on a stream.
func TestLimitGivesWay(t *testing.T) {
	for name, head := range map[string]string{"no answer": "", "half an answer": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "a stream": stream} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool, base := piped(t, func(p *peer) {
					p.next()
					p.says(head)
					p.next()
				})
				pool.Dialer.Stream = name == "a stream"
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				time.AfterFunc(limit/2, func() { cancel(errGone) })
				resp, err := request(ctx, t, pool, base, http.MethodGet)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if err != errGone {
					t.Errorf("it ended with %v, want %v", err, errGone)
				}
			})
		})
	}
}

// TestSpent has an answer after which its connection isn't used again.
func TestSpent(t *testing.T) {
	for answer, kept := range map[string]int{"408 Request Timeout": 0, "421 Misdirected Request": 0, "429 Too Many Requests": 1, "503 Service Unavailable": 1} {
		synctest.Test(t, func(t *testing.T) {
			pool, base := piped(t, func(p *peer) {
				p.next()
				p.says("HTTP/1.1 " + answer + "\r\nContent-Length: 2\r\n\r\nno")
				p.next()
			})
			resp, err := request(t.Context(), t, pool, base, http.MethodGet)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if n := pool.waiting(); n != kept {
				t.Errorf("%s: %d connections are kept, want %d", answer, n, kept)
			}
		})
	}
}

// TestLimitOfDialing has servers that don't finish a TLS handshake, and that don't take a connection at
// all within a limit that nothing can keep: a message is known as unsent.
func TestLimitOfDialing(t *testing.T) {
	base := peers(t, func(p *peer) { io.Copy(io.Discard, p) })
	for part, c := range map[string]struct {
		scheme string
		limit  time.Duration
	}{
		"finish the TLS handshake": {"https", 100 * time.Millisecond},
		"take a connection":        {"http", time.Nanosecond},
	} {
		base := *base
		base.Scheme = c.scheme
		pool := newPool(t, &base)
		pool.Dialer.limit = c.limit
		_, err := request(t.Context(), t, pool, &base, http.MethodPost)
		late, ok := errors.AsType[*transports.TimeoutError](err)
		if !ok || late.Part != part || late.Limit != c.limit || !errors.Is(err, transports.ErrUnsent) {
			t.Errorf("it ended with %v, want %s", err, part)
		}
		if err := pool.Open(t.Context()); !errors.As(err, &late) {
			t.Errorf("opening a connection ended with %v, want %s", err, part)
		}
	}
}

// TestOpenAfterLimit has an idle connection with the limit of its last request behind it: it is still
// seen to be open, and takes a message.
func TestOpenAfterLimit(t *testing.T) {
	base := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	pool := newPool(t, base)
	if err := pool.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.idle[0].SetDeadline(time.Now().Add(-time.Second))
	if _, text, err := ask(t, pool, base, http.MethodPost, ""); err != nil || text != "ok" {
		t.Errorf("got %q, %v", text, err)
	}
	if got := pool.Dialer.Counts.Total().Connections; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}
