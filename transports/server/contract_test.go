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
			transporttest.RunServed(t, client.(transports.Transport), func(ctx context.Context, l net.Listener, store transports.Store) error {
				return (&Server{Store: store, Hosts: []string{"server.test"}}).Serve(ctx, l)
			})
		})
	}
}
