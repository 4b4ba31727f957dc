package relay

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// start runs a relay until the test ends.
func start(t *testing.T) *Relay {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	lines, announce := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, announce) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(strings.TrimSpace(strings.TrimPrefix(line, "listening on ")))
	if err != nil {
		t.Fatal(err)
	}
	return Control(address)
}

// TestRoute sends requests through a relay that does nothing, that delays, and whose route is closed and open again.
func TestRoute(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	route, err := start(t).Route("server", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	get := func() (time.Duration, error) {
		begun := time.Now()
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + route.Address())
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return time.Since(begun), err
	}
	if _, err := get(); err != nil {
		t.Error(err)
	}
	if err := route.Add("far", "latency", Down, Attributes{"latency": 100}); err != nil {
		t.Error(err)
	}
	if took, err := get(); err != nil || took < 100*time.Millisecond {
		t.Errorf("with 100 ms of delay an answer took %v, %v", took, err)
	}
	if err := route.Remove("far"); err != nil {
		t.Error(err)
	}
	if took, err := get(); err != nil || took >= 100*time.Millisecond {
		t.Errorf("without delay an answer took %v, %v", took, err)
	}
	if err := route.Close(); err != nil {
		t.Error(err)
	}
	if _, err := get(); err == nil {
		t.Error("a closed route answered")
	}
	if err := route.Open(); err != nil {
		t.Error(err)
	}
	if _, err := get(); err != nil {
		t.Error(err)
	}
	if err := route.Add("odd", "no such kind", Down, nil); err == nil {
		t.Error("an unknown kind of toxic was added")
	}
}

// TestSilence makes a connection go silent for good, and new ones for a while.
func TestSilence(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	route, err := start(t).Route("server", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	kept := &http.Transport{}
	defer kept.CloseIdleConnections()
	get := func(client *http.Client) error {
		resp, err := client.Get("http://" + route.Address())
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return err
	}
	old := &http.Client{Transport: kept, Timeout: 150 * time.Millisecond}
	if err := get(old); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(50 * time.Millisecond)
	for _, d := range []Direction{Up, Down} {
		if err := route.Add(string(d), KindSilent, d, Attributes{"until": until.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := get(old); err == nil { // after the end of the silence, too, as the connection is old
		t.Error("a silent connection answered")
	}
	if err := get(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}); err != nil {
		t.Errorf("a new connection after the silence: %v", err)
	}
}

// TestMovedRoute makes a route lead to another server, and another relay take over its address.
func TestMovedRoute(t *testing.T) {
	called := func(name string) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
		t.Cleanup(server.Close)
		return server
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	first, second := called("first"), called("second")
	route, err := start(t).Route("server", first.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		resp, err := client.Get("http://" + route.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
	check("first")
	if err := route.Lead(second.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	check("second")
	if err := route.Close(); err != nil {
		t.Fatal(err)
	}
	if route, err = start(t).RouteAt("again", route.Address(), route.Upstream()); err != nil {
		t.Fatal(err)
	}
	check("second")
}
