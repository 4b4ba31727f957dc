package transports

import (
	"context"
	"net"
	"time"
)

// AnswerTime is how long a server may take to answer: to take a connection, to answer a handshake or
// a poll, beyond the time for which it holds it, and to acknowledge a message.
const AnswerTime = 10 * time.Second

// A TimeoutError means that a server did not do its part in time. It may have done it without an
// answer: a message may have been stored.
type TimeoutError struct {
	Part  string // what it did not do, like "answer a poll"
	Limit time.Duration
}

var _ net.Error = (*TimeoutError)(nil)

func (e *TimeoutError) Error() string {
	return "the server did not " + e.Part + " within " + e.Limit.String()
}

// Timeout implements net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *TimeoutError) Temporary() bool { return true }

// Within returns a copy of ctx for requests whose answer must come within a limit, each counted from
// its start to the last byte, on a stream to the end of the head. After it an http.RoundTripper that
// knows of it, as that of package wire does, gives up the connection and returns a *TimeoutError. ctx
// doesn't end with the limit, and no timer is started.
func Within(ctx context.Context, limit time.Duration, part string) context.Context {
	return context.WithValue(ctx, limitKey{}, &TimeoutError{part, limit})
}

// LimitOf returns the error of a request that takes longer than its limit, nil if it has none.
func LimitOf(ctx context.Context) *TimeoutError {
	limit, _ := ctx.Value(limitKey{}).(*TimeoutError)
	return limit
}

type limitKey struct{}
