package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// limiting VAR starts a server that answers every fourth request to receive with 429, and sets the
// variable to its address.
func cmdLimiting(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "limiting VAR")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		s := server.Server{Store: &memory.Store{}, Transports: all.Endpoints(transports.Limits{})}
		for name, endpoint := range s.Transports {
			s.Transports[name] = limiting{endpoint}
		}
		served <- s.Serve(ctx, l)
	}()
	ts.Defer(func() { stop(); <-served })
	ts.Setenv(args[0], "http://"+l.Addr().String())
}

// A limiting endpoint answers every fourth request with 429.
type limiting struct{ transports.Endpoint }

func (e limiting) Handler(log transports.Log) http.Handler {
	var asked atomic.Int64
	h := e.Endpoint.Handler(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%4 == 0 {
			w.Header().Set("Retry-After", "1")
			transports.Error(w, http.StatusTooManyRequests, "slow down")
			return
		}
		h.ServeHTTP(w, r)
	})
}
