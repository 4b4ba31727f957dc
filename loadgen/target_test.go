package loadgen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// redirector starts a server that answers with a status and a Location, in which {here} stands for its
// own host and {there} for another name of it.
func redirector(t *testing.T, answer func(r *http.Request) (status int, location string)) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, location := answer(r)
		_, port, _ := net.SplitHostPort(r.Host)
		if location != "" {
			location = strings.NewReplacer("{here}", r.Host, "{there}", "localhost:"+port).Replace(location)
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return parsed(t, server.URL)
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := ParseTarget(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A target that redirects is followed, with the credentials and the query as far as they may go.
func TestReachFollows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		locations map[string]string // by path; another path is fine
		want      string            // begins with the user information and the host; or, after "!", an error
	}{
		"not at all":            {nil, "tester:s3cr3t@{here}/?token=t0k3n"},
		"to a path":             {map[string]string{"/healthz": "/chat/healthz"}, "tester:s3cr3t@{here}/chat/?token=t0k3n"},
		"relatively":            {map[string]string{"/healthz": "chat/a%2Fb/healthz"}, "tester:s3cr3t@{here}/chat/a%2Fb/?token=t0k3n"},
		"without a scheme":      {map[string]string{"/healthz": "//{here}/chat/healthz"}, "tester:s3cr3t@{here}/chat/?token=t0k3n"},
		"twice":                 {map[string]string{"/healthz": "/a/healthz", "/a/healthz": "http://{here}/b/healthz#top"}, "tester:s3cr3t@{here}/b/?token=t0k3n"},
		"through a login":       {map[string]string{"/healthz": "/login?next=x", "/login": "/b/healthz?session=1"}, "tester:s3cr3t@{here}/b/?session=1"},
		"to another query":      {map[string]string{"/healthz": "/healthz2/healthz?token=other"}, "tester:s3cr3t@{here}/healthz2/?token=other"},
		"to another host":       {map[string]string{"/healthz": "http://{there}/chat/healthz"}, "{there}/chat/"},
		"there and back":        {map[string]string{"/healthz": "http://{there}/a/healthz", "/a/healthz": "http://127.0.0.1:{port}/b/healthz"}, "127.0.0.1:{port}/b/"},
		"to other credentials":  {map[string]string{"/healthz": "http://me:0th3r@{there}/a/healthz"}, "me:0th3r@{there}/a/"},
		"elsewhere":             {map[string]string{"/healthz": "/login"}, "!http://xxxxx@{here}/?token=xxxxx, which redirects to http://xxxxx@{here}/login?token=xxxxx: it ends there, not at a path that ends in /healthz: name"},
		"to itself":             {map[string]string{"/healthz": "/healthz"}, "!it redirects to itself: check its configuration"},
		"round and round":       {map[string]string{"/healthz": "/a/healthz", "/a/healthz": "/healthz"}, "!it redirects for the 11th time: name"},
		"nowhere":               {map[string]string{"/healthz": "-"}, "!without a Location: name"},
		"to a mail address":     {map[string]string{"/healthz": "mailto:me"}, `!which leads to "mailto:me", no address of a server: name`},
		"to what is no address": {map[string]string{"/healthz": "http://s3cr3t:%zz@"}, `!which leads to "http:...", no address of a server: name`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, status := range []int{301, 302, 303, 307, 308} {
				var port string
				base := redirector(t, func(r *http.Request) (int, string) {
					location := c.locations[r.URL.Path]
					_, _, has := r.BasicAuth()
					if here := strings.HasPrefix(r.Host, "127.0.0.1:"); !here && has && !strings.Contains(c.want, "0th3r") || !here && r.URL.RawQuery != "" {
						t.Errorf("%s is sent %v and %q", r.Host, r.Header["Authorization"], r.URL.RawQuery)
					}
					switch {
					case location == "":
						return 200, ""
					case location == "-":
						return status, ""
					}
					return status, strings.ReplaceAll(location, "{port}", port)
				})
				port = base.Port()
				base.User, base.RawQuery = url.UserPassword("tester", "s3cr3t"), "token=t0k3n"
				want := strings.NewReplacer("{here}", base.Host, "{there}", "localhost:"+port, "{port}", port).Replace(c.want)
				got, err := Reach(t.Context(), base, nil)
				if fail, ok := strings.CutPrefix(want, "!"); ok {
					if err == nil || !strings.Contains(err.Error(), fail) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "t0k3n") {
						t.Errorf("got %v, %v; want %s", got, err, fail)
					}
				} else if err != nil || got.String() != "http://"+want {
					t.Errorf("got %v, %v; want http://%s", got, err, want)
				}
				if i == 0 && t.Failed() {
					return
				}
			}
		})
	}
}

