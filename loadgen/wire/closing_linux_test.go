package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushpull/transports"
)

// held reports whether the kernel keeps the port of a connection that was closed, in the state 06,
// TIME_WAIT (proc_net_tcp in the kernel's documentation).
func held(t *testing.T, local net.Addr, server string) bool {
	t.Helper()
	data, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	hex := func(address string) string {
		a := netip.MustParseAddrPort(address)
		return fmt.Sprintf("0100007F:%04X", a.Port()) // 127.0.0.1
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == hex(local.String()) && f[2] == hex(server) && f[3] == "06" {
			return true
		}
	}
	return false
}

// TestClosing closes connections in each state. The server sees a reset where nothing of the user's
// could get lost, and the connection's usual end where a message was under way. No port is held but by
// the latter.
func TestClosing(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, c := range []struct {
		name, method, answer string
		cancelled, upgrade   bool // cancelled: while the request has no answer
		want                 error
	}{
		{"after a poll", http.MethodGet, ok, false, false, syscall.ECONNRESET},
		{"after a message", http.MethodPost, ok, false, false, syscall.ECONNRESET},
		{"after the last answer", http.MethodPost, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, false, syscall.ECONNRESET},
		{"during a poll", http.MethodGet, "", true, false, syscall.ECONNRESET},
		{"during a message", http.MethodPost, "", true, false, nil},
		{"after a broken answer", http.MethodGet, "what?\r\n", false, false, syscall.ECONNRESET},
		{"after a broken answer to a message", http.MethodPost, "what?\r\n", false, false, nil},
		{"during a handshake", http.MethodGet, "", true, true, nil},
		{"after a refused handshake", http.MethodGet, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false, true, nil},
		{"after a broken answer to a handshake", http.MethodGet, "what?\r\n", false, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen, from := make(chan error, 1), make(chan net.Addr, 1)
			base := peers(t, func(p *peer) {
				p.next()
				from <- p.RemoteAddr()
				if c.cancelled {
					cancel()
				} else {
					p.say(c.answer)
				}
				_, err := io.Copy(io.Discard, p)
				seen <- err
			})
			pool := newPool(t, base)
			req, err := http.NewRequestWithContext(ctx, c.method, base.JoinPath("/").String(), strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if c.upgrade {
				req.Header.Set("Upgrade", "echo")
			}
			if resp, err := pool.RoundTrip(req); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			pool.Close()
			within(t, seen, func(err error) {
				if !errors.Is(err, c.want) {
					t.Errorf("the server sees %v, want %v", err, c.want)
				}
			})
			if local := <-from; c.want != nil && held(t, local, base.Host) {
				t.Errorf("%v is held", local)
			}
		})
	}
}

// TestLeaveStream closes a stream that goes one way while another goroutine reads it, or none: the read ends at
// once, and the connection is reset, as no message of the user's is under way on it. No port is held.
func TestLeaveStream(t *testing.T) {
	for _, reading := range []bool{true, false} {
		seen, from := make(chan error, 1), make(chan net.Addr, 1)
		base := peers(t, func(p *peer) {
			p.next()
			from <- p.RemoteAddr()
			p.say(stream + "5\r\nhello\r\n")
			_, err := io.Copy(io.Discard, p)
			seen <- err
		})
		pool := newPool(t, base)
		pool.Dialer.Stream = true
		resp, err := pool.RoundTrip(transports.NewRequest(t.Context(), http.MethodGet, base.JoinPath("/"), http.Header{}, nil))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		if reading {
			go func() {
				_, err := io.Copy(io.Discard, resp.Body)
				ended <- err
			}()
		} else {
			ended <- net.ErrClosed
		}
		resp.Body.Close()
		resp.Body.Close()
		within(t, ended, func(err error) {
			if err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("a stream that is left ends with %v", err)
			}
		})
		pool.Close()
		within(t, seen, func(err error) {
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server sees %v, want a reset", err)
			}
		})
		if local := <-from; held(t, local, base.Host) {
			t.Errorf("%v is held", local)
		}
	}
}

// TestDepartures closes a WebSocket: what was written before arrives, its reader ends at once, and the
// server closes the connection first, or it is reset.
func TestDepartures(t *testing.T) {
	for name, closes := range map[string]bool{"the server closes": true, "the server does not close": false} {
		t.Run(name, func(t *testing.T) {
			came, done, from := make(chan string, 1), make(chan error, 1), make(chan net.Addr, 1)
			base := peers(t, func(p *peer) {
				p.next()
				from <- p.RemoteAddr()
				p.say(handshake)
				last := make([]byte, len("the last words"))
				io.ReadFull(p.request, last)
				came <- string(last)
				if closes {
					p.Close()
					done <- nil
					return
				}
				_, err := io.Copy(io.Discard, p)
				done <- err
			})
			pool := newPool(t, base)
			conn := upgrade(t, pool, base)
			read := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, conn)
				read <- err
			}()
			io.WriteString(conn, "the last words")
			conn.Close()
			within(t, read, func(err error) {
				if !errors.Is(err, net.ErrClosed) && (err != nil || !closes) {
					t.Errorf("the reader ended with %v, want %v", err, net.ErrClosed)
				}
			})
			if _, err := io.WriteString(conn, "more"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write after Close ended with %v, want %v", err, net.ErrClosed)
			}
			pool.Close()
			pool.Dialer.Departures.Close()
			within(t, came, func(last string) {
				if last != "the last words" {
					t.Errorf("the server read %q at last", last)
				}
			})
			within(t, done, func(err error) {
				if !closes && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the server sees %v, want a reset", err)
				}
			})
			if local := <-from; held(t, local, base.Host) {
				t.Errorf("%v is held", local)
			}
		})
	}
}

// TestDepartAgain has a server close a WebSocket, and users that leave some: a later dial closes those
// that were left for long enough.
func TestDepartAgain(t *testing.T) {
	base := peers(t, func(p *peer) {
		p.next()
		if p.say(handshake); p.number > 0 {
			io.Copy(io.Discard, p)
		}
	})
	pool := newPool(t, base)
	d := pool.Dialer.Departures
	ended := upgrade(t, pool, base)
	if _, err := io.Copy(io.Discard, ended); err != nil {
		t.Fatal(err)
	}
	ended.Close()
	if len(d.conns) != 0 {
		t.Error("a connection that the server has closed is left to it")
	}
	old, young := upgrade(t, pool, base), upgrade(t, pool, base)
	old.Close()
	young.Close()
	d.conns[0].at = time.Now().Add(-closeWait)
	if err := pool.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !closed(old.(*upgraded).conn) || closed(young.(*upgraded).conn) || len(d.conns) != 1 {
		t.Errorf("%d connections are left, want the younger one", len(d.conns))
	}
	d.Close()
	if !closed(young.(*upgraded).conn) || len(d.conns) != 0 {
		t.Error("Close leaves a connection open")
	}
	if !errors.Is(old.Close(), net.ErrClosed) {
		t.Error("a connection can be closed twice")
	}
}
