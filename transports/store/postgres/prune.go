package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"pushpull/transports"
)

const (
	pruneRooms    = 1000        // most rooms that leave in one transaction
	pruneMessages = maxTrim     // most messages that do
	pruneTimeout  = time.Minute // for one transaction
)

// pruning are the statements of Prune. $1 and $2 enclose the places of the newest messages of old rooms.
type pruning struct{ undated, count, old, shorten, empty, forget string }

func newPruning(fill func(string) string) pruning {
	const old = `FROM {schema}.pushpull_rooms WHERE last >= $1 AND last < $2`
	return pruning{
		undated: fill(`SELECT count(*) FROM {schema}.pushpull_rooms WHERE last < $1`),
		count:   fill(`SELECT count(*), coalesce(sum(kept), 0)::bigint ` + old),
		// The rows stay locked up to the commit: a writer to one of these rooms waits, and its message begins
		// a new log. A room that somebody is writing to now is not old.
		old: fill(`SELECT room, kept ` + old + ` AND room >= $3 ORDER BY room LIMIT $4 FOR UPDATE SKIP LOCKED`),
		// $2 messages leave the room $1.
		shorten: fill(`
WITH room AS (
	UPDATE {schema}.pushpull_rooms SET kept = kept - $2 WHERE room = $1
	RETURNING (SELECT seq FROM {schema}.pushpull_messages WHERE room = $1 ORDER BY seq OFFSET $2 LIMIT 1) AS oldest
)
DELETE FROM {schema}.pushpull_messages WHERE room = $1 AND seq < (SELECT oldest FROM room)`),
		empty:  fill(`DELETE FROM {schema}.pushpull_messages WHERE room = ANY($1)`),
		forget: fill(`DELETE FROM {schema}.pushpull_rooms WHERE room = ANY($1)`),
	}
}

// Prune removes the rooms whose newest message was stored before a given time, by the clock of PostgreSQL,
// together with their messages; if dry, it only counts them. Readers of these rooms get a gap, even once
// somebody writes to them again: the places of new messages follow the clock.
//
// Other processes may use the tables meanwhile: Prune removes some messages at a time, and holds up only
// appends to the rooms that these are in. If ctx ends, or after an error, what was removed is returned with
// it.
func (s *Store) Prune(ctx context.Context, before time.Time, dry bool) (pruned transports.Pruned, err error) {
	limit := transports.FirstSeq(before)
	statements := s.tables.prune
	asking, cancel := context.WithTimeoutCause(ctx, pruneTimeout, errSilent)
	defer cancel()
	err = s.pool.QueryRow(asking, statements.undated, min(limit, transports.ClockSeq)).Scan(&pruned.Undated)
	if err == nil && dry {
		err = s.pool.QueryRow(asking, statements.count, transports.ClockSeq, limit).Scan(&pruned.Rooms, &pruned.Messages)
	}
	if err != nil {
		return pruned, fail(asking, "counting old rooms", err)
	}
	last, more := "", !dry
	for more && err == nil {
		var removed transports.Pruned
		last, more, removed, err = s.pruneSome(ctx, limit, last)
		pruned.Rooms += removed.Rooms
		pruned.Messages += removed.Messages
	}
	return pruned, err
}

// pruneSome removes some messages in one transaction, of rooms after one, in the order of their names. It
// returns the last room that has left, and whether more may follow.
func (s *Store) pruneSome(ctx context.Context, limit uint64, after string) (last string, more bool, removed transports.Pruned, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pruneTimeout, errSilent)
	defer cancel()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		last, more, removed, err = s.tables.prune.some(ctx, tx, limit, after)
		return err
	})
	if err != nil {
		return after, false, transports.Pruned{}, fail(ctx, "removing old rooms", err)
	}
	return last, more, removed, nil
}

func (p pruning) some(ctx context.Context, tx pgx.Tx, limit uint64, after string) (last string, more bool, removed transports.Pruned, err error) {
	type room struct {
		Name string
		Kept int64
	}
	rows, _ := tx.Query(ctx, p.old, transports.ClockSeq, limit, after, pruneRooms) // CollectRows returns the error
	rooms, err := pgx.CollectRows(rows, pgx.RowToStructByPos[room])
	if err != nil {
		return after, false, removed, err
	}
	var leaving []string
	left := int64(pruneMessages)
	for _, room := range rooms {
		if left -= room.Kept; left < 0 {
			break
		}
		leaving = append(leaving, room.Name)
		after = room.Name
	}
	more = len(leaving) < len(rooms) || len(rooms) == pruneRooms
	if len(rooms) > 0 && len(leaving) == 0 { // one room has more than all messages that may leave
		tag, err := tx.Exec(ctx, p.shorten, rooms[0].Name, pruneMessages)
		removed.Messages = int(tag.RowsAffected())
		if err != nil || removed.Messages > 0 {
			return after, more, removed, err
		}
		leaving, after = []string{rooms[0].Name}, rooms[0].Name // it has fewer than were counted
	}
	tag, err := tx.Exec(ctx, p.empty, leaving)
	removed.Messages = int(tag.RowsAffected())
	if removed.Rooms = len(leaving); err != nil {
		return after, false, removed, err
	}
	_, err = tx.Exec(ctx, p.forget, leaving)
	return after, more, removed, err
}
