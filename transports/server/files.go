package server

import (
	"fmt"
	"net/http"
	"runtime"
	"time"

	"pushpull/transports"
)

// shares are how many of the files that the process may open each part of the server gets. A part that
// took those of another one would make it fail: the store, say, because there are too many connections.
type shares struct {
	connections int
	refusals    int // connections beyond the limit, answered at a time
	pages       int // requests of pages at a time; each may open two files
}

const (
	mostRefusals  = 256 // further connections are closed without a response
	fewestRefused = 8

	mostPages   = 256
	fewestPages = 4
)

// share divides files, 0 if their number is unknown. There may be too few for the connections, even for
// one.
func share(files, connections int) shares {
	if files == 0 {
		return shares{connections, mostRefusals, mostPages}
	}
	// The standard streams, the listener, the poller and the program itself; and a store with a connection
	// for each processor, each of which may open three files.
	own := 36 + 3*runtime.GOMAXPROCS(0)
	const fewest = fewestRefused + 2*fewestPages
	connections = min(connections, files-own-fewest)
	spare := files - own - connections
	return shares{
		connections: connections,
		refusals:    min(max(spare/2, fewestRefused), mostRefusals),
		pages:       min(max(spare/4, fewestPages), mostPages),
	}
}

// take divides the files that the process may open, and lowers the limit of connections if there are too
// few for it, which is logged. mayRaise reports whether a process of this user could open so many.
func (sv *service) take(files int, mayRaise func(to int) bool) error {
	const usual = 20_000
	asked := positive(sv.Connections, usual)
	sv.shares = share(files, asked)
	sv.Connections, sv.more = sv.shares.connections, "raise --max-connections"
	if sv.Connections == asked {
		return nil
	}
	need := files + asked - sv.Connections
	raise := "raise the limit where it is set, like LimitNOFILE of a systemd service"
	sv.more = "start more servers, or " + raise
	if mayRaise(need) {
		raise = fmt.Sprintf("raise the limit (ulimit -n %d)", need)
		sv.more = raise
	}
	if sv.Connections < 1 {
		return fmt.Errorf("this process may open %d files, which leaves none for connections: %s", files, raise)
	}
	if asked != usual || files < usual { // the default means as many as there can be
		sv.Logger.Warn(fmt.Sprintf("this process may open %d files, so --max-connections is lowered: use as few, or %s", files, sv.more),
			"connections", sv.Connections)
	}
	return nil
}

// turn is how long a request waits for its turn.
const turn = 5 * time.Second

// few passes at most n requests at a time on to h. Further ones wait for their turn; those that it doesn't
// come to are answered with 503.
func few(n int, h http.Handler) http.Handler {
	turns := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
		default:
			late := time.NewTimer(turn)
			defer late.Stop()
			select {
			case turns <- struct{}{}:
			case <-late.C:
				w.Header().Set("Retry-After", "1")
				transports.Error(w, http.StatusServiceUnavailable, "too many requests for pages and stats are under way, try again later")
				return
			case <-r.Context().Done():
				transports.Error(w, http.StatusServiceUnavailable, "%v", transports.ErrStopping)
				return
			}
		}
		defer func() { <-turns }()
		h.ServeHTTP(w, r)
	})
}
