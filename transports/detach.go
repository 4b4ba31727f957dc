package transports

import (
	"net/http"
	"time"
)

// A Holder is a ResponseWriter whose server can keep a poll without a goroutine that waits for it.
type Holder interface {
	// Hold leaves the request unanswered when its handler returns. It is answered as by AnswerHeld, as
	// soon as room has messages after seq, or d has passed, or the server stops, with the limits of the
	// server. It refuses, and returns false, if the room's reader is not at seq: then the handler has to
	// wait.
	Hold(log Log, room string, seq uint64, d time.Duration) bool
}

// A Detacher is a ResponseWriter whose server can go on with a connection once the handler that has
// hijacked it has returned.
type Detacher interface {
	// Detach makes the server call run when the handler has returned, and wait for it when it stops.
	Detach(run func())
}

// Detach calls run, which goes on with the hijacked connection of w: when the handler has returned,
// if the server can, as the handler's stack and request would take memory all the time; else now. The
// request's context ends with that of the server, not with the handler.
func Detach(w http.ResponseWriter, run func()) {
	if d, ok := w.(Detacher); ok {
		d.Detach(run)
		return
	}
	run()
}
