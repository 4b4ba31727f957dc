package transports_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"pushpull/transports"
)

// over returns the status of a request with a Host that came in at a local address.
func over(hosts transports.Hosts, local net.Addr, host string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, "/stats", nil)
	req.Host = host
	if local != nil {
		req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, local))
	}
	w := httptest.NewRecorder()
	hosts.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, req)
	return w
}

func TestHosts(t *testing.T) {
	hosts := transports.Hosts{
		Others: []string{"box.example", "https://Chat.example:8443", "2001:db8::1", "http://[2001:DB8::2]", "", "::", "https://"},
		Advice: "do that",
	}
	loopback := []net.Addr{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9), Port: 8080},
		&net.TCPAddr{IP: net.IPv6loopback, Port: 8080}, &net.TCPAddr{IP: net.ParseIP("::ffff:127.0.0.1"), Port: 8080},
	}
	elsewhere := []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 168, 0, 7), Port: 8080}, &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 8080}, nil,
		&net.UnixAddr{Name: "/run/socket"},
	}
	for _, host := range []string{
		"", "localhost", "localhost:8080", "LocalHost:1", "localhost.", "localhost.:80", "localhost:", "a.localhost", "x.y.LOCALHOST.:9",
		"127.0.0.1", "127.0.0.1:8080", "127.1.2.3:80", "127.0.0.1.:80", "[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]:80",
		"box.example", "BOX.example.:8080", "chat.example", "chat.example:443", "[2001:db8::1]:8080", "[2001:db8:0::1]", "[2001:db8::2]", "[::]:80",
	} {
		for _, local := range append(loopback, elsewhere...) {
			if w := over(hosts, local, host); w.Code != http.StatusTeapot {
				t.Errorf("%q at %v: %d %s", host, local, w.Code, w.Body)
			}
		}
	}
	for _, host := range []string{
		"evil.example", "evil.example:8080", "127.0.0.1.nip.io", "localhost.evil.example", "evil-localhost", "xlocalhost", "localhost.localdomain",
		".", ":", ":8080", "[", "[]", "[::1", "[::1]x", "[::1]:x", "::1", "[127.0.0.1]", "[localhost]", "[::1%25lo]:80", "[::1%lo]", "[::2]",
		"localhost:80:80", "localhost:x", "localhost..", "127.1", "127.0.0.1:80@evil.example", "evil.example@127.0.0.1", "localhost@evil.example",
		"0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.01", "128.0.0.1", "0.0.0.0", "10.0.0.1", "192.168.0.7:8080", "localhost evil.example",
		"localhost,evil.example", "chat.example.evil.example", "xchat.example", "https://chat.example", "ｌocalhost", "1.0.0.127", strings.Repeat("a", 300),
	} {
		for _, local := range loopback {
			w := over(hosts, local, host)
			says(t, host, w, http.StatusMisdirectedRequest, "do that")
			if w.Body.Len() > 300 {
				t.Errorf("%.20s...: a response of %d bytes", host, w.Body.Len())
			}
		}
		for _, local := range elsewhere {
			if w := over(hosts, local, host); w.Code != http.StatusTeapot {
				t.Errorf("%q beyond loopback: %d %s", host, w.Code, w.Body)
			}
		}
	}
}

// FuzzHosts checks that no host gets through whose name, as a browser resolves it, may lead elsewhere.
func FuzzHosts(f *testing.F) {
	for _, host := range []string{"localhost:80", "a.localhost.", "[::1]:8080", "127.0.0.1", "127.0.0.1.nip.io", "[::ffff:127.0.0.1]", "evil@localhost", "::1", "[::1%lo]"} {
		f.Add(host)
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	f.Fuzz(func(t *testing.T, host string) {
		if host == "" || over(transports.Hosts{}, local, host).Code == http.StatusMisdirectedRequest {
			return
		}
		name := host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
		name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
		ip, err := netip.ParseAddr(name)
		loopback := err == nil && ip.Unmap().IsLoopback()
		if !loopback && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
			t.Errorf("%q is served", host)
		}
	})
}

// Every request is checked, so that costs no allocation.
func TestHostsAllocatesNothing(t *testing.T) {
	handler := transports.Hosts{}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, host := range []string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080"} {
		req := httptest.NewRequest(http.MethodGet, "/stats", nil)
		req.Host = host
		if n := testing.AllocsPerRun(100, func() { handler.ServeHTTP(nil, req) }); n != 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}
