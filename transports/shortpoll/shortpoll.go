// Package shortpoll is the transport whose users poll on a timer: every Interval they ask for new
// messages, and most responses are empty.
//
// The server never holds a request, and keeps no state of a user between two polls.
package shortpoll

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "short-poll"

// DefaultInterval is the default poll interval.
const DefaultInterval = 5 * time.Second

// A Transport is short polling. Its zero value polls every DefaultInterval.
type Transport struct {
	Interval time.Duration     // from one poll to the next; 0: DefaultInterval
	Limits   transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport for a setting, which is the poll interval.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	interval, err := transports.ParseInterval(Name, setting, "poll interval", DefaultInterval)
	return Transport{Interval: interval, Limits: limits}, err
}

// Way implements transports.Client and transports.Endpoint.
func (t Transport) Way() transports.Way {
	return transports.Way{Title: "short polling", Every: cmp.Or(max(t.Interval, 0), DefaultInterval)}
}

// Handler answers at once with the messages after the cursor.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r, log)
		if !ok {
			return
		}
		messages, err := log.After(r.Context(), r.PathValue("room"), after, limits.Batch)
		if err != nil {
			transports.StoreError(w, err)
			return
		}
		transports.Answer(w, after, messages, limits)
	})
}

// Join returns a session that polls as soon as Messages is ranged over, and then on a fixed timer. A user without a
// place polls once to join.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	poller := &transports.Poller{
		Sender: transports.Sender{Target: target, Room: room},
		Name:   Name, From: from, Every: t.Way().Every,
	}
	return poller.Enter(ctx)
}
