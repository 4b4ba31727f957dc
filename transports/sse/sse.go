// Package sse is the transport over server-sent events (WHATWG HTML, section 9.2): the server writes the
// messages of a room into one response that never ends, and users send each message by a POST.
//
// Each message is one event, and its id is its place:
//
//	id: 7
//	data: {"seq":7,"body":"..."}
//
// A stream begins after the place in the header Last-Event-ID, with which browsers reconnect, else in the
// parameter after. Its first line is retry: 2000, the milliseconds after which a browser reconnects. Every
// transports.Limits.Heartbeat the server writes a comment, the first one after a random part of it; a user ends
// a stream on which it has missed two. When messages after the cursor
// have left the log, a new request is answered with 410, and a running stream ends with an event gap and the
// data {"oldest":9}; when the store can't be reached, with 503, or an event error and the data
// {"error":"..."}. A stopping server ends the response in order.
//
// The server keeps no queue per user. The log is the queue: a slow reader falls behind in it, and a user
// that doesn't read a batch within the write timeout is disconnected and can resume from its cursor.
//
// The user's side reads any stream that keeps to the standard. It ignores retry, as simulated users wait in
// the same way on all transports.
package sse

import (
	"fmt"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "sse"

const (
	mediaType = "text/event-stream"
	retry     = "2000" // ms; the longest backoff of a simulated user
)

// The types of events other than messages, and their data.
const (
	kindGap   = "gap"
	kindError = "error"
)

type gapData struct {
	Oldest uint64 `json:"oldest"`
}

type failure struct {
	Error string `json:"error"`
}

// A Transport is the transport over server-sent events. Its zero value works.
type Transport struct {
	Limits transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport. Any setting is an error.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	if setting != "" {
		return nil, fmt.Errorf("%s takes no interval", Name)
	}
	return Transport{Limits: limits}, nil
}

// Way implements transports.Client and transports.Endpoint.
func (Transport) Way() transports.Way {
	return transports.Way{Title: "server-sent events", Stream: true, Heartbeat: transports.Heartbeat}
}
