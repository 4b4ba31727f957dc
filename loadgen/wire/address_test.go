package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pushpull/transports"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:8080":       "http://127.0.0.1:8080/",
		"HTTP://Chat.Example/a":       "http://Chat.Example/a",
		"http://chat.example:":        "http://chat.example/",
		"http://chat.example:080/":    "http://chat.example:80/",
		"http://chat.example.":        "http://chat.example./",
		"https://[::1]/":              "https://[::1]/",
		"https://[::FFFF:127.0.0.1]:": "https://[::FFFF:127.0.0.1]/",
		"http://[fe80::1%25eth0]:80":  "http://[fe80::1%25eth0]:80/",
		"http://[fe80::1%25eth%31]":   "http://[fe80::1%25eth1]/",
		"http://ch%61t%2Eexample":     "http://chat.example/",
		"http://bücher.example":       "http://xn--bcher-kva.example/",
		"http://B%C3%BCcher.example":  "http://xn--bcher-kva.example/",
		"http://me:p%40ss@h/a%2Fb/":   "http://me:p%40ss@h/a%2Fb/",
		"http://@h":                   "http://@h/",
		"http://h?":                   "http://h/",
		"http://h?a b=ü&c=%41&d=50%":  "http://h/?a%20b=%C3%BC&c=%41&d=50%25",
		"http://h/?a=b?c/d@e:f":       "http://h/?a=b?c/d@e:f",
	} {
		if got, err := ParseAddress(text); err != nil || got.String() != want {
			t.Errorf("%s is parsed as %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "secret", "localhost:8080", "ftp://secret", "http:", "http://", "http:secret", "http:/secret", "http:///secret", "//secret",
		"http://:80", "http://me:secret@", "http://me:secret@:80", "http://h:0", "http://h:65536", "http://h:secret",
		"http://h#", "http://h/#secret", "http://me:9#secret@h", "http://me:secret%@h", "http://me:sec ret@h", "http://me:%0Asecret@h", "http://m%3Ae:secret@h",
		"http://[secret]", "http://[::1", "http://[fe80::1%secret]", "http://[v1.secret]", "http://h%2Fsecret", "http://%00secret", "http://h%zzsecret",
		"http://secret\n", "http://xn--secretü", "http://secret\u00ad\u200d.ü", "http://\xff.secret",
	} {
		got, err := ParseAddress(text)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is parsed as %v, %v", text, got, err)
		}
	}
}

// FuzzParseAddress: what is parsed can be parsed again, and makes a request that a server can read.
func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{
		"http://me:p%40ss@[fe80::1%25lo]:80/a%2Fb?c=d e", "https://Bücher.example:443/?a", "http://h%61:1/#", "http://@:/", "http://h/%zz?\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseAddress(text)
		if err != nil {
			return
		}
		again, err := ParseAddress(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q is parsed as %q, and that as %v, %v", text, u, again, err)
		}
		d := NewDialer(u, &Counts{})
		d.tls = nil
		sent := requestOf(t, d, transports.Target{Base: d.Base()}.RoomURL("a/b", "poll"))
		if sent.Host != d.Base().Host || !strings.HasSuffix(sent.URL.EscapedPath(), "/rooms/a%2Fb/poll") || sent.URL.RawQuery != u.RawQuery {
			t.Errorf("%q makes %s %s of host %q", text, sent.Method, sent.URL, sent.Host)
		}
		name, password := credentials(u)
		if gotName, gotPassword, ok := sent.BasicAuth(); gotName != name || gotPassword != password || ok != (name+password != "") {
			t.Errorf("%q sends the credentials %q and %q, want %q and %q", text, gotName, gotPassword, name, password)
		}
	})
}

// requestOf returns a GET for u as a server reads it.
func requestOf(t *testing.T, d *Dialer, u *url.URL) *http.Request {
	t.Helper()
	ours, theirs := net.Pipe()
	c := newConn(ours, d.Counts, &carried{})
	done := make(chan error, 1)
	go func() { done <- c.send(transports.NewRequest(t.Context(), http.MethodGet, u, http.Header{}, nil), d) }()
	sent, err := http.ReadRequest(newConn(theirs, &Counts{}, &carried{}).answers)
	ours.Close()
	theirs.Close()
	if err != nil {
		t.Fatalf("%s: %v", u, err)
	}
	<-done
	return sent
}

