package dialect_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/longpoll"
	"pushpull/transports/shortpoll"
	"pushpull/transports/sse"
	"pushpull/transports/transporttest"
	"pushpull/transports/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A both is the server's side of pushpull's own transport, and the user's side of a carrier.
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

// TestCarriers runs the suite of all transports on the carriers: they speak to pushpull's own server in its own
// dialect.
func TestCarriers(t *testing.T) {
	for spec, endpoint := range map[string]transports.Endpoint{
		"short-poll@1s": shortpoll.Transport{}, "long-poll": longpoll.Transport{}, "sse": sse.Transport{}, "websocket": websocket.Transport{},
	} {
		t.Run(spec, func(t *testing.T) {
			client, err := dialect.Client(native{}, spec)
			if err != nil {
				t.Fatal(err)
			}
			transporttest.Run(t, both{client, endpoint})
		})
	}
}

func TestClient(t *testing.T) {
	_, err := dialect.Client(native{}, "long-poll-scan")
	lacking, ok := errors.AsType[*dialect.LackingError](err)
	if !ok || lacking.Server != "pushpull" || !slices.Equal(lacking.Has, []string{"short-poll", "long-poll", "sse", "websocket"}) {
		t.Errorf("%v", err)
	}
	for spec, want := range map[string]string{
		"long-poll@5s":  `bad transport "long-poll@5s": long-poll of pushpull takes no interval`,
		"short-poll@":   `bad transport "short-poll@": put a setting after the @, or leave it out`,
		"short-poll@5x": `bad transport "short-poll@5x": the interval must be a time from 1ms to 1h, like short-poll@1s`,
	} {
		if _, err := dialect.Client(native{}, spec); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", spec, err, want)
		}
	}
	client, err := dialect.Client(native{}, "short-poll@250ms")
	if err != nil || client.Way().Every.Milliseconds() != 250 || client.Way().Title != "short polling on pushpull" || client.Way().Server != "pushpull" {
		t.Errorf("%+v, %v", client.Way(), err)
	}
}
