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

// waitTimeout bounds every wait for something that must happen, in the virtual time of the bubble.
// It is longer than any interval with which a transport is tested.
const waitTimeout = 10 * time.Minute

// A Server serves one transport and the POST of messages. It must be used in a synctest bubble.
type Server struct {
	t         testing.TB
	transport transports.Transport
	network   *network
	feed      *feed.Feed
	server    *http.Server
	stop      context.CancelCauseFunc
	serving   sync.WaitGroup // the accept loop and every request, including upgraded ones
	stopping  atomic.Bool
	stopped   chan struct{} // closed when Stop is done; waiting in a sync.Once would block the bubble's clock
}

// Serve starts a server that is stopped when the test ends.
func Serve(t testing.TB, transport transports.Transport, store transports.Store) *Server {
	t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	s := &Server{t: t, transport: transport, network: newNetwork(), stop: stop, stopped: make(chan struct{})}
	s.feed = feed.New(store, 0)
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}/{transport}", s.tracked(transport.Handler(s.feed)))
	mux.Handle("POST /rooms/{room}/messages", s.tracked(transports.Publisher(s.feed, transports.Limits{})))
	s.server = &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	s.serving.Go(func() { s.server.Serve(s.network) })
	t.Cleanup(s.Stop)
	return s
}

// tracked makes Stop wait for handler, which http.Server.Shutdown doesn't do once it has hijacked.
func (s *Server) tracked(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serving.Add(1)
		defer s.serving.Done()
		handler.ServeHTTP(w, r)
	})
}

// Stop stops the server as a serving process does: it accepts no more connections, ends the contexts
// of all requests with the cause transports.ErrStopping, and waits for their handlers. It may be
// called more than once.
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
		s.t.Errorf("stopping the server: a handler runs on after its context has ended: %v", err)
		s.server.Close()
	}
	s.serving.Wait()
	s.feed.Close()
}

// Target returns the server as a target with connections for one new user.
func (s *Server) Target() (transports.Target, *Conns) {
	conns := new(Conns)
	conns.dials(s.network.dial)
	s.t.Cleanup(conns.CloseIdleConnections)
	return transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: conns}, conns
}

// Enter joins a room without reading it yet.
func (s *Server) Enter(room string, from transports.Cursor) (transports.Session, *Conns) {
	s.t.Helper()
	target, conns := s.Target()
	session, err := s.transport.Join(context.Background(), target, room, from)
	if err != nil {
		s.t.Fatalf("joining %q from %q: %v", room, from, err)
	}
	s.t.Cleanup(func() { session.Close() })
	return session, conns
}

// Join joins a room and reads it until the user leaves.
func (s *Server) Join(room string, from transports.Cursor) *User {
	s.t.Helper()
	session, conns := s.Enter(room, from)
	return Read(s.t, context.Background(), session, conns)
}
