// Package server is a serving process: the routes of every transport over one store, with limits,
// metrics, optional pages, and a stop that still answers the requests it has accepted.
//
// It leaves keeping the messages to the store.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/process"
)

// Timeouts for the handlers when the server stops. Together they stay below the 5 s that Serve
// promises.
const (
	stopTimeout   = 4 * time.Second        // to finish
	cutOffTimeout = 500 * time.Millisecond // then to return, once their connections are closed
)

// A Server serves the rooms of a store. Its options are its fields, set before Serve is called;
// 0 or less means the default.
type Server struct {
	Store      transports.Store               // required
	Transports map[string]transports.Endpoint // by name in routes; nil: all.Endpoints(Limits)
	Limits     transports.Limits

	// Hosts are the hosts by which clients on this machine may ask for the server, besides those of
	// loopback and of Limits.Origins: see transports.Hosts.
	Hosts []string

	// TLS has the certificate by which the server speaks TLS, 1.2 or newer, and nothing else; nil: plain HTTP. A handshake has
	// HeaderTimeout.
	TLS *tls.Config

	// Token is what a client must know: letters, digits and - . _ ~ + / =. A request without it is answered with 401, unless
	// it is for /healthz. "": everybody is served.
	Token string

	// Connections is how many connections may be open; the next is answered with 503. They are fewer if
	// the process may not open as many files: some are kept for the store, the pages and the refusals.
	// 0: 20,000
	Connections int

	// Rooms is how many rooms messages may be sent to; a message to one more is answered with 507. A room
	// counts until it has been idle for RoomIdle. 0: 50,000
	Rooms int

	// RoomIdle is how long a room may be neither written to, nor read, nor watched, before it no longer
	// counts; it may count up to an eighth longer. 0: transports.DefaultIdle
	RoomIdle time.Duration

	HeaderBytes   int           // largest request line and headers, give or take 8 KiB of buffers; 0: 16 KiB
	HeaderTimeout time.Duration // for the headers of a request to arrive; 0: 10 s
	BodyTimeout   time.Duration // for the body of a request to arrive; 0: 10 s
	IdleTimeout   time.Duration // an idle connection is closed after this time; 0: 2 min

	Pages http.Handler // serves /, /page/, /results and all paths below, with any method; nil: none

	Slow Slowness // deliberate slowness; zero: none

	// Logger receives, among others, the errors of the store, which users never see. Of what recurs
	// within a second it receives one record, which says how many were left out. nil: nothing is logged
	Logger *slog.Logger
}

// A service is a running Server.
type service struct {
	Server  // with every default filled in
	store   *countingStore
	log     *feed.Feed
	conns   *connections
	names   *names
	census  *census
	origins *http.CrossOriginProtection
	begun   time.Time
	shares  shares
	more    string       // what the operator can do for more connections
	busy    atomic.Int64 // running handlers, exchanges and refusals

	routes   http.Handler
	quick    map[string]bool // names of transports whose routes an exchange serves
	answer   *transports.Spelling
	foreign  chan *conn // connections that are left to net/http
	refusing atomic.Int64
}

// Validate returns an error if an allowed origin or the token is malformed. It doesn't ask for a store, which
// may be set later.
func (s *Server) Validate() error {
	_, err := s.protection()
	return errors.Join(err, checkToken(s.Token))
}

// protection returns a check that refuses writes by pages of other origins than the server's own
// and the allowed ones.
func (s *Server) protection() (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range s.Limits.Origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("bad origin %q: write it like https://chat.example: %w", origin, err)
		}
	}
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transports.Error(w, http.StatusForbidden,
			"pages of %.100q may not send: allow them with --allow-origin", r.Header.Get("Origin"))
	}))
	return p, nil
}

