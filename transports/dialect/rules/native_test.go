package rules_test

import (
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/longpoll"
	"pushpull/transports/shortpoll"
	"pushpull/transports/sse"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

// A both is the server's side of pushpull's own transport, and the user's side by rules.
type both struct {
	transports.Client
	transports.Endpoint
}

func (b both) Way() transports.Way { return b.Client.Way() }

// LatePlace implements transporttest.LatePlace. Rules read what a stream brings, not the head of its answer; a poll brings
// a place when it is answered.
func (b both) LatePlace() time.Duration {
	if b.Way().Stream {
		return -1
	}
	return b.Way().Every + b.Way().Hold + time.Second
}

// TestNative runs the suite of all transports on a dialect file for pushpull's own server.
func TestNative(t *testing.T) {
	d, err := rules.Load("testdata/pushpull.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, endpoint := range map[string]transports.Endpoint{
		"short-poll": shortpoll.Transport{}, "long-poll": longpoll.Transport{}, "sse": sse.Transport{}, "websocket": websocket.Transport{},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := dialect.Client(d, name)
			if err != nil {
				t.Fatal(err)
			}
			transporttest.Run(t, both{client, endpoint})
		})
	}
}
