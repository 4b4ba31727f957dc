package loadgen

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// A backoff is the longest wait of a user before it tries again. It doubles with each use, up to a
// limit. Part of the wait is random, so that users that were cut off together don't come back together.
type backoff time.Duration

const (
	firstBackoff = backoff(50 * time.Millisecond)
	maxBackoff   = 2 * time.Second
)

// after returns the next wait: what the server asks for in err, else the user's own.
func (b *backoff) after(err error) time.Duration {
	most := time.Duration(*b)
	*b = backoff(min(2*most, maxBackoff))
	if status, ok := errors.AsType[*transports.StatusError](err); ok && status.RetryAfter > 0 {
		return status.RetryAfter
	}
	return most/2 + rand.N(most/2)
}

// step returns what the user does after an error of receiving or joining: Stop, Repeat or Rejoin.
func (u *user) step(r transports.Request, err error) transports.Step {
	step := stepAfter(r, err)
	if step != transports.Return {
		return step
	}
	if u.window.way.Stream || u.cursor != "" { // it has been served: it has joined, or got an answer
		return transports.Rejoin
	}
	return transports.Stop
}

// stepAfter returns what a user does after an error of a request. Joining again may help if a
// connection, a server or a store is out of reach, or after a gap. It doesn't after an error of the
// protocol.
func stepAfter(r transports.Request, err error) transports.Step {
	if status, ok := errors.AsType[*transports.StatusError](err); ok {
		return status.Step(r)
	}
	if _, ok := errors.AsType[*transports.GapError](err); ok || broken(err) {
		return transports.Rejoin
	}
	return transports.Stop
}

// broken reports whether err means that a connection has ended, was too slow, or could not be made.
func broken(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, wire.ErrStale) || errors.Is(err, transports.ErrUnsent) || errors.Is(err, transports.ErrStopping)
}