// A status that is no success is one line with what to do. Answers that repeat the request reveal nothing.
func TestReachRefused(t *testing.T) {
	t.Parallel()
	for address, c := range map[string]struct {
		status int
		want   string
	}{
		"http://{here}":                     {401, "the server answered 401 Unauthorized to GET /healthz: write credentials for this host into the URL, as in http://USER:PASSWORD@HOST"},
		"http://me:s3cr3t@{here}":           {401, "401 Unauthorized to GET /healthz: check the credentials"},
		"http://{here}/chat/?token=s3cr3t":  {403, "403 Forbidden to GET /chat/healthz: check the credentials and the query of the URL"},
		"http://{here}?s3cr3t":              {300, "300 Multiple Choices"},
		"http://{here}/x":                   {404, "404 Not Found to GET /x/healthz: start it with pushpull serve, or check the URL"},
		"http://me:s3cr3t@{here}?token=abc": {503, "503 Service Unavailable"},
	} {
		base := redirector(t, func(*http.Request) (int, string) { return c.status, "" })
		_, err := Reach(t.Context(), parsed(t, strings.ReplaceAll(address, "{here}", base.Host)), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v, want %s", address, err, c.want)
		}
	}
	base := answering(t, "HTTP/1.1 404 no s3cr3t here\r\nContent-Length: 0\r\n\r\n")
	base.User = url.UserPassword("me", "s3cr3t")
	if _, err := Reach(t.Context(), base, nil); err == nil || !strings.Contains(err.Error(), "404 no xxxxx here") {
		t.Errorf("got %v", err)
	}
}

// An authority signs the certificates of servers.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a private authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// serve starts a server with a certificate for names and 127.0.0.1 that is valid until a time.
func (a *authority) serve(t *testing.T, until time.Time, names []string, ips []net.IP, handler http.Handler) *url.URL {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a server"}, DNSNames: names, IPAddresses: ips,
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes, which fail on purpose
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return parsed(t, server.URL)
}

