// Package transporttest is the test suite for transports, and its parts: a server, users and the
// network between them, all in memory.
//
// Every test runs in a bubble of testing/synctest, so an hour of polling takes no time, and a
// goroutine that is left behind fails the test. It measures nothing.
package transporttest

import (
	"testing"
	"testing/synctest"

	"pushpull/transports"
)

// Run tests transport, which must have the default limits, against the contract of
// transports.Transport. Tests of further promises, like latency, belong into the transport's package.
func Run(t *testing.T, transport transports.Transport) {
	if err := transport.Way().Validate(); err != nil {
		t.Errorf("Way: %v", err)
	}
	for name, test := range map[string]func(*testing.T, transports.Transport){
		"OneLogForAll":         oneLogForAll,
		"OrderOfSends":         orderOfSends,
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
			synctest.Test(t, func(t *testing.T) { test(t, transport) })
		})
	}
}
