package relay

import (
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

// KindSilent is a kind of toxic that makes a connection go silent, as a firewall does that has forgotten it: what is
// sent is dropped, for as long as the connection lasts, and neither side is told. The attribute "until", in milliseconds
// since the Unix epoch, ends that for connections which begin later. toxiproxy's own "timeout" closes its connections
// when it is taken away.
const KindSilent = "silent"

type silent struct {
	Until int64 `json:"until"` // milliseconds since the Unix epoch
}

var _ toxics.Toxic = (*silent)(nil)

// Pipe implements toxics.Toxic.
func (s *silent) Pipe(stub *toxics.ToxicStub) {
	if time.Now().UnixMilli() >= s.Until {
		new(toxics.NoopToxic).Pipe(stub)
		return
	}
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil { // this side has closed
				stub.Close()
				return
			}
		}
	}
}

// register adds the toxics that toxiproxy lacks to its list.
var register = sync.OnceFunc(func() {
	toxics.Register(KindSilent, new(silent))
	toxics.Register(kindDistance, new(distance))
})