// start returns a service with every default filled in.
func (s *Server) start() (*service, error) {
	if s.Store == nil {
		return nil, errors.New("a server needs a store")
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	sv := &service{Server: *s, begun: time.Now()}
	sv.Logger = slog.New(newSparse(logger.Handler()))
	if err := sv.take(process.FileLimit(), process.MayRaiseFiles); err != nil {
		return nil, err
	}
	sv.store = &countingStore{Store: s.Store, logger: sv.Logger, rooms: rooms{most: s.Rooms, idle: s.RoomIdle, watched: watchesOf(s.Store)}}
	sv.origins, _ = s.protection() // Validate has returned its error
	sv.TLS = secureConfig(s.TLS)
	sv.Limits = s.Limits.WithDefaults()
	sv.HeaderBytes = positive(s.HeaderBytes, 16<<10)
	sv.HeaderTimeout = positive(s.HeaderTimeout, 10*time.Second)
	sv.BodyTimeout = positive(s.BodyTimeout, 10*time.Second)
	sv.IdleTimeout = positive(s.IdleTimeout, 2*time.Minute)
	if s.Transports == nil {
		sv.Transports = all.Endpoints(sv.Limits)
	}
	sv.log = feed.New(sv.store, sv.Limits.Batch)
	sv.conns = newConnections(sv.Connections, sv.Limits.WriteTimeout)
	sv.conns.slow.Slowness = sv.Slow
	sv.names = newNames(sv.Connections)
	sv.census = newCensus()
	sv.routes = sv.handler()
	sv.quick = map[string]bool{}
	for name, t := range sv.Transports {
		sv.quick[name] = quick(t.Way())
	}
	sv.answer = answerOf(sv.Limits)
	sv.foreign = make(chan *conn)
	return sv, nil
}

func positive[T cmp.Ordered](v, otherwise T) T {
	var zero T
	if v > zero {
		return v
	}
	return otherwise
}

// Serve serves the connections that l accepts until ctx ends or accepting fails. Then it stops within
// 5 s: it ends the contexts of all requests with the cause transports.ErrStopping, so that held polls
// are answered and WebSockets close, and waits for every handler, including those of WebSockets.
// Connections that are not done in time are closed, and Serve returns an error. In any case it closes
// l, and leaves no goroutine behind, except handlers that ignore both their context and their closed
// connection.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	sv, err := s.start()
	if err != nil {
		l.Close()
		return err
	}
	// The contexts of requests don't end with ctx, so that they can end with another cause.
	requests, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // with prior knowledge
	server := &http.Server{
		Protocols:         protocols,
		Handler:           sv.routes,
		MaxHeaderBytes:    sv.HeaderBytes,
		ReadHeaderTimeout: sv.HeaderTimeout,
		IdleTimeout:       sv.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(sv.Logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) { c.(*conn).changed(state) },
	}
	others := &handedOver{addr: l.Addr(), conns: sv.foreign, closed: make(chan struct{})}
	failed := make(chan error, 1)
	go func() { failed <- sv.accept(requests, l) }()
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(others) }) //nolint:errcheck // the error only says that others is closed
	defer serving.Wait()
	defer sv.conns.slow.burning.Wait()
	defer sv.log.Close()
	defer sv.store.rooms.sweeping()()

	var broken error
	select {
	case broken = <-failed:
		broken = fmt.Errorf("accepting connections on %s: %w", l.Addr(), broken)
		l.Close()
	case <-ctx.Done():
		l.Close()
		<-failed //nolint:errcheck // the error only says that l is closed
	}
	end(transports.ErrStopping)
	sv.conns.wake()
	return errors.Join(broken, sv.stop(server))
}

// stop waits for the open connections and handlers, and cuts off those that are late. The listener
// must be closed.
func (sv *service) stop(server *http.Server) error {
	// Shutdown would wait 5 s for connections that have not sent a request yet.
	sv.conns.close(func(c *conn) bool { return !c.asked.Load() })
	finishing, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = server.Shutdown(finishing) // its error doesn't matter: drained also notices what is left
	if sv.drained(finishing) {
		return nil
	}
	left := sv.conns.close(func(*conn) bool { return true })
	returning, cancel := context.WithTimeout(context.Background(), cutOffTimeout)
	defer cancel()
	if !sv.drained(returning) {
		sv.Logger.Warn("handlers keep running after the server has stopped", "handlers", sv.busy.Load())
	}
	return fmt.Errorf("stopping: cut off %d connections that were still open after %v", left, stopTimeout)
}

// drained waits until no connection is open and no handler runs, and returns false if ctx ends
// first. It polls, as http.Server.Shutdown does: signalling the last one would cost every request.
func (sv *service) drained(ctx context.Context) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for sv.conns.open() > 0 || sv.busy.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
