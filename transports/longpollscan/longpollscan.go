// Package longpollscan is the transport whose requests wait on a server that nobody wakes: it asks
// the store again and again, every Scan, until there is a message or Hold has passed.
//
// It reads the store for each question on its own and keeps nothing between two of them; sparing the
// store is what long polling is for.
package longpollscan

import (
	"context"
	"net/http"
	"time"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "long-poll-scan"

const (
	// DefaultScan is the time from one scan to the next unless another one is given.
	DefaultScan = 50 * time.Millisecond

	// DefaultHold is how long a question waits for its answer, at most, unless another time is
	// given: as long as in long polling.
	DefaultHold = 30 * time.Second

	// shortest is the least time from one scan to the next, whatever a user asks for.
	shortest = time.Millisecond
)

// A Transport is long polling with a scan. Its zero value scans every DefaultScan and holds for
// DefaultHold.
type Transport struct {
	Scan   time.Duration     // from one scan to the next; 0: DefaultScan
	Hold   time.Duration     // how long a question waits for its answer, at most; 0: DefaultHold
	Limits transports.Limits // the server's
}

var (
	_ transports.Transport = Transport{}
	_ transports.Scanning  = Transport{}
	_ transports.Holding   = Transport{}
)

func (t Transport) scan() time.Duration {
	if t.Scan <= 0 {
		return DefaultScan
	}
	return t.Scan
}

func (t Transport) hold() time.Duration {
	if t.Hold <= 0 {
		return DefaultHold
	}
	return t.Hold
}

// ScanInterval returns the time from one scan to the next.
func (t Transport) ScanInterval() time.Duration { return bounded(t.scan(), t.hold()) }

// WithHold implements transports.Holding.
func (t Transport) WithHold(hold time.Duration) transports.Transport {
	t.Hold = hold
	return t
}

// Handler answers with what follows the cursor, once a scan has found something. Its users may ask
// for other times with ?scan=50ms&hold=30s; the server bounds both.
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
		scan, ok := transports.Asked(w, r, "scan", t.scan())
		if !ok {
			return
		}
		hold = min(hold, limits.Hold)
		messages, err := look(r.Context(), bounded(scan, hold), hold, func() ([]transports.Message, error) {
			return log.After(r.Context(), r.PathValue("room"), after, limits.Batch)
		})
		transports.AnswerHeld(w, r, after, messages, err)
	})
}

// bounded returns the time between two scans of a question that is held for so long. One that is
// held at all is scanned for a second time, or its user would ask without a pause.
func bounded(scan, hold time.Duration) time.Duration {
	scan = max(scan, shortest)
	if 0 < hold && hold < scan {
		return hold
	}
	return scan
}

// look reads at once and then every scan, and returns what it has found. It gives up with the last
// scan that the hold has room for, which is the hold's end where that is a multiple of the scan:
// one that finds nothing takes 1 + hold/scan reads. What comes later is the next question's. A
// read that takes longer than a scan skips those that it missed. When ctx ends there is nothing.
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

// Join makes a user who asks again as soon as an answer has come.
func (t Transport) Join(_ context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	query := "scan=" + t.scan().String() + "&hold=" + t.hold().String()
	return &transports.Poller{Target: target, Room: room, Name: Name, From: from, Query: query}, nil
}
