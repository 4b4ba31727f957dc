package loadgen

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// foreign serves every transport on store in this process, but no stats, like the server of another
// project.
func foreign(t *testing.T, store transports.Store) *url.URL {
	t.Helper()
	base, _ := mortal(t, store)
	return base
}

// mortal is foreign with a function that stops the server and cuts off all connections.
func mortal(t *testing.T, store transports.Store) (base *url.URL, kill func()) {
	t.Helper()
	kept := &mortalStore{Store: store}
	log := feed.New(kept, 0)
	t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	for name, endpoint := range all.Endpoints(transports.Limits{}) {
		mux.Handle("GET /rooms/{room}/"+name, endpoint.Handler(log))
	}
	live, die := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(mux)
	server.Config.BaseContext = func(net.Listener) context.Context { return live }
	server.Start()
	t.Cleanup(server.Close)
	if base, err := url.Parse(server.URL); err == nil {
		return base, func() { kept.die(); server.Listener.Close(); server.CloseClientConnections(); die() }
	}
	t.Fatal(server.URL)
	return nil, nil
}

// A mortalStore is the store of a process that can die, after which it stores nothing. The handlers of a
// server in this process live on, and would store what they hold after its sender has gone elsewhere.
type mortalStore struct {
	transports.Store

	mu   sync.RWMutex
	dead bool
}

func (s *mortalStore) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *mortalStore) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.dead {
		return 0, transports.ErrStopping
	}
	return s.Store.Append(ctx, room, body, key)
}

// TestForeign measures a server that reports no stats: a window leaves its figures out.
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
		t.Errorf("the window has figures of the server: %v and %v", w.Server, w.Store)
	}
	if row := result.Rows(windows)[0]; row.Server != nil || row.Store != nil {
		t.Errorf("the row has figures of the server: %v and %v", row.Server, row.Store)
	}
}
