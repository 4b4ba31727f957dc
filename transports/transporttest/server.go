package transporttest

import (
	"context"
	"fmt"
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
	network   *Network
	end       func() error // stops the server, and returns once nothing runs for it any more
	stopping  atomic.Bool
	stopped   chan struct{} // closed when Stop is done; waiting in a sync.Once would block the bubble's clock
}

// Serve starts a server on Pipes that is stopped when the test ends.
func Serve(t testing.TB, transport transports.Transport, store transports.Store) *Server {
	t.Helper()
	return ServeOn(t, Pipes(), transport, store)
}

// ServeOn is Serve on a network of its own.
func ServeOn(t testing.TB, network *Network, transport transports.Transport, store transports.Store) *Server {
	t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	log := feed.New(store, 0)
	var serving sync.WaitGroup // the accept loop and every request, including upgraded ones
	// http.Server.Shutdown doesn't wait for a handler that has hijacked.
	tracked := func(handler http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serving.Add(1)
			defer serving.Done()
			handler.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}/{transport}", tracked(transport.Handler(log)))
	mux.Handle("POST /rooms/{room}/messages", tracked(transports.Publisher(log, transports.Limits{})))
	server := &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    discard(),
	}
	serving.Go(func() { server.Serve(network) })
	return newServer(t, transport, network, func() error {
		network.Close()
		stop(transports.ErrStopping)
		late, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := server.Shutdown(late)
		if err != nil {
			err = fmt.Errorf("a handler runs on after its context has ended: %w", err)
			server.Close()
		}
		serving.Wait()
		log.Close()
		return err
	})
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// newServer returns a server that end stops, at the end of the test at the latest.
func newServer(t testing.TB, transport transports.Transport, network *Network, end func() error) *Server {
	s := &Server{t: t, transport: transport, network: network, end: end, stopped: make(chan struct{})}
	t.Cleanup(s.Stop)
	return s
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
	if err := s.end(); err != nil {
		s.t.Errorf("stopping the server: %v", err)
	}
}

// Target returns the server as a target with connections for one new user.
func (s *Server) Target() (transports.Target, *Conns) {
	conns := new(Conns)
	conns.dials(s.network.Dial)
	if s.network.HTTP2 {
		conns.Protocols = new(http.Protocols)
		conns.Protocols.SetUnencryptedHTTP2(true)
	}
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
