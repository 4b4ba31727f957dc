// Package server is a serving process: the routes of every transport over one store, under
// limits, with metrics, the pages it is given, and a stop that leaves nobody without an answer.
//
// It authenticates nobody, speaks no TLS and keeps no messages; the store does that.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
)

// What Serve grants its handlers when it stops: patience to answer, then grace to notice that
// their connections were cut. Together they stay below 5 s.
const (
	patience = 4 * time.Second
	grace    = 500 * time.Millisecond
)

// A Server serves the rooms of a store. Its options are its fields, set before Serve is called;
// 0 or less means the default.
type Server struct {
	Store      transports.Store                // required
	Transports map[string]transports.Transport // by their name in routes; nil: all of package all, under Limits
	Limits     transports.Limits

	Connections   int           // most connections at a time, the next is answered 503; 0: 20,000
	HeaderBytes   int           // largest request line and headers, give or take 8 KiB of buffers; 0: 16 KiB
	HeaderTimeout time.Duration // for the headers of a request to arrive; 0: 10 s
	BodyTimeout   time.Duration // for the body of a request to arrive; 0: 10 s
	IdleTimeout   time.Duration // a connection without a request for so long is closed; 0: 2 min

	Pages http.Handler // serves /, /page/, /results and what is below it, whatever the method; nil: none

	Slow Slowness // zero: as fast as can be

	Log *slog.Logger // nil: nothing is logged
}

// A service is a Server at work.
type service struct {
	Server  // with every default filled in
	store   *counted
	log     *feed.Feed
	conns   *connections
	names   *names
	origins *http.CrossOriginProtection
	busy    atomic.Int64 // handlers at work and refusals being told
}

// Validate says whether s can serve, once it has a store: its origins are origins.
func (s *Server) Validate() error {
	_, err := s.protection()
	return err
}

// protection refuses writes by pages of other origins than the server's own and the allowed.
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

// start fills in the defaults.
func (s *Server) start() (*service, error) {
	if s.Store == nil {
		return nil, errors.New("a server needs a store")
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	sv := &service{Server: *s, store: &counted{Store: s.Store}}
	sv.origins, _ = s.protection() // Validate has seen its error
	sv.Limits = s.Limits.WithDefaults()
	sv.Connections = positive(s.Connections, 20_000)
	sv.HeaderBytes = positive(s.HeaderBytes, 16<<10)
	sv.HeaderTimeout = positive(s.HeaderTimeout, 10*time.Second)
	sv.BodyTimeout = positive(s.BodyTimeout, 10*time.Second)
	sv.IdleTimeout = positive(s.IdleTimeout, 2*time.Minute)
	if s.Log == nil {
		sv.Log = slog.New(slog.DiscardHandler)
	}
	if s.Transports == nil {
		sv.Transports = make(map[string]transports.Transport)
		for _, name := range all.Names() {
			t, err := all.New(name, sv.Limits)
			if err != nil {
				return nil, err
			}
			sv.Transports[name] = t
		}
	}
	sv.log = feed.New(sv.store, sv.Limits.Batch)
	sv.conns = newConnections(sv.Connections, sv.Limits.WriteTimeout)
	sv.conns.slow.Slowness = sv.Slow
	sv.names = newNames(sv.Connections)
	return sv, nil
}

func positive[T cmp.Ordered](v, otherwise T) T {
	var zero T
	if v > zero {
		return v
	}
	return otherwise
}

// Serve serves what l accepts until ctx ends, and then stops: it accepts no more, ends the
// contexts of all requests with the cause transports.ErrStopping, so that held polls answer and
// WebSockets close, and waits for every handler, those of WebSockets too. It closes l and takes
// at most 5 s; whoever is not done by then is cut off, which is an error. After that no goroutine
// is left but those of handlers that ignore both their context and their closed connection.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	sv, err := s.start()
	if err != nil {
		l.Close()
		return err
	}
	// The requests' contexts outlive ctx by a moment and end with a cause of their own.
	requests, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	server := &http.Server{
		Handler:           sv.handler(),
		MaxHeaderBytes:    sv.HeaderBytes,
		ReadHeaderTimeout: sv.HeaderTimeout,
		IdleTimeout:       sv.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(sv.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			c.(*conn).asked.Store(state != http.StateNew)
		},
	}
	accepting := &listener{Listener: l, service: sv}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(accepting) }()
	defer sv.conns.slow.burning.Wait()
	defer sv.log.Close()

	var broken error
	select {
	case broken = <-failed:
		broken = fmt.Errorf("accepting connections on %s: %w", l.Addr(), broken)
		l.Close()
	case <-ctx.Done():
		l.Close()
		<-failed //nolint:errcheck // it says no more than that l is closed
	}
	end(transports.ErrStopping)
	return errors.Join(broken, sv.stop(server))
}

// stop waits for what is going on once nothing new is accepted.
func (sv *service) stop(server *http.Server) error {
	// Shutdown would give connections that have never asked anything 5 s to do so.
	sv.conns.close(func(c *conn) bool { return !c.asked.Load() })
	patient, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = server.Shutdown(patient) // its error is seen below, with the handlers it doesn't wait for
	if sv.drained(patient) {
		return nil
	}
	left := sv.conns.close(func(*conn) bool { return true })
	noticing, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if !sv.drained(noticing) {
		sv.Log.Warn("handlers ignore that the server stops", "handlers", sv.busy.Load())
	}
	return fmt.Errorf("stopping: cut off %d connections that were not done after %v", left, patience)
}

// drained waits until no connection is open and no handler at work. It asks now and then, as
// http.Server.Shutdown does: a count that is waited for would cost every request.
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
