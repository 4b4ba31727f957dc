package server

import (
	"context"
	"crypto/tls"
	"fmt"
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
			for _, secure := range []*tls.Config{nil, ownTLS(t)} {
				server := Server{Hosts: []string{"server.test"}, TLS: secure}
				var wrap func(net.Conn) net.Conn
				if secure != nil {
					wrap = func(c net.Conn) net.Conn { return tls.Client(c, trusting) }
				}
				t.Run(fmt.Sprintf("TLS=%v", secure != nil), func(t *testing.T) {
					transporttest.RunServed(t, client.(transports.Transport), wrap, func(ctx context.Context, l net.Listener, store transports.Store) error {
						server := server
						server.Store = store
						return server.Serve(ctx, l)
					})
				})
			}
		})
	}
}
