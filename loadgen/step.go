package loadgen

import (
	"errors"
	"io"
	"net"
	"time"

	"pushpull/loadgen/backoff"
	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// waitAfter returns the next wait of a user: what the server asks for in err, else the user's own.
func waitAfter(err error, own *backoff.Waits) time.Duration {
	wait := own.Next()
	if status, ok := errors.AsType[*transports.StatusError](err); ok && status.RetryAfter > 0 {
		return status.RetryAfter
	}
	return wait
}

// step returns what the user does after an error of receiving or joining: Stop, Repeat or Rejoin.
//
// A foreign server may answer 4xx to a poll of a conversation that has begun: it no longer knows it, or a token has
// expired. Joining again begins another one.
func (u *user) step(r transports.Request, err error) transports.Step {
	served := u.window.way.Stream || u.served || !u.window.foreign() && r == transports.Poll // it has joined, or got an answer
	step := stepAfter(r, err)
	switch {
	case step == transports.Return && served:
		return transports.Rejoin
	case step == transports.Return:
		return transports.Stop
	case step == transports.Stop && r == transports.Poll && served && u.window.foreign():
		if status, ok := errors.AsType[*transports.StatusError](err); ok && status.Code/100 == 4 {
			return transports.Rejoin
		}
	}
	return step
}

// A stepper is an error that says what a user does after it, like a *transports.StatusError.
type stepper interface {
	error
	Step(r transports.Request) transports.Step
}

// stepAfter returns what a user does after an error of a request. Joining again may help if a
// connection, a server or a store is out of reach, or after a gap. It doesn't after an error of the
// protocol.
func stepAfter(r transports.Request, err error) transports.Step {
	if says, ok := errors.AsType[stepper](err); ok {
		return says.Step(r)
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
