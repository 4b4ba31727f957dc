package loadgen

import "context"

// Start starts the server of a side with a Command, as for a window, and returns when it listens. The caller must stop
// it.
func (d Side) Start(ctx context.Context) (*Server, error) {
	all, letGo, err := withPrograms(d)
	if err != nil {
		return nil, err
	}
	defer letGo()
	one := all[0].Side
	one.Servers = 1
	servers, err := one.start(ctx)
	if err != nil {
		return nil, err
	}
	return servers[0], nil
}
