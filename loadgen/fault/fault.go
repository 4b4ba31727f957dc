// Package fault is the list of the faults that can happen between users and the log of their rooms, and the score of
// what becomes of the messages.
//
// A Fault acts on a Scene: routes through a relay, servers and users. A History is what users have seen while it
// happened; its Score counts, over all messages and members of their rooms, what came, came late, was reported
// missing, or was lost in silence. The package starts nothing and measures nothing.
package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"pushpull/loadgen/relay"
)

// A Fault is one thing that breaks, and is mended again.
type Fault struct {
	Name  string
	About string        // what happens, in one line
	Lasts time.Duration // from Begin to End
	Needs []Need        // of the place where it is to happen
	Serve []string      // arguments of pushpull serve that it needs
	Hop   bool          // there is an HTTP proxy before each server

	// Aborts says that users can abort answers, see Aborter.
	Aborts bool

	Begin func(context.Context, *Scene) error
	End   func(context.Context, *Scene) error // nil: it ends by itself, or never
}

// Lacks returns why the fault can't happen at a place; "" if it can.
func (f Fault) Lacks(at Place) string {
	for _, need := range f.Needs {
		if !need.met(at) {
			return need.lack
		}
	}
	return ""
}

// A Place is where a fault is to happen.
type Place struct {
	Own     bool // the servers are pushpull's own
	Started bool // and were started by the run
	Servers int  // that a room is on
	Network bool // the servers reach their store over TCP
	File    bool // the store is a file of its servers
	Signals bool // processes can be stopped and limited, as on Linux
	Polls   bool // users send by requests that a proxy can make again
	TLS     bool // users speak TLS with the servers
	HTTP2   bool // and HTTP/2
}

// A Need is a property that a place must have.
type Need struct {
	met  func(Place) bool
	lack string // what is said where it is not met
}

var (
	started  = Need{func(p Place) bool { return p.Started }, "the server was not started by this run"}
	own      = Need{func(p Place) bool { return p.Own }, "only pushpull's own server has the flag that it needs"}
	several  = Need{func(p Place) bool { return p.Servers > 1 }, "each room is on one server: use --servers 2 and a store that they share"}
	network  = Need{func(p Place) bool { return p.Network }, "the server does not reach its store over a network"}
	file     = Need{func(p Place) bool { return p.File }, "the store is not a file"}
	requests = Need{func(p Place) bool { return p.Polls }, "a message on a WebSocket is no request, which a proxy could make or answer again"}
	readable = Need{func(p Place) bool { return !p.TLS }, "the proxy can't read what users and servers encrypt"}
	ordered  = Need{func(p Place) bool { return !p.HTTP2 }, "over HTTP/2 an answer has the number of its request"}
	signals  = Need{func(p Place) bool { return p.Signals }, "it takes Linux"}
)

// A Scene is what a fault acts on. Its users and servers are those of one window.
type Scene struct {
	Random  *rand.Rand
	Routes  []*relay.Route // from users to the servers, in their order
	Store   *relay.Route   // from the servers to their store; nil: there is none
	Servers []Server
	Relay   Restarter
	Users   []User
	Aborts  Aborter      // nil: its fault makes no use of it
	Hops    []*relay.Hop // behind the routes; none: its fault makes no use of them
}

// An Aborter makes users abort answers.
type Aborter interface {
	// Abort begins, or ends, that each connection of a user is closed by the user after a number of bytes of what the server
	// sends. These numbers go through all of a range, one after another.
	Abort(on bool)
}

// A Server can be killed and started again, at the end of the same route.
type Server interface {
	Kill() error
	Start(ctx context.Context) error
}

// A Sufferer is a server that can be hindered in other ways.
type Sufferer interface {
	Freeze(frozen bool) error // the process is stopped, or goes on
	Fill(full bool) error     // its disk is full, or no longer
}

// A Restarter is a process that can be ended, and started again as it was.
type Restarter interface {
	Kill() error
	Start(ctx context.Context) error
}

// A User can leave for a time.
type User interface {
	// Restart closes the user's connections and, after a time, makes it read on from where it was.
	Restart(after time.Duration)
}

// one returns a server of the scene, drawn.
func (s *Scene) one() Server { return s.Servers[s.Random.IntN(len(s.Servers))] }

// every calls f for each route, and returns the errors.
func every(routes []*relay.Route, f func(*relay.Route) error) error {
	var errs []error
	for _, r := range routes {
		errs = append(errs, f(r))
	}
	return errors.Join(errs...)
}

// sufferers calls f for each server that can be hindered.
func (s *Scene) sufferers(f func(Sufferer) error) error {
	var errs []error
	for _, server := range s.Servers {
		if one, ok := server.(Sufferer); ok {
			errs = append(errs, f(one))
		}
	}
	return errors.Join(errs...)
}