// Each form of a host reaches the same server as with net/http, with the same Host, credentials and
// query.
func TestAddressAsNetHTTP(t *testing.T) {
	seen := make(chan *http.Request, 1)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	ports := map[string]string{}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		listener, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(handler)
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		t.Cleanup(server.Close)
		_, ports[host], _ = net.SplitHostPort(listener.Addr().String())
	}
	four, six := ports["127.0.0.1"], ports["[::1]"]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, address := range []string{
		"http://127.0.0.1:" + four,
		"http://localhost:" + four,
		"http://LocalHost:" + four,
		"http://[::1]:" + six + "/",
		"http://[0:0::1]:" + six + "/chat/",
		"http://[::1%25lo]:" + six,
		"http://[::ffff:127.0.0.1]:" + four,
		"http://tester:s%3A%40%2Fcr3t@127.0.0.1:" + four + "/a%2Fb?token=x%20y&z",
		"http://token@127.0.0.1:" + four,
		"http://:secret@127.0.0.1:" + four,
	} {
		u, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDialer(u, &Counts{})
		pool := &Pool{Dialer: d}
		resp, err := pool.RoundTrip(transports.NewRequest(t.Context(), http.MethodGet, d.Base(), http.Header{}, nil))
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		resp.Body.Close()
		pool.Close()
		ours := <-seen
		if resp, err = client.Get(address); err != nil {
			t.Errorf("%s: net/http: %v", address, err)
			continue
		}
		resp.Body.Close()
		theirs := <-seen
		if ours.Host != theirs.Host || ours.RequestURI != theirs.RequestURI || ours.Header.Get("Authorization") != theirs.Header.Get("Authorization") {
			t.Errorf("%s: %s %q %q, net/http: %s %q %q", address, ours.RequestURI, ours.Host, ours.Header["Authorization"],
				theirs.RequestURI, theirs.Host, theirs.Header["Authorization"])
		}
	}
}

// The Host of forms that don't lead to this machine is that of net/http, too.
func TestHostAsNetHTTP(t *testing.T) {
	for _, address := range []string{
		"http://chat.example:80", "http://chat.example:", "http://Chat.Example.:81/x", "https://bücher.example:443/?a", "http://b%C3%BCcher.example",
		"http://[fe80::1%25eth0]:80", "http://[fe80::1%25eth0]", "http://[::FFFF:10.0.0.1]:", "http://10.0.0.1", "http://a_b.c~d!$&'()*+,;=e/",
	} {
		u, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDialer(u, &Counts{})
		ours := requestOf(t, d, d.Base())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := req.Write(&text); err != nil {
			t.Fatal(err)
		}
		theirs, err := http.ReadRequest(bufio.NewReader(&text))
		if err != nil || ours.Host != theirs.Host || ours.RequestURI != theirs.RequestURI {
			t.Errorf("%s: %s of host %q, net/http: %s of host %q, %v", address, ours.RequestURI, ours.Host, theirs.RequestURI, theirs.Host, err)
		}
	}
}

// Every request of a user carries the credentials and the query of the address, whatever its own are.
func TestEveryRequest(t *testing.T) {
	u, err := ParseAddress("http://tester:s%21cr3t@host:81/chat?token=1&t")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDialer(u, &Counts{})
	if base := d.Base().String(); base != "http://host:81/chat" {
		t.Errorf("requests are made for %s", base)
	}
	room := transports.Target{Base: d.Base()}.RoomURL("x", "poll")
	for query, want := range map[string]string{"": "token=1&t", "after=7": "after=7&token=1&t"} {
		room.RawQuery = query
		sent := requestOf(t, d, room)
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("tester:s!cr3t"))
		if sent.URL.RawQuery != want || sent.Host != "host:81" || sent.URL.Path != "/chat/rooms/x/poll" || sent.Header.Get("Authorization") != basic {
			t.Errorf("sent %s to %s with %v, want the query %s", sent.URL, sent.Host, sent.Header, want)
		}
	}
	for _, plain := range []string{"http://host", "http://@host", "http://:@host"} {
		u, err := ParseAddress(plain)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDialer(u, &Counts{})
		if sent := requestOf(t, d, d.Base()); len(sent.Header) > 0 || sent.RequestURI != "/" {
			t.Errorf("%s: sent %s with %v", plain, sent.RequestURI, sent.Header)
		}
	}
}

// The name in the SNI and in the certificate is that of the host, without the zone of an address.
func TestServerName(t *testing.T) {
	for address, want := range map[string]string{
		"https://chat.example.:8443": "chat.example.", // crypto/tls takes the dot off
		"https://[fe80::1%25lo]":     "fe80::1",
		"https://127.0.0.1":          "127.0.0.1",
		"https://bücher.example":     "xn--bcher-kva.example",
	} {
		u, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := NewDialer(u, &Counts{}).tls.ServerName; got != want {
			t.Errorf("%s: the server is called %q, want %q", address, got, want)
		}
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName+".") }))
	defer server.Close()
	for host, want := range map[string]string{"127.0.0.1": ".", "localhost": "localhost."} {
		_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
		u, err := ParseAddress("https://" + host + ":" + port)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDialer(u, &Counts{})
		d.tls.InsecureSkipVerify = true
		pool := &Pool{Dialer: d}
		resp, err := pool.RoundTrip(transports.NewRequest(t.Context(), http.MethodGet, d.Base(), http.Header{}, nil))
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		pool.Close()
		if err != nil || string(said) != want {
			t.Errorf("%s: the SNI is %q, %v; want %q", host, said, err, want)
		}
	}
}
