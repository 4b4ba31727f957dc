package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// block is how long one XREAD waits for an entry. Then the newest entry is checked: a Redis that has
// lost its data gives no sign of it.
const block = 2 * time.Second

// many is how many entries one XREAD returns. If it returns fewer, none has left the stream before it
// was read, as the stream keeps more than that.
const many = 1000

// The pauses between attempts to reach Redis grow from firstPause to lastPause.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// listen rings for the appends of all processes after the entry read of the wake stream, until ctx
// ends. It uses one connection for any number of rooms.
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
			s.logger.Info("reconnected to Redis")
			s.RingAll() // for the appends up to the newest entry
			away = false
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !away {
			s.logger.Warn("lost the connection to Redis", "error", err)
			s.RingAll() // the watchers get the error from After
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

// hear waits for entries of the wake stream after read, rings for them, and returns the last one.
func (s *Store) hear(ctx context.Context, read uint64) (uint64, error) {
	waiting, cancel := context.WithTimeout(ctx, block+answerTimeout)
	defer cancel()
	streams, err := s.client.Do(waiting, s.client.B().Xread().Count(many).Block(block.Milliseconds()).
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
	entries := streams[s.keys.wake()]
	if len(entries) >= many {
		s.RingAll()
	}
	heard := read > 0 // of an earlier stream, if there was one
	for _, entry := range entries {
		if read, err = parseID(entry.ID); err != nil {
			return read, err
		}
		for _, field := range entry.FieldValues {
			switch {
			case field.Field != "a":
				s.Ring(field.Value)
			case heard:
				s.RingAll() // entries of the stream before may have been lost
			}
		}
	}
	return read, nil
}

// newest returns the last entry of the wake stream, 0 if there is none.
func (s *Store) newest(ctx context.Context) (uint64, error) {
	entries, err := s.client.Do(ctx, s.client.B().Xrevrange().Key(s.keys.wake()).End("+").Start("-").Count(1).Build()).AsXRangeSlices()
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	return parseID(entries[0].ID)
}
