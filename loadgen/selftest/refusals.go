package selftest

import (
	"net/http"
	"sync"

	"pushpull/loadgen"
	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// limitedEvery is the period in which a request to receive is refused, in each room.
const limitedEvery = 10

// A refusal is an endpoint that some requests don't get to. A transport without polls has one request of
// each user, its handshake.
type refusal struct {
	transports.Endpoint

	// due reports whether a request, the nth in a room, from 0, is refused.
	due    func(n int, r *http.Request) bool
	refuse http.HandlerFunc

	mu      sync.Mutex
	came    map[string]int // by room
	refused int
}

// refuses returns a function that makes a server which refuses requests to receive.
func refuses(due func(n int, r *http.Request) bool, refuse http.HandlerFunc) func(*loadgen.Plan) subject {
	return func(*loadgen.Plan) subject {
		var all []*refusal
		wrap := func(e transports.Endpoint) transports.Endpoint {
			all = append(all, &refusal{Endpoint: e, due: due, refuse: refuse, came: map[string]int{}})
			return all[len(all)-1]
		}
		return subject{store: &memory.Store{}, wrap: wrap, spoiled: func() (sum int) {
			for _, r := range all {
				r.mu.Lock()
				sum += r.refused
				r.mu.Unlock()
			}
			return sum
		}}
	}
}

func (r *refusal) Handler(log transports.Log) http.Handler {
	right := r.Endpoint.Handler(log)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		room := req.PathValue("room")
		r.mu.Lock()
		due := r.due(r.came[room], req)
		r.came[room]++
		if due {
			r.refused++
		}
		r.mu.Unlock()
		if due {
			r.refuse(w, req)
			return
		}
		right.ServeHTTP(w, req)
	})
}

// limits makes a server that refuses one request in limitedEvery for a second, at most so many in each
// room: they are over before the users leave, so each answer is received.
func limits(most int) func(*loadgen.Plan) subject {
	return refuses(func(n int, _ *http.Request) bool { return n%limitedEvery == 0 && n < most*limitedEvery }, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		transports.Error(w, http.StatusTooManyRequests, "too many requests: wait for a second")
	})
}

// silence makes a server that lets users join, and holds each other request to receive until its user gives it up.
func silence(plan *loadgen.Plan) subject {
	return refuses(func(_ int, r *http.Request) bool { return !joins(r) }, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })(plan)
}
