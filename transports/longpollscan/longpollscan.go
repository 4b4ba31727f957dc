// Package longpollscan is the transport whose polls are held by a server that the store doesn't wake:
// for each held poll it reads the store every Scan, until there is a message or Hold has passed.
//
// Polls share no reads, and no state is kept between them. Package longpoll is the transport that
// spares the store.
package longpollscan

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "long-poll-scan"

const (
	// DefaultScan is the default scan interval.
	DefaultScan = 50 * time.Millisecond

	// DefaultHold is the default hold time, the same as in long polling.
	DefaultHold = 30 * time.Second

	// shortest is the shortest scan interval that a user asks for.
	shortest = time.Millisecond
)

// A Transport is long polling with a scan. Its zero value scans every DefaultScan and holds polls for
// DefaultHold.
type Transport struct {
	Scan   time.Duration     // from one scan to the next; 0: DefaultScan
	Hold   time.Duration     // longest time that a poll is held; 0: DefaultHold
	Limits transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport for a setting, which is the scan interval.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	scan, err := transports.ParseInterval(Name, setting, "scan interval", DefaultScan)
	return Transport{Scan: scan, Limits: limits}, err
}

// Way implements transports.Client and transports.Endpoint. The scan interval is at most the hold.
func (t Transport) Way() transports.Way {
	hold := cmp.Or(max(t.Hold, 0), DefaultHold)
	return transports.Way{Title: "long polling with a scan", Hold: hold, Scan: within(hold, t.scan())}
}

// scan returns the scan interval that a user asks for.
func (t Transport) scan() time.Duration {
	return max(cmp.Or(max(t.Scan, 0), DefaultScan), shortest)
}

// Handler answers with the messages after the cursor as soon as a scan finds any. Users may ask for
// other times with ?scan=50ms&hold=30s. The hold time is bounded by the server's limit. A scan interval
// below the limit is refused with status 400: with a longer one than it asked for, a measurement would
// not be what it says.
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
		scan, ok := transports.Asked(w, r, "scan", max(t.scan(), limits.MinScan))
		if !ok {
			return
		}
		if scan < limits.MinScan {
			transports.Error(w, http.StatusBadRequest, "this server scans every %v at most: ask for scan=%[1]v or more, or lower --min-scan", limits.MinScan)
			return
		}
		hold = min(hold, limits.Hold)
		messages, err := look(r.Context(), within(hold, scan), hold, func() ([]transports.Message, error) {
			return log.After(r.Context(), r.PathValue("room"), after, limits.Batch)
		})
		transports.AnswerHeld(w, r, after, messages, err, limits)
	})
}

// within returns the scan interval of a poll that is held for at most hold. It is at most hold, so
// that a held poll gets a second scan; without one it would be answered at once, and its user would
// poll without a pause.
func within(hold, scan time.Duration) time.Duration {
	if 0 < hold && hold < scan {
		return hold
	}
	return scan
}

// look reads at once and then every scan, until it finds messages. It gives up after the last scan
// within the hold time, so it makes at most 1 + hold/scan reads, and a hold time that is a multiple of
// scan is used to its end. Later messages are left to the next poll. A read that takes longer than
// scan skips the scans that it missed. When ctx ends, look returns no messages and no error.
func look(ctx context.Context, scan, hold time.Duration, read func() ([]transports.Message, error)) ([]transports.Message, error) {
	begun := time.Now()
	var timer *time.Timer
	for {
		messages, err := read()
		if err != nil || len(messages) > 0 {
			return messages, err
		}
		next := time.Since(begun).Truncate(scan) + scan
		if next > hold {
			return nil, nil
		}
		wait := time.Until(begun.Add(next))
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// Join returns a session that polls again as soon as a response has come. A user without a place polls once to join,
// without being held.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	poller := &transports.Poller{
		Sender: transports.Sender{Target: target, Room: room},
		Name:   Name, From: from, Query: "scan=" + t.scan().String(), Hold: target.Held(t.Way().Hold),
	}
	return poller.Enter(ctx)
}
