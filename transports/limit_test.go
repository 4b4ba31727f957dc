package transports_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"pushpull/transports"
)

// TestLimits looks at limits that contexts carry to requests. They end no context.
func TestLimits(t *testing.T) {
	if got := transports.LimitOf(t.Context()); got != nil {
		t.Errorf("a context without a limit has %v", got)
	}
	parent, cancel := context.WithCancelCause(t.Context())
	outer := transports.Within(parent, time.Minute, "answer a handshake")
	inner := transports.Within(outer, 40*time.Second, "answer a poll")
	child, stop := context.WithCancel(inner)
	defer stop()
	for ctx, want := range map[context.Context]string{
		outer:                        "the server did not answer a handshake within 1m0s",
		inner:                        "the server did not answer a poll within 40s",
		child:                        "the server did not answer a poll within 40s",
		context.WithoutCancel(child): "the server did not answer a poll within 40s",
	} {
		exceeded := transports.LimitOf(ctx)
		if exceeded == nil || exceeded.Error() != want {
			t.Errorf("got %v, want %q", exceeded, want)
			continue
		}
		if network, ok := errors.AsType[net.Error](error(exceeded)); !ok || !network.Timeout() {
			t.Errorf("%v is no timeout", exceeded)
		}
		if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
			t.Errorf("the context ends by itself, or has ended with %v", ctx.Err())
		}
	}
	gone := errors.New("gone")
	cancel(gone)
	<-child.Done()
	if context.Cause(child) != gone || context.Cause(inner) != gone {
		t.Errorf("ended with %v and %v, want %v", context.Cause(child), context.Cause(inner), gone)
	}
}
