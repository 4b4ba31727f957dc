package server

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/transporttest"
)

// Every transport passes the suite on a serving process, too, where polls are held without a goroutine and
// the handlers of WebSockets return, and over TLS.
func TestContract(t *testing.T) {
	for _, name := range all.Names() {
		t.Run(name, func(t *testing.T) {
			client, err := all.Client(name)
			if err != nil {
				t.Fatal(err)
			}
			serve := func(secure *tls.Config) func(context.Context, net.Listener, transports.Store) error {
				return func(ctx context.Context, l net.Listener, store transports.Store) error {
					return (&Server{Store: store, Hosts: []string{"server.test"}, TLS: secure}).Serve(ctx, l)
				}
			}
			own := ownTLS(t)
			for name, c := range map[string]struct {
				secure *tls.Config
				change func(*transporttest.Network)
				duplex bool // there are WebSockets
			}{
				"plain": {nil, func(*transporttest.Network) {}, true},
				"TLS":   {own, func(n *transporttest.Network) { n.Wrap = func(c net.Conn) net.Conn { return tls.Client(c, trusting) } }, true},
				"TLS, HTTP/2": {own, func(n *transporttest.Network) {
					n.HTTP2, n.Wrap = true, func(c net.Conn) net.Conn { return tls.Client(c, trusting) }
				}, false},
				"HTTP/2": {nil, func(n *transporttest.Network) { n.HTTP2 = true }, false},
			} {
				if client.Way().Duplex && !c.duplex {
					continue
				}
				t.Run(name, func(t *testing.T) {
					transporttest.RunServed(t, client.(transports.Transport), func() *transporttest.Network {
						n := transporttest.Buffered(0)
						c.change(n)
						return n
					}, serve(c.secure))
				})
			}
		})
	}
}
