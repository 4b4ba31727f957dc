package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"pushpull/transports"
)

// Rooms are keys of an index, which takes no longer ones, and are what is notified.
const maxRoomBytes = 2000

func fits(room string) error {
	switch {
	case len(room) > maxRoomBytes:
		return fmt.Errorf("the name of the room is %d bytes long: PostgreSQL takes %d", len(room), maxRoomBytes)
	case !utf8.ValidString(room) || strings.Contains(room, "\x00"):
		return fmt.Errorf("bad name of a room %.40q: PostgreSQL takes UTF-8 text without null bytes", room)
	}
	return nil
}

// Append implements transports.Store. It is one statement, and is never tried again: what is not
// acknowledged may be there all the same.
func (s *Store) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	if err := fits(room); err != nil {
		return 0, err
	}
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	asking, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	var seq uint64
	if err := s.pool.QueryRow(asking, s.tables.append, room, body).Scan(&seq); err != nil {
		return 0, fail(asking, "appending a message", err)
	}
	if seq > s.retention && seq%s.step() == 0 {
		s.trim(context.WithoutCancel(ctx), room, seq-s.retention)
	}
	return seq, nil
}

// step is after how many appends to a room its old messages are deleted.
func (s *Store) step() uint64 { return min(max(1, s.retention/10), 1000) }

// trim deletes the messages of room up to seq. The next one deletes what this one can't: the
// message that was appended is there.
func (s *Store) trim(ctx context.Context, room string, seq uint64) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	if _, err := s.pool.Exec(ctx, s.tables.trim, room, seq); err != nil {
		s.log.Warn("old messages stay for now", "room", room, "error", fail(ctx, "deleting old messages", err))
	}
}

// After implements transports.Store.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if err := fits(room); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	// All rows tell of one moment: where the log ends, where it begins for who is beyond the end,
	// and a message, whose seq is 0 when none follows.
	var (
		last, at uint64
		oldest   = uint64(1)
		body     []byte
		row      = []any{&last, &oldest, &at, &body}
		messages []transports.Message
	)
	rows, _ := s.pool.Query(ctx, s.tables.after, room, min(seq, math.MaxInt64), limit) // Err has the error, too
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(row...); err != nil { // each body is a new one
			return nil, fail(ctx, "reading messages", err)
		}
		if at == 0 {
			continue
		}
		if messages == nil {
			messages = make([]transports.Message, 0, min(uint64(limit), last-at+1))
		}
		messages = append(messages, transports.Message{Seq: at, Body: body})
	}
	if err := rows.Err(); err != nil {
		return nil, fail(ctx, "reading messages", err)
	}
	switch {
	case seq > last:
		return nil, &transports.GapError{Oldest: oldest}
	case len(messages) > 0 && messages[0].Seq != seq+1: // seqs are contiguous
		return nil, &transports.GapError{Oldest: messages[0].Seq}
	}
	return messages, nil
}
