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
