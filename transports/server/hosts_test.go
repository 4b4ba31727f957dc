package server

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
)

// ask sends the text of a request and returns the response and its body.
func (sd *served) ask(request string) (*http.Response, string) {
	sd.t.Helper()
	c, err := sd.dial()
	if err != nil {
		sd.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		sd.t.Fatalf("%.100q: %v", request, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		sd.t.Fatalf("%.100q: %v", request, err)
	}
	return resp, string(body)
}

// A page whose site's name leads to 127.0.0.1 gets nothing from any route of a server there.
func TestRebinding(t *testing.T) {
	s := &Server{
		Limits: transports.Limits{Origins: []string{"https://chat.example"}},
		Hosts:  []string{"box.example"},
		Pages:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the page") }),
	}
	sd := onLoopback(t, s)
	routes := []string{
		"GET /stats", "GET /metrics", "GET /healthz", "GET /", "GET /page/x.js", "GET /results", "GET /results/a/report.html",
		"POST /rooms/a/messages", "DELETE /rooms/a/messages", "GET /rooms/a/unknown", "GET /nothing", "GET //", "OPTIONS /rooms/a/messages",
	}
	for _, name := range all.Names() {
		routes = append(routes, "GET /rooms/a/"+name)
	}
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, route := range routes {
		for _, host := range []string{"evil.example", "EVIL.example:8080", "evil.example.", "127.0.0.1.evil.example"} {
			head := route + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host + "\r\n"
			if strings.HasSuffix(route, "/websocket") {
				head += upgrade
			}
			resp, body := sd.ask(head + "Content-Length: 1\r\n\r\nx")
			if resp.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(errorIn(t, body), "--allow-origin") {
				t.Errorf("%s for %s: %s %s", route, host, resp.Status, body)
			}
		}
	}
	if n := sd.stats().Store; n != (StoreStats{}) {
		t.Errorf("the store was asked: %+v", n)
	}

	for _, test := range []struct {
		head   string
		status int
	}{
		{"GET /stats HTTP/1.1\r\nHost: localhost:1\r\n", 200},
		{"GET /stats HTTP/1.1\r\nHost: box.example:8080\r\n", 200},
		{"GET /stats HTTP/1.1\r\nHost: Chat.Example\r\n", 200},
		{"GET /stats HTTP/1.0\r\n", 200}, // no browser
		{"GET /stats HTTP/1.1\r\nHost: \r\n", 200},
		{"GET /stats HTTP/1.0\r\nHost: evil.example\r\n", 421},
		{"GET /stats HTTP/1.1\r\n", 400},
		{"GET /stats HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400},
		{"GET /stats HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n", 400},
		{"GET /stats HTTP/1.1\r\nHost: localhost, evil.example\r\n", 400},
		// In the absolute form the target's host counts, not the header: RFC 9112 section 3.2.2.
		{"GET http://evil.example/stats HTTP/1.1\r\nHost: localhost\r\n", 421},
		{"GET http://localhost/stats HTTP/1.1\r\nHost: evil.example\r\n", 200},
		{"GET http://localhost@evil.example/stats HTTP/1.1\r\nHost: localhost\r\n", 421},
		{"GET /rooms/a/websocket HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n" + upgrade, 101},
		{"GET /rooms/a/websocket HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n" + upgrade, 403},
		{"GET /rooms/a/websocket HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://localhost\r\n" + upgrade, 421},
	} {
		if resp, body := sd.ask(test.head + "Connection: close\r\n\r\n"); resp.StatusCode != test.status {
			t.Errorf("%q: %s, want %d: %s", test.head, resp.Status, test.status, body)
		}
	}
}
