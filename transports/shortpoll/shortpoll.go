// Package shortpoll is the transport whose users wait on a timer of their own: every Interval
// they ask whether anything is new, and most answers are empty.
//
// The server never waits and keeps nothing about a user between two questions.
package shortpoll

import (
	"context"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "short-poll"

// DefaultInterval is the time from one question to the next unless another one is given.
const DefaultInterval = 5 * time.Second

// A Transport is short polling. Its zero value asks every DefaultInterval.
type Transport struct {
	Interval time.Duration     // from one question to the next; 0: DefaultInterval
	Limits   transports.Limits // the server's
}

var (
	_ transports.Transport = Transport{}
	_ transports.Periodic  = Transport{}
)

// Period returns the time from one question to the next.
func (t Transport) Period() time.Duration {
	if t.Interval <= 0 {
		return DefaultInterval
	}
	return t.Interval
}

// Handler answers with what follows the cursor, at once.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		messages, err := log.After(r.Context(), r.PathValue("room"), after, limits.Batch)
		if err != nil {
			transports.StoreError(w, err)
			return
		}
		if len(messages) == limits.Batch {
			w.Header().Set("Retry-After", "0") // a timer would never catch up with a busy room
		}
		transports.Answer(w, after, messages)
	})
}

// Join makes a user who asks as soon as Messages is ranged over, and from then on a fixed timer.
func (t Transport) Join(_ context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	return &transports.Poller{Target: target, Room: room, Name: Name, From: from, Every: t.Period()}, nil
}
