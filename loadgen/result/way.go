package result

import (
	"strings"
	"time"
)

// A Way is how the users of a transport get the next message: a transports.Way in JSON. Exactly one of
// EveryS, HoldS and Stream is set; the zero Way is unknown.
type Way struct {
	Title  string  `json:"title"`             // in running text, like "long polling"
	EveryS float64 `json:"every_s,omitempty"` // users poll on a timer, with this interval
	HoldS  float64 `json:"hold_s,omitempty"`  // requests are held, at most this long
	ScanS  float64 `json:"scan_s,omitempty"`  // the server re-reads the store at this interval for a held request
	Stream bool    `json:"stream,omitempty"`  // the server writes messages as they come
	Duplex bool    `json:"duplex,omitempty"`  // users send on the connection that they read from

	HeartbeatS float64 `json:"heartbeat_s,omitempty"` // the server of a stream is never silent for longer; of several servers, that of the one that speaks most often

	Engine string `json:"engine,omitempty"` // what speaks the protocol on the server's side, if other transports differ only in that

	HTTP2 bool `json:"http2,omitempty"` // users speak HTTP/2, each on one connection

	Server string `json:"server,omitempty"` // the server's title, like "nchan"; empty: pushpull's own
	Lacks  Lacks  `json:"lacks,omitzero"`   // what the server doesn't promise
	Batch  int    `json:"batch,omitempty"`  // most messages in one answer to a poll; 0: no limit that a user would notice
}

// Lacks are the promises that a server doesn't make, those of transports.Lacks in JSON.
type Lacks struct {
	Replay bool `json:"replay,omitempty"`
	Resume bool `json:"resume,omitempty"`
	Gaps   bool `json:"gaps,omitempty"`
	Acks   bool `json:"acks,omitempty"`
	Order  bool `json:"order,omitempty"`
	Echo   bool `json:"echo,omitempty"`
}

// alike reports whether two ways differ at most in how often their servers give signs of life, which servers at different
// addresses may.
func (w Way) alike(other Way) bool {
	w.HeartbeatS = other.HeartbeatS
	return w == other
}

// Known reports whether the way is known; old results may lack it.
func (w Way) Known() bool { return w.Class() != "" }

// The classes of ways.
const (
	Timer  = "timer"  // users poll on a timer
	Held   = "held"   // requests are held, and the store wakes them
	Scan   = "scan"   // requests are held, and the server re-reads the store for them on a timer
	Stream = "stream" // the server writes a stream; users send by separate requests
	Duplex = "duplex" // the server writes a stream, and users send on the same connection
)

// Classes returns the classes of all ways.
func Classes() []string { return []string{Timer, Held, Scan, Stream, Duplex} }

// Class returns the class of w, or "" if it is unknown. Formulas, colours and texts depend on the
// class, never on the name of a transport.
func (w Way) Class() string {
	switch {
	case w.EveryS > 0:
		return Timer
	case w.ScanS > 0:
		return Scan
	case w.HoldS > 0:
		return Held
	case w.Duplex:
		return Duplex
	case w.Stream:
		return Stream
	}
	return ""
}

// Kind returns the name of a transport without its setting: "short-poll" for "short-poll@5s".
func Kind(transport string) string {
	kind, _, _ := strings.Cut(transport, "@")
	return kind
}

// FormerWay returns the way of a window in an old result, which holds none. There were four transports
// then. intervalS is the window's interval_s, or 0 if the result is older still.
func FormerWay(transport string, intervalS float64) Way {
	_, setting, _ := strings.Cut(transport, "@")
	if d, err := time.ParseDuration(setting); err == nil && intervalS == 0 {
		intervalS = d.Seconds()
	}
	const hold = 30 // default of the transports that held requests
	or := func(usual float64) float64 {
		if intervalS > 0 {
			return intervalS
		}
		return usual
	}
	switch Kind(transport) {
	case "short-poll":
		return Way{Title: "short polling", EveryS: or(5)}
	case "long-poll":
		return Way{Title: "long polling", HoldS: or(hold)}
	case "long-poll-scan":
		return Way{Title: "long polling with a scan", HoldS: hold, ScanS: min(or(.05), hold)}
	case "websocket":
		return Way{Title: "WebSocket", Stream: true, Duplex: true}
	}
	return Way{}
}
