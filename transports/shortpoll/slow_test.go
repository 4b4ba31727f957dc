package shortpoll_test

import (
	"context"
	"time"

	"pushpull/transports"
)

// slow is a store that takes its time for the first question, of one reader.
type slow struct {
	transports.Store
	first time.Duration
	asked []time.Time
}

func (s *slow) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	s.asked = append(s.asked, time.Now())
	if len(s.asked) == 1 {
		time.Sleep(s.first)
	}
	return s.Store.After(ctx, room, seq, limit)
}
