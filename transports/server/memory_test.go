package server

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// collections returns how many garbage collections were asked for in this process.
func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}

// TestCensusCounts counts garbage neither on the heap nor in a pool, and what is in use.
func TestCensusCounts(t *testing.T) {
	c := newCensus()
	count := func() int64 {
		n, err := c.count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return int64(n)
	}
	pool := sync.Pool{New: func() any { b := make([]byte, 8<<20); return &b }}
	before := count()
	pool.Put(pool.New())
	if grown := count() - before; grown > 4<<20 {
		t.Errorf("garbage in a pool counts: %d bytes", grown)
	}
	kept := make([]byte, 8<<20)
	if grown := count() - before; grown < 7<<20 {
		t.Errorf("8 MiB in use count as %d bytes", grown)
	}
	runtime.KeepAlive(kept)
}

// TestCensusRests asks for many counts at once: they share collections, between which the server rests.
func TestCensusRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCensus()
		before, begun := collections(), time.Now()
		for range 3 {
			var asking sync.WaitGroup
			for range 50 {
				asking.Go(func() {
					if n, err := c.count(t.Context()); err != nil || n < 1<<10 {
						t.Errorf("%d bytes, %v", n, err)
					}
				})
			}
			asking.Wait()
		}
		if n, rested := collections()-before, time.Since(begun); n > 2*2*3+2 || rested < 2*leastRest {
			t.Errorf("%d collections, and %v of rest", n, rested)
		}
	})
}

// TestCensusGivesUp asks while another request waits for the end of the rest.
func TestCensusGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCensus()
		c.next = time.Now().Add(time.Hour)
		for range 2 {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			go c.count(ctx)
			if _, err := c.count(ctx); err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		}
	})
}
