package longpollscan_test

import (
	"context"
	"sync"
	"time"

	"pushpull/transports"
)

// counted is a store that keeps when it was read, and takes its time for the first read.
type counted struct {
	transports.Store
	first time.Duration

	mu    sync.Mutex
	reads []time.Time
}

func (c *counted) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	c.mu.Lock()
	c.reads = append(c.reads, time.Now())
	slow := len(c.reads) == 1
	c.mu.Unlock()
	if slow {
		time.Sleep(c.first)
	}
	return c.Store.After(ctx, room, seq, limit)
}

// since returns when it was read, from start on, and begins anew.
func (c *counted) since(start time.Time) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at []time.Duration
	for _, read := range c.reads {
		at = append(at, read.Sub(start))
	}
	c.reads = nil
	return at
}
