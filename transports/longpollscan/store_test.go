package longpollscan_test

import (
	"context"
	"sync"
	"time"

	"pushpull/transports"
)

// recordingStore records when it is read. Its first read is slow.
type recordingStore struct {
	transports.Store
	first time.Duration // how long the first read takes

	mu    sync.Mutex
	reads []time.Time
}

func (c *recordingStore) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	c.mu.Lock()
	c.reads = append(c.reads, time.Now())
	slow := len(c.reads) == 1
	c.mu.Unlock()
	if slow {
		time.Sleep(c.first)
	}
	return c.Store.After(ctx, room, seq, limit)
}

// since returns the times of the reads, relative to start, and forgets them.
func (c *recordingStore) since(start time.Time) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at []time.Duration
	for _, read := range c.reads {
		at = append(at, read.Sub(start))
	}
	c.reads = nil
	return at
}
