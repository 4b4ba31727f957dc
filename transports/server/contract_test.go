package server

import (
	"context"
	"net"
	"testing"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/transporttest"
)

// Every transport passes the suite on a serving process, too, where polls are held without a goroutine and
// the handlers of WebSockets return.
func TestContract(t *testing.T) {
	for _, name := range all.Names() {
		t.Run(name, func(t *testing.T) {
			client, err := all.Client(name)
			if err != nil {
				t.Fatal(err)
			}
			serve := func(ctx context.Context, l net.Listener, store transports.Store) error {
				return (&Server{Store: store, Hosts: []string{"server.test"}}).Serve(ctx, l)
			}
			transporttest.RunServed(t, client.(transports.Transport), func() *transporttest.Network { return transporttest.Buffered(0) }, serve)
			if client.Way().Duplex {
				return // there is no upgrade over HTTP/2
			}
			t.Run("HTTP2", func(t *testing.T) {
				transporttest.RunServed(t, client.(transports.Transport), func() *transporttest.Network {
					n := transporttest.Buffered(0)
					n.HTTP2 = true
					return n
				}, serve)
			})
		})
	}
}
