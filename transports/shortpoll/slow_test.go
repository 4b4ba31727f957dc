package shortpoll_test

import (
	"context"
	"time"

	"pushpull/transports"
)

// slow is a store of one reader whose first read is slow.
type slow struct {
	transports.Store
	first time.Duration // how long the first read takes
	reads []time.Time
}

func (s *slow) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.reads = append(s.reads, time.Now())
	if len(s.reads) == 1 {
		time.Sleep(s.first)
	}
	return s.Store.After(ctx, room, seq, limit)
}
