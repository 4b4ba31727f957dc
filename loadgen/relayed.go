package loadgen

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"pushpull/loadgen/relay"
	"pushpull/loadgen/wire"
)

// relayed is the relay of a window. Its zero value is none.
type relayed struct {
	process *Server
	routes  []*relay.Route // to the servers, in their order; nil: there is no relay
}

// relay starts the side's relay, with a route to each of the servers at bases.
func (d Side) relay(ctx context.Context, bases []*url.URL) (r relayed, err error) {
	if len(d.Relay) == 0 {
		return r, nil
	}
	if r.process, err = startServer(ctx, nil, nil, d.Relay, nil, false); err != nil {
		return relayed{}, fmt.Errorf("the relay: %w", err)
	}
	control := relay.Control(r.process.Base)
	for i, base := range bases {
		route, err := control.Route("server-"+strconv.Itoa(i+1), wire.HostPort(base))
		if err != nil {
			r.stop() // its errors matter less than err
			return relayed{}, err
		}
		if !d.Network.IsNone() {
			if err := route.Distance(d.Network); err != nil {
				r.stop()
				return relayed{}, err
			}
		}
		r.routes = append(r.routes, route)
	}
	return r, nil
}

// addresses returns the hosts and ports of the routes; nil if there is no relay.
func (r relayed) addresses() (all []string) {
	for _, route := range r.routes {
		all = append(all, route.Address())
	}
	return all
}

// stop stops the relay.
func (r relayed) stop() []error {
	if r.process == nil {
		return nil
	}
	return stopAll([]*Server{r.process})
}
