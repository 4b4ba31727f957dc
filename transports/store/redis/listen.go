package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// hold is how long one request waits for something to be appended. After that the count is looked
// at: a Redis that has lost its data starts it again, and who waits at the old place waits for ever.
const hold = 2 * time.Second

// The pauses between attempts to reach a Redis that is away grow from the first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// listen rings for what any process appends after the given entry of the wake stream, until ctx
// ends. It takes one connection, whatever the number of rooms.
func (s *Store) listen(ctx context.Context, read uint64) {
	away, pause := false, firstPause
	for {
		var err error
		if !away {
			if read, err = s.hear(ctx, read); err == nil {
				pause = firstPause
				continue
			}
		} else if read, err = s.newest(ctx); err == nil {
			s.log.Info("redis is back")
			s.RingAll() // for all that was appended up to the newest entry
			away = false
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !away {
			s.log.Warn("redis is away", "error", err)
			s.RingAll() // who watches learns it from After
			away = true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// hear waits for what follows an entry of the wake stream, rings for it, and returns its last
// entry.
func (s *Store) hear(ctx context.Context, read uint64) (uint64, error) {
	waiting, cancel := context.WithTimeout(ctx, hold+patience)
	defer cancel()
	streams, err := s.client.Do(waiting, s.client.B().Xread().Count(1000).Block(hold.Milliseconds()).
		Streams().Key(s.keys.wake()).Id(formatID(read)).Build()).AsXReadSlices()
	if rueidis.IsRedisNil(err) {
		last, err := s.newest(ctx)
		if err == nil && last < read {
			s.RingAll()
			return last, nil
		}
		return read, err
	}
	if err != nil {
		return read, err
	}
	for _, entry := range streams[s.keys.wake()] {
		at, err := parseID(entry.ID)
		if err != nil {
			return read, err
		}
		if at != read+1 {
			s.RingAll() // what was between has left the stream
		}
		read = at
		for _, room := range entry.FieldValues {
			s.Ring(room.Value)
		}
	}
	return read, nil
}

// newest returns the last entry of the wake stream, 0 when there is none.
func (s *Store) newest(ctx context.Context) (uint64, error) {
	entries, err := s.client.Do(ctx, s.client.B().Xrevrange().Key(s.keys.wake()).End("+").Start("-").Count(1).Build()).AsXRangeSlices()
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	return parseID(entries[0].ID)
}
