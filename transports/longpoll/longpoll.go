// Package longpoll is the transport whose polls are held: the server answers a poll when there is a
// message, for which the store wakes it, or when the hold time has passed.
//
// It never reads the store on a timer.
package longpoll

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "long-poll"

// DefaultHold is the default hold time.
const DefaultHold = 30 * time.Second

// A Transport is long polling. Its zero value holds polls for DefaultHold.
type Transport struct {
	Hold   time.Duration     // longest time that a poll is held; 0: DefaultHold
	Limits transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport for a setting, which is the hold time.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	hold, err := transports.ParseInterval(Name, setting, "hold time", DefaultHold)
	return Transport{Hold: hold, Limits: limits}, err
}

// Way implements transports.Client and transports.Endpoint.
func (t Transport) Way() transports.Way {
	return transports.Way{Title: "long polling", Hold: cmp.Or(max(t.Hold, 0), DefaultHold)}
}

// Handler answers with the messages after the cursor as soon as there are any. Users may ask for
// another hold time with ?hold=20s, up to the server's limit.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r, log)
		if !ok {
			return
		}
		hold, ok := transports.Asked(w, r, "hold", t.Way().Hold)
		if !ok {
			return
		}
		room := r.PathValue("room")
		hold = min(hold, limits.Hold)
		if h, ok := w.(transports.Holder); ok && hold > 0 && h.Hold(log, room, after, hold) {
			return
		}
		messages, err := transports.NextWithin(r.Context(), log, room, after, limits.Batch, hold)
		transports.AnswerHeld(w, r, after, messages, err, limits)
	})
}

// Join returns a session that polls again as soon as a response has come. A user without a place polls once to join,
// without being held.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	poller := &transports.Poller{
		Sender: transports.Sender{Target: target, Room: room},
		Name:   Name, From: from, Hold: target.Held(t.Way().Hold),
	}
	return poller.Enter(ctx)
}
