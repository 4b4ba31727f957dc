package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"pushpull/transports"
)

const (
	pruneRooms    = 500  // most rooms that leave in one transaction
	pruneMessages = 1000 // most messages that do
	prunePause    = 5 * time.Millisecond
	pruneTries    = 10 // times that the file may be locked for the busy timeout: writers come first
)

// Prune removes the rooms whose newest message was stored before a given time, together with their
// messages; if dry, it only counts them. Readers of these rooms get a gap, even once somebody writes to
// them again: the places of new messages follow the clock.
//
// Other processes may use the file meanwhile: Prune removes some messages at a time, and then lets the
// others write for as long as that took. The file doesn't become smaller, but uses its free pages for new
// messages. If ctx ends, or after an error, what was removed is returned with it.
func (s *Store) Prune(ctx context.Context, before time.Time, dry bool) (transports.Pruned, error) {
	p := pruner{before: int64(transports.FirstSeq(before))}
	err := p.open(s.name)
	if err == nil {
		err = p.run(ctx, s.file, dry)
		err = errors.Join(err, p.conn.Close())
	}
	if err != nil {
		err = fmt.Errorf("pruning: %w", explain(err))
	}
	return p.pruned, err
}

// A pruner removes rooms over a connection of its own, as the writer's is busy with its messages.
type pruner struct {
	conn                    *conn
	begin, commit, rollback *stmt
	count, undated, old     *stmt
	shorten, remove         *stmt
	empty, forget           *stmt

	before int64 // the seq of a message that stays
	pruned transports.Pruned
}

// oldRooms are the rooms whose newest message is older than ?1.
var oldRooms = fmt.Sprintf("FROM rooms WHERE last < ?1 AND last >= %d", transports.ClockSeq)

func (p *pruner) open(name string) (err error) {
	if p.conn, err = dial(name); err != nil {
		return err
	}
	err = p.conn.prepare(map[string]**stmt{
		"BEGIN IMMEDIATE": &p.begin,
		"COMMIT":          &p.commit,
		"ROLLBACK":        &p.rollback,

		"SELECT count(*), ifnull(sum(kept), 0) " + oldRooms:                                      &p.count,
		fmt.Sprintf("SELECT count(*) FROM rooms WHERE last < %d", transports.ClockSeq):           &p.undated,
		fmt.Sprintf("SELECT id, kept %s AND id > ?2 ORDER BY id LIMIT %d", oldRooms, pruneRooms): &p.old,

		// A room that has many messages loses its oldest first: until it has lost all, it is a room of which
		// old messages have left.
		`UPDATE rooms SET kept = kept - ?2, trimmed =
			(SELECT seq FROM messages WHERE room = ?1 ORDER BY seq LIMIT 1 OFFSET ?2 - 1)
			WHERE id = ?1 RETURNING trimmed`: &p.shorten,
		"DELETE FROM messages WHERE room = ?1 AND seq <= ?2": &p.remove,
		"DELETE FROM messages WHERE room = ?1":               &p.empty,
		"DELETE FROM rooms WHERE id = ?1":                    &p.forget,
	})
	if err != nil {
		_ = p.conn.Close()
	}
	return err
}

func (p *pruner) run(ctx context.Context, f file, dry bool) error {
	err := p.undated.run(func(row []driver.Value) bool { p.pruned.Undated = int(row[0].(int64)); return false })
	if err != nil {
		return err
	}
	if dry {
		return p.count.run(func(row []driver.Value) bool {
			p.pruned.Rooms, p.pruned.Messages = int(row[0].(int64)), int(row[1].(int64))
			return false
		}, p.before)
	}
	// Rooms are looked at once each, in the order of their ids.
	tries := 0
	for after, more := int64(0), true; more; {
		if err := f.whole(); err != nil {
			return err
		}
		begun := time.Now()
		after, more, err = p.step(after)
		if tries++; busy(err) && tries < pruneTries {
			more = true
		} else if err != nil {
			return err
		} else {
			tries = 0
		}
		pause := max(prunePause, time.Since(begun)) // others write for as long
		if tries > 0 {
			pause = prunePause // they have
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// An oldRoom is a room that leaves, and how many messages it has.
type oldRoom struct{ id, kept int64 }

// step removes some messages in one transaction, of rooms after an id. It returns the id of the last room
// that has left, and whether more may follow.
func (p *pruner) step(after int64) (last int64, more bool, err error) {
	// Waiting for the lock is left to SQLite, up to the busy timeout.
	if err := p.begin.run(nil); err != nil {
		return after, false, err
	}
	was := p.pruned
	last, more, err = p.removeSome(after)
	if err == nil {
		err = p.commit.run(nil)
	}
	if err != nil {
		_ = p.rollback.run(nil) // fails if SQLite has rolled back already
		p.pruned = was
	}
	return last, more, err
}

func (p *pruner) removeSome(after int64) (last int64, more bool, err error) {
	var rooms []oldRoom
	err = p.old.run(func(row []driver.Value) bool {
		rooms = append(rooms, oldRoom{row[0].(int64), row[1].(int64)})
		return true
	}, p.before, after)
	if err != nil {
		return after, false, err
	}
	left := int64(pruneMessages)
	for _, room := range rooms {
		if room.kept > pruneMessages {
			if left < pruneMessages {
				return after, true, nil
			}
			return after, true, p.removeOldest(room)
		}
		if left -= room.kept; left < 0 {
			return after, true, nil
		}
		if err := p.removeRoom(room); err != nil {
			return after, false, err
		}
		after = room.id
	}
	return after, len(rooms) == pruneRooms, nil
}

func (p *pruner) removeOldest(room oldRoom) error {
	var trimmed int64
	err := p.shorten.run(func(row []driver.Value) bool { trimmed = row[0].(int64); return true }, room.id, int64(pruneMessages))
	if err != nil {
		return err
	}
	p.pruned.Messages += pruneMessages
	return p.remove.run(nil, room.id, trimmed)
}

func (p *pruner) removeRoom(room oldRoom) error {
	p.pruned.Rooms++
	p.pruned.Messages += int(room.kept)
	return errors.Join(p.empty.run(nil, room.id), p.forget.run(nil, room.id))
}
