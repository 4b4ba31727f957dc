package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports/certificate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream serves requests, an upgrade to a protocol that echoes, and a stream of two events.
func upstream(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/stream":
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 2 { // nginx passes on what comes along with the head
				fmt.Fprintf(w, "data: %d\n\n", i)
				http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
			<-r.Context().Done()
		case r.Header.Get("Upgrade") == "echo":
			c, both, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			line, _ := both.ReadString('\n')
			io.WriteString(c, line)
		default:
			fmt.Fprint(w, r.Proto)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestKinds starts each proxy: what it does to plain requests, upgrades and streams is what its description says.
func TestKinds(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			if _, err := kind.Path(); err != nil {
				if os.Getenv("PUSHPULL_CI") != "" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			server := upstream(t)
			made, err := certificate.Make()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "both.pem")
			if err := os.WriteFile(file, slices.Concat(made.PEM, made.KeyPEM), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, secure := range []string{"", file} {
				ctx, stop := context.WithCancel(t.Context())
				lines, announce := io.Pipe()
				done := make(chan error, 1)
				go func() {
					err := kind.Serve(ctx, Front{Server: server.Listener.Addr().String(), Certificate: secure}, announce, io.Discard)
					announce.CloseWithError(err)
					done <- err
				}()
				line, err := bufio.NewReader(lines).ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				base, err := url.Parse(strings.TrimSpace(strings.TrimPrefix(line, "listening on ")))
				if err != nil || base.Scheme != map[bool]string{false: "http", true: "https"}[secure != ""] {
					t.Fatalf("%q, %v", line, err)
				}
				ask := func(request string, wait time.Duration) string {
					c, err := net.Dial("tcp", base.Host)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if secure != "" {
						c = tls.Client(c, &tls.Config{RootCAs: made.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
					}
					c.SetDeadline(time.Now().Add(wait))
					io.WriteString(c, request)
					got, _ := io.ReadAll(c)
					return string(got)
				}
				plain := ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 5*time.Second)
				if want := map[bool]string{true: "HTTP/1.0", false: "HTTP/1.1"}[kind.Name == "nginx"]; !strings.HasPrefix(plain, "HTTP/1.1 200") || !strings.Contains(plain, want+"\r\n") && !strings.HasSuffix(plain, want) {
					t.Errorf("the server is asked like %q, want %s", plain, want)
				}
				up := ask("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello\n", 300*time.Millisecond)
				if upgraded := strings.HasPrefix(up, "HTTP/1.1 101") && strings.HasSuffix(up, "hello\n"); upgraded == (kind.Name == "nginx") {
					t.Errorf("an upgrade is answered %q", up)
				}
				events := ask("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n", 300*time.Millisecond)
				if came := strings.Contains(events, "data: 1\n"); came == (kind.Name == "nginx") {
					t.Errorf("a stream begins with %q", events)
				}
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A proxy that isn't there, or can't start, is reported in one line that says what to do.
func TestServeFails(t *testing.T) {
	kind := Kinds()[0]
	kind.Program, kind.Package = "pushpull-no-such-proxy", "some-package"
	if err := kind.Serve(t.Context(), Front{}, io.Discard, io.Discard); err == nil || err.Error() != "pushpull-no-such-proxy is not in the PATH: install it, as with apt install some-package" {
		t.Error(err)
	}
	kind = Kinds()[0]
	if _, err := kind.Path(); err != nil {
		t.Skip(err)
	}
	err := kind.Serve(t.Context(), Front{Server: "not a host"}, io.Discard, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "starting nginx: it ended: ") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}
