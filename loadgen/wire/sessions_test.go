package wire

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// TestResumed has a user join four times, and another one once: a user resumes its own session, over HTTP/1.1 and HTTP/2,
// TLS 1.2 and 1.3. Without Sessions, and where the server offers none, every handshake is a full one.
func TestResumed(t *testing.T) {
	for _, c := range []struct {
		name          string
		version       uint16
		http2, none   bool // none: the user has no Sessions
		without       bool // the server gives no tickets
		full, resumed int64
	}{
		{"TLS 1.3", tls.VersionTLS13, false, false, false, 2, 3},
		{"TLS 1.2", tls.VersionTLS12, false, false, false, 2, 3},
		{"TLS 1.3 and HTTP/2", tls.VersionTLS13, true, false, false, 2, 3},
		{"a user without sessions", tls.VersionTLS13, false, true, false, 5, 0},
		{"a user without sessions over HTTP/2", tls.VersionTLS13, true, true, false, 5, 0},
		{"a server without tickets", tls.VersionTLS13, false, false, true, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.EnableHTTP2 = true
			server.TLS = &tls.Config{MaxVersion: c.version, SessionTicketsDisabled: c.without}
			server.StartTLS()
			t.Cleanup(server.Close)
			base, _ := url.Parse(server.URL)
			var counts Counts
			d := NewDialer(base, &counts)
			d.HTTP2 = c.http2
			authorities := x509.NewCertPool()
			authorities.AddCert(server.Certificate())
			d.Trust(authorities)
			joined := func(sessions *Sessions) {
				pool := &Pool{Dialer: d, Sessions: sessions}
				defer pool.Close()
				if _, _, err := ask(t, pool, base, http.MethodGet, ""); err != nil {
					t.Fatal(err)
				}
			}
			mine, others := &Sessions{}, &Sessions{}
			if c.none {
				mine, others = nil, nil
			}
			for range 4 {
				joined(mine)
			}
			joined(others)
			if got := counts.Total(); got.TLSFull != c.full || got.TLSResumed != c.resumed || got.Connections != 5 {
				t.Errorf("%d full handshakes and %d resumed ones on %d connections, want %d and %d", got.TLSFull, got.TLSResumed, got.Connections, c.full, c.resumed)
			}
		})
	}
}
