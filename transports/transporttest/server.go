package transporttest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/feed"
)

// patience is how long, in the time of the bubble, something may take that has to come. It is
// longer than any interval a transport is tested with.
const patience = 10 * time.Minute

// A Server serves one transport, and the POST that publishes. It belongs to a bubble.
type Server struct {
	t         testing.TB
	transport transports.Transport
	network   *network
	feed      *feed.Feed
	server    *http.Server
	stop      context.CancelCauseFunc
	serving   sync.WaitGroup // the accept loop and every request, upgraded ones too
	stopping  atomic.Bool
	stopped   chan struct{} // closed when Stop is done; a sync.Once would hold up the bubble
}

// Serve starts a server, and stops it when the test ends.
func Serve(t testing.TB, transport transports.Transport, store transports.Store) *Server {
	t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	s := &Server{t: t, transport: transport, network: newNetwork(), stop: stop, stopped: make(chan struct{})}
	s.feed = feed.New(store, 0)
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}/{transport}", s.counted(transport.Handler(s.feed)))
	mux.Handle("POST /rooms/{room}/messages", s.counted(transports.Publisher(s.feed, transports.Limits{})))
	s.server = &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	s.serving.Go(func() { s.server.Serve(s.network) })
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serving.Add(1)
		defer s.serving.Done()
		handler.ServeHTTP(w, r)
	})
}

// Stop stops as a serving process does: it accepts no more, ends the requests with the cause
// transports.ErrStopping, and waits until all are answered. It may be called again.
func (s *Server) Stop() {
	if s.stopping.Swap(true) {
		<-s.stopped
		return
	}
	defer close(s.stopped)
	s.network.Close()
	s.stop(transports.ErrStopping)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("stopping the server: a request goes on after its context has ended: %v", err)
		s.server.Close()
	}
	s.serving.Wait()
	s.feed.Close()
}

// Target is the server as one new user reaches it.
func (s *Server) Target() (transports.Target, *Wire) {
	wire := new(Wire)
	wire.dials(s.network.dial)
	s.t.Cleanup(wire.CloseIdleConnections)
	return transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, Wire: wire}, wire
}

// Enter joins a room and doesn't read yet.
func (s *Server) Enter(room string, from transports.Cursor) (transports.Session, *Wire) {
	s.t.Helper()
	target, wire := s.Target()
	session, err := s.transport.Join(context.Background(), target, room, from)
	if err != nil {
		s.t.Fatalf("joining %q from %q: %v", room, from, err)
	}
	s.t.Cleanup(func() { session.Close() })
	return session, wire
}

// Join joins a room and reads it until the user leaves.
func (s *Server) Join(room string, from transports.Cursor) *User {
	s.t.Helper()
	session, wire := s.Enter(room, from)
	return Read(s.t, context.Background(), session, wire)
}
