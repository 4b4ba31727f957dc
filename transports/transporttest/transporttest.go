// Package transporttest is the suite that every transport passes, and what it is made of: a
// server, users and the network between them, in memory.
//
// Everything runs in a bubble of testing/synctest: an hour of polling takes no time, and a
// goroutine that is left behind fails the test. It measures nothing.
package transporttest

import (
	"testing"
	"testing/synctest"

	"pushpull/transports"
)

// Run tests transport, whose limits are the defaults, on the contract of transports.Transport.
// What a transport promises beyond that, like how soon a message comes, is tested beside it.
func Run(t *testing.T, transport transports.Transport) {
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
