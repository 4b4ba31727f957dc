package shortpoll_test

import (
	"context"
	"time"

	"pushpull/transports"
)

// slow is a store of one reader whose first read after joining is slow.
type slow struct {
	transports.Store
	first time.Duration // how long that read takes
	reads []time.Time
}

func (s *slow) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.reads = append(s.reads, time.Now())
	if len(s.reads) == 2 {
		time.Sleep(s.first)
	}
	return s.Store.After(ctx, room, seq, limit)
}
