package server

import (
	"context"
	"runtime"
	"runtime/metrics"
	"time"
)

// leastRest is how long a server rests after a count; it rests at least as long as the count took. So clients make
// a server collect garbage for half of its time at most, however many requests they send, which takes an eighth
// of its processors: the collector leaves three quarters to others while it runs.
const leastRest = 10 * time.Millisecond

// A census counts the memory in use. It collects garbage for that, and requests that come at the same time
// share a count. It is safe for concurrent use.
type census struct {
	turn chan struct{} // holds a value while a request counts, or waits for the time to do so

	// Of the latest count. They belong to the request whose turn it is.
	begun time.Time
	next  time.Time // when the next one may begin
	inUse uint64
}

func newCensus() *census { return &census{turn: make(chan struct{}, 1)} }

// count returns how many bytes the objects on the heap and the stacks of goroutines take after a garbage
// collection that began after the call. It returns the cause of ctx if that ends before it is count's turn.
func (c *census) count(ctx context.Context) (uint64, error) {
	asked := time.Now()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if c.begun.After(asked) {
		return c.inUse, nil
	}
	rest := time.NewTimer(time.Until(c.next))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	c.begun = time.Now()
	runtime.GC()
	runtime.GC() // what a sync.Pool holds is garbage only to the second one
	c.inUse = inUse()
	c.next = time.Now().Add(max(leastRest, time.Since(c.begun)))
	return c.inUse, nil
}

// inUse returns how many bytes the objects on the heap, garbage included, and the stacks of goroutines take.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		sum += s.Value.Uint64()
	}
	return sum
}