// Each way in which TLS fails is one line that says what to do.
func TestReachTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	fine := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	later, loopback := time.Now().Add(time.Hour), []net.IP{net.IPv4(127, 0, 0, 1)}
	valid := a.serve(t, later, nil, loopback, fine)
	reaches := func(base *url.URL, pool *x509.CertPool, want string) {
		t.Helper()
		_, err := Reach(t.Context(), base, pool)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: got %v, want %s", base, err, want)
		}
	}
	scheme := func(base *url.URL, scheme string) *url.URL {
		other := *base
		other.Scheme = scheme
		return &other
	}
	reaches(valid, a.pool, "")
	reaches(valid, nil, "certificate signed by unknown authority: name a file with the certificate of its authority in --ca FILE or SSL_CERT_FILE")
	reaches(a.serve(t, later, []string{"chat.example"}, nil, fine), a.pool, "write a name that its certificate has into the URL")
	reaches(a.serve(t, time.Now().Add(-time.Minute), nil, loopback, fine), a.pool, "renew its certificate, or check the clock of this machine")
	reaches(scheme(redirector(t, func(*http.Request) (int, string) { return 200, "" }), "https"), a.pool, "it speaks no TLS on this port, write http:// instead of https://")
	reaches(scheme(valid, "http"), a.pool, "the server answered 400 Bad Request to GET /healthz: it speaks TLS on this port, write https:// instead of http://")

	// A server that hangs up on plain HTTP, as Node.js does.
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	reaches(&url.URL{Scheme: "http", Host: listener.Addr().String()}, nil, "it speaks TLS on this port, write https:// instead of http://")

	// A redirection leads to TLS, with credentials; the way back takes none along.
	secure := redirector(t, func(*http.Request) (int, string) { return 301, scheme(valid, "https").JoinPath("healthz").String() })
	secure.User = url.UserPassword("me", "s3cr3t")
	if got, err := Reach(t.Context(), secure, a.pool); err != nil || got.String() != "https://me:s3cr3t@"+valid.Host+"/" {
		t.Errorf("got %v, %v", got, err)
	}
	plain := redirector(t, func(r *http.Request) (int, string) {
		if r.Header.Get("Authorization") != "" || r.URL.RawQuery != "" {
			t.Errorf("sent in clear: %s with %v", r.RequestURI, r.Header)
		}
		return 200, ""
	})
	back := a.serve(t, later, nil, loopback, http.RedirectHandler(plain.JoinPath("healthz").String(), http.StatusFound))
	back.User, back.RawQuery = url.UserPassword("me", "s3cr3t"), "token=t0k3n"
	if got, err := Reach(t.Context(), back, a.pool); err != nil || got.String() != plain.String() {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestGuarded measures a server behind TLS, a path, credentials and a query that every request must
// carry: polls, sends, handshakes, the calibration, and those for its stats.
func TestGuarded(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	inner := foreign(t, &memory.Store{})
	forward := proxy(t, inner)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if name != "tester" || password != "s3:cr3t" || r.URL.Query().Get("token") != "t0 k3n" || !strings.HasPrefix(r.URL.Path, "/chat/") {
			t.Errorf("%s is asked with %q %q", r.URL, name, password)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		http.StripPrefix("/chat", forward).ServeHTTP(w, r)
	})
	base := a.serve(t, time.Now().Add(time.Hour), nil, []net.IP{net.IPv4(127, 0, 0, 1)}, handler)
	address := fmt.Sprintf("https://tester:s3%%3Acr3t@%s/chat?token=t0%%20k3n", base.Host)
	target, err := Reach(t.Context(), parsed(t, address), a.pool)
	if err != nil {
		t.Fatal(err)
	}
	s := small
	s.Transports = specs("50ms")
	if len(s.Transports) != len(all.Names()) {
		t.Fatal(s.Transports)
	}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: target, Authorities: a.pool}}})
	if err != nil || len(windows) != s.Rounds*len(s.Transports) {
		t.Fatalf("%d windows, %v", len(windows), err)
	}
	for _, w := range windows {
		if w.Lost > 0 || w.Expected == 0 || len(w.Errors) > 0 || w.Calibration.RoundTrip == nil {
			t.Errorf("%s: %d of %d lost, %v", w.Transport, w.Lost, w.Expected, w.Errors)
		}
	}
}

// A server that repeats the request in its answers puts no secret into a window or an error.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	forward := proxy(t, foreign(t, &memory.Store{}))
	for refused, transport := range map[string]string{http.MethodPost: "long-poll", http.MethodGet: "websocket"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == refused {
				http.Error(w, "Cannot "+r.Method+" "+r.RequestURI+" as "+r.Header.Get("Authorization"), http.StatusTeapot)
				return
			}
			forward.ServeHTTP(w, r)
		}))
		defer server.Close()
		target := parsed(t, strings.Replace(server.URL, "//", "//tester:s3cr3t@", 1)+"?token=t0k3n")
		s := small
		s.Transports, s.Drain = []string{transport}, .1
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: target}}})
		texts := fmt.Sprint(err)
		for _, w := range windows {
			texts += fmt.Sprint(w.Errors)
		}
		if !strings.Contains(texts, "418") || !strings.Contains(texts, "token=xxxxx") {
			t.Errorf("%s: the answer is not in %s", transport, texts)
		}
		for _, secret := range []string{"s3cr3t", "t0k3n", "dGVzdGVyOnMzY3IzdA=="} {
			if strings.Contains(texts, secret) {
				t.Errorf("%s: %s is in %s", transport, secret, texts)
			}
		}
	}
}

// proxy returns a handler that passes requests on to a server.
func proxy(t *testing.T, to *url.URL) http.Handler {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := httputil.NewSingleHostReverseProxy(to)
	p.Transport, p.ErrorLog = transport, log.New(io.Discard, "", 0) // of users who leave
	return p
}
