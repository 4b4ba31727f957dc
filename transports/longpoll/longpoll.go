// Package longpoll is the transport whose requests wait: the server holds a question until the
// store wakes it with a message, or Hold has passed.
//
// It never asks the store on a timer.
package longpoll

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "long-poll"

// DefaultHold is how long a question waits for its answer, at most, unless another time is given.
const DefaultHold = 30 * time.Second

// A Transport is long polling. Its zero value holds for DefaultHold.
type Transport struct {
	Hold   time.Duration     // how long a question waits for its answer, at most; 0: DefaultHold
	Limits transports.Limits // the server's
}

var (
	_ transports.Transport = Transport{}
	_ transports.Holding   = Transport{}
)

// WithHold implements transports.Holding.
func (t Transport) WithHold(hold time.Duration) transports.Transport {
	t.Hold = hold
	return t
}

func (t Transport) hold() time.Duration {
	if t.Hold <= 0 {
		return DefaultHold
	}
	return t.Hold
}

// Handler answers with what follows the cursor, once there is something. Its users may ask for
// another hold with ?hold=20s, up to the server's limit.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		hold, ok := transports.Asked(w, r, "hold", t.hold())
		if !ok {
			return
		}
		messages, err := next(r.Context(), log, r.PathValue("room"), after, limits.Batch, min(hold, limits.Hold))
		transports.AnswerHeld(w, r, after, messages, err)
	})
}

// next returns what follows after, once there is something or the hold has passed. When ctx ends
// there is nothing, which is not an error.
func next(ctx context.Context, log transports.Log, room string, after uint64, limit int, hold time.Duration) ([]transports.Message, error) {
	if hold == 0 {
		return log.After(ctx, room, after, limit)
	}
	held, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	messages, err := log.Next(held, room, after, limit)
	if err != nil && held.Err() != nil && errors.Is(err, context.Cause(held)) {
		return nil, nil
	}
	return messages, err
}

// Join makes a user who asks again as soon as an answer has come.
func (t Transport) Join(_ context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	return &transports.Poller{Target: target, Room: room, Name: Name, From: from, Query: "hold=" + t.hold().String()}, nil
}
