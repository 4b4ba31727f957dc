package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/certificate"
	"pushpull/transports/transporttest"
)

// trusting is the side of a client that doesn't check the certificate: in virtual time it isn't valid yet.
var trusting = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // of tests

var made = sync.OnceValues(func() (*certificate.Made, error) { return certificate.Make() })

// ownTLS returns what makes a server speak TLS.
func ownTLS(t testing.TB) *tls.Config {
	t.Helper()
	own, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{own.TLS}} //nolint:gosec // the server sets the least version
}

// pairOver returns both ends of a connection over TLS, of which the server's is a secured one over a buffer of so many
// bytes each way.
func pairOver(t *testing.T, bytes int) (user *tls.Conn, server *secured) {
	t.Helper()
	network := transporttest.Buffered(bytes)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := network.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	below, err := network.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	server = newSecured(<-accepted, secureConfig(ownTLS(t)))
	shaken := make(chan error, 1)
	go func() { shaken <- server.handshake(time.Second) }()
	user = tls.Client(below, trusting)
	if err := errors.Join(user.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return user, server
}

// Whatever sizes are tried and written, and however little the other end takes at a time, it reads the same bytes.
func TestSecuredTryWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user, server := pairOver(t, 4<<10)
		defer user.Close()
		data := make([]byte, 200_000)
		for i := range data {
			data[i] = byte(i % 251)
		}
		var got []byte
		var reading sync.WaitGroup
		reading.Go(func() {
			piece := make([]byte, 1000)
			for len(got) < len(data) {
				n, err := user.Read(piece)
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, piece[:n]...)
				time.Sleep(time.Millisecond)
			}
		})
		short := 0
		for from, size := 0, 1; from < len(data); size = size*3%50_021 + 1 {
			to := min(from+size, len(data))
			n, err := server.TryWrite(data[from:to])
			if err != nil {
				t.Fatal(err)
			}
			if n < to-from {
				short++
				if short%2 == 0 { // it may be tried again instead
					synctest.Wait()
					again, err := server.TryWrite(data[from+n : to])
					if err != nil {
						t.Fatal(err)
					}
					n += again
				}
				if n < to-from {
					if more, err := server.Write(data[from+n : to]); err != nil || n+more != to-from {
						t.Fatalf("wrote %d of %d bytes, %v", n+more, to-from, err)
					}
				}
			}
			from = to
		}
		reading.Wait()
		if !bytes.Equal(got, data) {
			t.Error("what is read is not what was written")
		}
		if short < 3 {
			t.Errorf("the connection took all of a write but %d times: the test shows nothing", short)
		}
		server.Close()
	})
}

// A connection whose user reads nothing takes no record but the one that waits, and never makes a TryWrite wait.
func TestSecuredStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user, server := pairOver(t, 4<<10)
		defer user.Close()
		begun := time.Now()
		data := make([]byte, 100_000)
		first, err := server.TryWrite(data)
		if err != nil || first >= len(data) {
			t.Fatalf("took %d bytes, %v", first, err)
		}
		for range 10 {
			if n, err := server.TryWrite(data[first:]); n != 0 || err != nil {
				t.Errorf("a full connection takes %d bytes, %v", n, err)
			}
		}
		if waiting := len(server.below.rest); waiting > recordBytes+100 {
			t.Errorf("%d bytes wait", waiting)
		}
		server.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := server.Write(data[first:]); err == nil || time.Since(begun) != time.Second {
			t.Errorf("a write ends after %v: %v", time.Since(begun), err)
		}
		server.Close()
	})
}

// A client that doesn't finish its handshake is cut off, and the others don't wait for it.
func TestSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{TLS: ownTLS(t), HeaderTimeout: 3 * time.Second})
		begun := time.Now()
		silent, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		user := tls.Client(c, trusting)
		io.WriteString(user, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if answer, err := io.ReadAll(user); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") || time.Since(begun) > time.Second {
			t.Errorf("%q, %v, after %v", answer, err, time.Since(begun))
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil || time.Since(begun) != 3*time.Second {
			t.Errorf("the silent connection read %v after %v", err, time.Since(begun))
		}
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Plain HTTP on a port with TLS is told so, and what is neither is closed.
func TestPlainOnTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{TLS: ownTLS(t)})
		for sent, want := range map[string]string{
			"GET /rooms/r/websocket HTTP/1.1\r\nHost: localhost\r\n\r\n": "this port speaks TLS: write https:// instead of http://",
			"\x00\x01\x02\x03\x04\x05\x06\x07":                           "",
		} {
			c, err := sd.dial()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, sent)
			answer, _ := io.ReadAll(c)
			c.Close()
			if want == "" {
				if strings.Contains(string(answer), "HTTP") {
					t.Errorf("%q is answered %q", sent, answer)
				}
				continue
			}
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), want) {
				t.Errorf("%q is answered %q", sent, answer)
			}
		}
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Both versions of TLS are spoken, older ones are not, and a client that comes again resumes its session.
func TestTLSVersionsAndResumption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{TLS: ownTLS(t)})
		shake := func(config *tls.Config) (tls.ConnectionState, error) {
			c, err := sd.dial()
			if err != nil {
				t.Fatal(err)
			}
			user := tls.Client(c, config)
			defer user.Close()
			_, err = io.WriteString(user, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if err == nil {
				_, err = io.ReadAll(user) // the session ticket comes along
			}
			return user.ConnectionState(), err
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := trusting.Clone()
			config.MaxVersion, config.ServerName, config.ClientSessionCache = version, "localhost", tls.NewLRUClientSessionCache(1)
			for again := range 2 {
				state, err := shake(config)
				if err != nil || state.Version != version || state.DidResume != (again == 1) {
					t.Errorf("%s, handshake %d: %s, resumed %v, %v", tls.VersionName(version), again+1, tls.VersionName(state.Version), state.DidResume, err)
				}
			}
		}
		old := trusting.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		if _, err := shake(old); err == nil {
			t.Error("the server speaks TLS 1.1")
		}
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A connection beyond the limit is refused over TLS, too.
func TestRefusedOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{TLS: ownTLS(t), Connections: 1})
		first, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		user := tls.Client(c, trusting)
		io.WriteString(user, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if answer, _ := io.ReadAll(user); !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
			t.Errorf("%q", answer)
		}
		first.Close()
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
}
