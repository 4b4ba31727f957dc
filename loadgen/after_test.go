package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// A saying is an error that says what a user does after it.
type saying transports.Step

func (saying) Error() string                             { return "the server says so" }
func (s saying) Step(transports.Request) transports.Step { return transports.Step(s) }

// TestStepAfter has errors after which joining again may help, or asking again, and others.
func TestStepAfter(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("reading: %w", err) }
	for _, c := range []struct {
		err    error
		step   transports.Step
		broken bool
	}{
		{&transports.StatusError{Code: 500}, transports.Rejoin, false},
		{&transports.StatusError{Code: 503}, transports.Rejoin, false},
		{&transports.StatusError{Code: 503, RetryAfter: 1}, transports.Repeat, false},
		{&transports.StatusError{Code: 429}, transports.Repeat, false},
		{&transports.StatusError{Code: 499}, transports.Stop, false},
		{&transports.StatusError{Code: 404}, transports.Return, false},
		{&transports.GapError{Oldest: 7}, transports.Rejoin, false},
		{&transports.TimeoutError{Part: "answer a poll", Limit: 1}, transports.Rejoin, true},
		{&net.OpError{Op: "read", Err: errForeign}, transports.Rejoin, true},
		{io.EOF, transports.Rejoin, true},
		{io.ErrUnexpectedEOF, transports.Rejoin, true},
		{wire.ErrStale, transports.Rejoin, true},
		{transports.ErrUnsent, transports.Rejoin, true},
		{transports.ErrStopping, transports.Rejoin, true},
		{errForeign, transports.Stop, false},
		{saying(transports.Rejoin), transports.Rejoin, false},
		{saying(transports.Stop), transports.Stop, false},
		{context.Canceled, transports.Stop, false},
	} {
		for _, err := range []error{c.err, wrapped(c.err)} {
			if step := stepAfter(transports.Poll, err); step != c.step || broken(err) != c.broken {
				t.Errorf("%v: step %d, broken: %t; want %d, %t", err, step, broken(err), c.step, c.broken)
			}
		}
	}
}
