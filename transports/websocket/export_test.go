package websocket

import (
	"testing"
	"testing/synctest"

	"pushpull/transports"
)

// OnBoth runs a test of the server's side in virtual time, with each of the engines.
func OnBoth(t *testing.T, test func(t *testing.T, transport Transport)) {
	for _, transport := range []Transport{{}, {Lean: true}} {
		t.Run(transport.name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, transport) })
		})
	}
}

// Limited returns t with limits.
func (t Transport) Limited(limits transports.Limits) Transport {
	t.Limits = limits
	return t
}
