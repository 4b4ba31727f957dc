package loadgen

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"pushpull/loadgen/wire"
)

// fronts are the proxies of a window, one before each server. The zero value is none.
type fronts []*Server

// front starts a proxy before each of the servers at bases. It returns the addresses of the proxies, and those of the servers as
// users ask for them: by the scheme that the proxy speaks. Without a proxy both are bases.
func (d Side) front(ctx context.Context, bases []*url.URL) (f fronts, places, asked []*url.URL, err error) {
	if len(d.Via) == 0 {
		return nil, bases, bases, nil
	}
	for _, base := range bases {
		argv := append(slices.Clip(d.Via), wire.HostPort(base))
		process, err := startServer(ctx, nil, nil, argv, nil, false)
		if err != nil {
			f.stop() // its errors matter less than err
			return nil, nil, nil, fmt.Errorf("the proxy: %w", err)
		}
		f = append(f, process)
		places = append(places, process.Base)
		same := *base
		same.Scheme = process.Base.Scheme
		asked = append(asked, &same)
	}
	return f, places, asked, nil
}

// stop stops the proxies.
func (f fronts) stop() []error { return stopAll(f) }
