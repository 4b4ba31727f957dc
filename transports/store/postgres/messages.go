package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pushpull/transports"
)

// maxRoomBytes is the length of the longest room name. Names are keys of an index and payloads of
// notifications, and PostgreSQL limits both.
const maxRoomBytes = 2000

func fits(room string) error {
	switch {
	case len(room) > maxRoomBytes:
		return fmt.Errorf("the name of the room is %d bytes long: PostgreSQL takes at most %d", len(room), maxRoomBytes)
	case !utf8.ValidString(room) || strings.Contains(room, "\x00"):
		return fmt.Errorf("bad room name %.40q: PostgreSQL takes UTF-8 text without null bytes", room)
	}
	return nil
}

// Append implements transports.Store. Without a key it runs one statement and never repeats it: a message that
// is not acknowledged may have been stored nevertheless. A key is known as long as its message is in the log.
func (s *Store) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if err := fits(room); err != nil {
		return 0, err
	}
	if body == nil {
		body = []byte{} // nil would be stored as NULL
	}
	asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSilent)
	defer cancel()
	var seq, kept uint64
	var err error
	if key == "" {
		err = s.pool.QueryRow(asking, s.tables.append, room, body).Scan(&seq, &kept)
	} else {
		seq, kept, err = s.appendOnce(asking, room, body, key)
	}
	if err != nil {
		return 0, fail(asking, "appending a message", err)
	}
	if kept > s.retention && kept%s.step() == 0 {
		s.trim(context.WithoutCancel(ctx), room, min(kept-s.retention, maxTrim))
	}
	return seq, nil
}

// appendOnce adds a message with a key unless there is one with it, and returns its place. kept is 0 if there was one.
func (s *Store) appendOnce(ctx context.Context, room string, body []byte, key transports.Key) (seq, kept uint64, err error) {
	for {
		err = s.pool.QueryRow(ctx, s.tables.appendOnce, room, body, string(key)).Scan(&seq, &kept)
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "23505" { // unique_violation
			return seq, kept, err
		}
	}
}

// step is the number of appends to a room between two deletions of its old messages.
func (s *Store) step() uint64 { return min(max(1, s.retention/10), 1000) }

// maxTrim is how many messages leave at a time: after the retention was lowered, one statement for all
// the old messages could run into the timeout each time.
const maxTrim = 10_000

// trim deletes the n oldest messages of room. It only logs a failure, as the append succeeded; the next
// trim deletes the rest.
func (s *Store) trim(ctx context.Context, room string, n uint64) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSilent)
	defer cancel()
	if _, err := s.pool.Exec(ctx, s.tables.trim, room, n, s.retention); err != nil {
		s.logger.Warn("old messages are kept for now", "room", room, "error", fail(ctx, "deleting old messages", err))
	}
}

// After implements transports.Store.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if err := fits(room); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSilent)
	defer cancel()
	// All rows are of one snapshot. at is 0 if there is no message from seq on.
	var (
		first, last, at uint64
		body            []byte
		row             = []any{&first, &last, &at, &body}
		known           bool       // whether the first row has come
		place           = seq == 0 // of a room that was never written to
		messages        []transports.Message
	)
	rows, _ := s.pool.Query(ctx, s.tables.after, room, min(seq, math.MaxInt64), limit+1) // rows.Err returns the error
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(row...); err != nil { // allocates each body
			return nil, fail(ctx, "reading messages", err)
		}
		if !known {
			known = true
			place = seq == last || at > 0 && (at == seq || at == seq+1 || seq == 0 && at == first)
		}
		if at <= seq || len(messages) == limit {
			continue
		}
		messages = append(messages, transports.Message{Seq: at, Body: body})
	}
	if err := rows.Err(); err != nil {
		return nil, fail(ctx, "reading messages", err)
	}
	if !place {
		return nil, s.gap(ctx, room)
	}
	return messages, nil
}

// gap returns the *GapError of a room, or the error that kept it from being made.
func (s *Store) gap(ctx context.Context, room string) error {
	gap := &transports.GapError{Oldest: 1}
	err := s.pool.QueryRow(ctx, s.tables.oldest, room).Scan(&gap.Oldest)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fail(ctx, "reading messages", err)
	}
	return gap
}
