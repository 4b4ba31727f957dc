// Package transporttest is the test suite for transports, and its parts: a server, users and the
// network between them, all in memory.
//
// Every test runs in a bubble of testing/synctest, so an hour of polling takes no time, and a
// goroutine that is left behind fails the test. It measures nothing.
package transporttest

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"pushpull/transports"
)

// Run tests transport, which must have the default limits, against the contract of
// transports.Transport. Tests of further promises, like latency, belong into the transport's package.
//
// It runs on Pipes, where a server can't write without waiting and so every reader waits for the log, and
// on a Buffered network, where the room's reader writes to those that follow it.
func Run(t *testing.T, transport transports.Transport) {
	if err := transport.Way().Validate(); err != nil {
		t.Errorf("Way: %v", err)
	}
	t.Run("AbortAtEveryByte", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			abortAtEveryByte(t, stage{serve: func(t testing.TB, store transports.Store) *Server { return Serve(t, transport, store) }})
		})
	})
	for name, network := range networks() {
		t.Run(name, func(t *testing.T) {
			run(t, stage{serve: func(t testing.TB, store transports.Store) *Server {
				return ServeOn(t, network(), transport, store)
			}})
		})
	}
}

// networks returns the kinds of networks.
func networks() map[string]func() *Network {
	return map[string]func() *Network{"Pipes": Pipes, "Buffered": func() *Network { return Buffered(0) }}
}

// RunServed is Run for a serving process on networks of one kind, which must serve transport to http://server.test. serve accepts
// the connections of l until ctx ends; then it must answer what is held, end every connection, and return.
// Rooms have the names that a serving process takes.
func RunServed(t *testing.T, transport transports.Transport, on func() *Network, serve func(ctx context.Context, l net.Listener, store transports.Store) error) {
	run(t, stage{plain: true, serve: func(t testing.TB, store transports.Store) *Server {
		network := on()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- serve(ctx, network, store) }()
		return newServer(t, transport, network, func() error {
			cancel()
			return <-done
		})
	}})
}

// A stage is what the tests of the suite run on.
type stage struct {
	serve func(testing.TB, transports.Store) *Server
	plain bool // names of rooms consist of letters, digits, - _ and .
}

func run(t *testing.T, on stage) {
	for name, test := range map[string]func(*testing.T, stage){
		"OneLogForAll":         oneLogForAll,
		"OrderOfSends":         orderOfSends,
		"SendOnce":             sendOnce,
		"Rooms":                rooms,
		"History":              history,
		"Resume":               resume,
		"BreakAndReadOn":       breakAndReadOn,
		"Bodies":               bodies,
		"TooLarge":             tooLarge,
		"NotUTF8":              notUTF8,
		"BadCursor":            badCursor,
		"Gap":                  gap,
		"GapBeyondTheEnd":      gapBeyondTheEnd,
		"GapWhileAway":         gapWhileAway,
		"LogLost":              logLost,
		"LogLostUnread":        logLostUnread,
		"LogLostWhileServing":  logLostWhileServing,
		"ContextEndsMessages":  contextEndsMessages,
		"CloseEndsMessages":    closeEndsMessages,
		"CloseTwice":           closeTwice,
		"CloseWhileSendStuck":  closeWhileSendStuck,
		"JoinContextIsOver":    joinContextIsOver,
		"ServerStops":          serverStops,
		"ServerStopsUnderLoad": serverStopsUnderLoad,
		"ServerIsGone":         serverIsGone,
		"NoServer":             noServer,
		"StoreErrorOnRead":     storeErrorOnRead,
		"StoreErrorOnSend":     storeErrorOnSend,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, on) })
		})
	}
}
