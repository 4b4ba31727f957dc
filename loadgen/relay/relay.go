// Package relay is a process between simulated users and the servers under test. What the network does to bytes, or a
// fault, happens there, so that it takes CPU and memory of neither side.
//
// The process is toxiproxy (https://github.com/Shopify/toxiproxy). Serve runs it; Control returns a Relay, which steers
// it over toxiproxy's own HTTP API. A Route is a port on which the relay takes connections for one server; its toxics
// change what the connections carry. A Hop is an HTTP proxy behind a route, which does to requests what toxics, who know
// bytes alone, can't.
//
//	users ──▶ Route (a port of the relay) ──▶ toxics upstream   ──▶ server
//	users ◀── Route                       ◀── toxics downstream ◀── server
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	client "github.com/Shopify/toxiproxy/v2/client"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"pushpull/loadgen/network"
)

// Serve runs a relay until ctx ends. It listens for control on a port of the loopback interface, and first writes where,
// as "listening on http://127.0.0.1:4711". Whoever can reach that port steers the relay.
func Serve(ctx context.Context, announce io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("starting the relay: %w", err)
	}
	register()
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	tricks := &hops{ctx: ctx, all: map[string]*hop{}}
	paths := http.NewServeMux()
	paths.Handle("/", proxies.Routes())
	paths.HandleFunc("POST /hops", tricks.make)
	paths.HandleFunc("PUT /hops/{address}", tricks.play)
	control := &http.Server{Handler: paths}
	stop := context.AfterFunc(ctx, func() { control.Close() })
	defer stop()
	defer tricks.serving.Wait()
	fmt.Fprintf(announce, "listening on http://%s\n", listener.Addr())
	if err := control.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("running the relay: %w", err)
	}
	return nil
}

// A Relay steers a relay's process. It is safe for concurrent use.
type Relay struct {
	api     *client.Client
	control string // its URL
}

// Control returns the Relay that listens for control at an address, like http://127.0.0.1:4711.
func Control(address *url.URL) *Relay {
	return &Relay{client.NewClient(address.Host), "http://" + address.Host}
}

// Route makes the relay take connections for the server at upstream, a host and port, on a port of its own. name must be
// unique in the relay.
func (r *Relay) Route(name, upstream string) (*Route, error) {
	return r.RouteAt(name, "127.0.0.1:0", upstream)
}

// RouteAt is Route for a given host and port on which the relay takes connections, like those of a relay that has ended.
func (r *Relay) RouteAt(name, listen, upstream string) (*Route, error) {
	proxy, err := r.api.CreateProxy(name, listen, upstream)
	if err != nil {
		return nil, fmt.Errorf("making a route to %s: %w", upstream, err)
	}
	return &Route{proxy}, nil
}

// A Route is a way through the relay to one server. It is used by one goroutine at a time.
type Route struct {
	proxy *client.Proxy
}

// Address returns the host and port on which the relay takes the route's connections.
func (r *Route) Address() string { return r.proxy.Listen }

// Upstream returns the host and port of the server.
func (r *Route) Upstream() string { return r.proxy.Upstream }

// Lead makes the route lead to another server, on the same port of the relay. It closes all connections.
func (r *Route) Lead(upstream string) error {
	r.proxy.Upstream, r.proxy.Enabled = upstream, true
	if err := r.proxy.Save(); err != nil {
		return fmt.Errorf("leading a route to %s: %w", upstream, err)
	}
	return nil
}

// A Direction is that of the bytes that a toxic changes.
type Direction string

// The directions, as toxiproxy calls them.
const (
	Up   Direction = "upstream"   // from users to the server
	Down Direction = "downstream" // from the server to users
)

// Attributes are the settings of a toxic, by their names in toxiproxy.
type Attributes = client.Attributes

// Add puts a toxic of a kind at the end of those of a direction, for the connections that are there and all later ones.
// name must be unique on the route.
func (r *Route) Add(name, kind string, d Direction, a Attributes) error {
	if _, err := r.proxy.AddToxic(name, kind, string(d), 1, a); err != nil {
		return fmt.Errorf("adding the toxic %s: %w", name, err)
	}
	return nil
}

// Distance puts a network between the users and the server, behind the toxics that are there. It is meant for a route
// without connections: for one that is there already, it is as if it had just been made.
func (r *Route) Distance(p network.Profile) error {
	for d, up := range map[Direction]bool{Up: true, Down: false} {
		if err := r.Add("distance "+string(d), kindDistance, d, Attributes{"network": p, "up": up}); err != nil {
			return err
		}
	}
	return nil
}

// Remove takes a toxic away.
func (r *Route) Remove(name string) error {
	if err := r.proxy.RemoveToxic(name); err != nil {
		return fmt.Errorf("removing the toxic %s: %w", name, err)
	}
	return nil
}

// Close closes all connections and refuses new ones, until Open is called.
func (r *Route) Close() error {
	if err := r.proxy.Disable(); err != nil {
		return fmt.Errorf("closing a route: %w", err)
	}
	return nil
}

// Open takes connections again, on the same address.
func (r *Route) Open() error {
	if err := r.proxy.Enable(); err != nil {
		return fmt.Errorf("opening a route: %w", err)
	}
	return nil
}
