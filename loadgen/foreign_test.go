package loadgen

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// foreign serves every transport on store, in this process, and nothing else: it isn't ours.
func foreign(t *testing.T, store transports.Store) *url.URL {
	t.Helper()
	base, _ := mortal(t, store)
	return base
}

// mortal is foreign, and cuts off all connections when it is killed.
func mortal(t *testing.T, store transports.Store) (base *url.URL, kill func()) {
	t.Helper()
	log := feed.New(store, 0)
	t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	for _, name := range all.Names() {
		transport, err := all.New(name, transports.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("GET /rooms/{room}/"+name, transport.Handler(log))
	}
	live, die := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(mux)
	server.Config.BaseContext = func(net.Listener) context.Context { return live }
	server.Start()
	t.Cleanup(server.Close)
	if base, err := url.Parse(server.URL); err == nil {
		return base, func() { server.Listener.Close(); server.CloseClientConnections(); die() }
	}
	t.Fatal(server.URL)
	return nil, nil
}

// TestForeign measures a server that isn't ours: it tells nothing of itself, and nothing is made up.
func TestForeign(t *testing.T) {
	t.Parallel()
	s := small
	s.Transports = []string{"websocket"}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: foreign(t, &memory.Store{})}}})
	if err != nil || len(windows) != 1 {
		t.Fatalf("%d windows and %v", len(windows), err)
	}
	whole(t, s, windows[0])
	if w := windows[0]; w.Server != nil || w.Store != nil {
		t.Errorf("it tells %v and %v", w.Server, w.Store)
	}
	if row := result.Rows(windows)[0]; row.Server != nil || row.Store != nil {
		t.Errorf("the row tells of the server: %v and %v", row.Server, row.Store)
	}
}
