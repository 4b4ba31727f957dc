package sqlite

import (
	"context"
	"database/sql/driver"
	"time"
)

const (
	lookEvery = 5 * time.Millisecond // how often to look for what other processes have written
	manyNew   = 1000                 // so many new messages are not looked at one by one
	maxBatch  = 1000                 // most messages of one transaction
)

// A writer writes what Append hands over, and rings for what others have written. It is the one
// connection of a process that writes, so that what waits for its turn waits here, and goes to the
// disk together; and so it knows which messages are its own.
type writer struct {
	*Store
	conn                    *conn
	begin, commit, rollback *stmt
	newest, changed         *stmt
	grow, add, trim, remove *stmt

	mark  int64 // seq of the newest message that has been rung for
	away  bool  // the last look failed
	batch []*job
}

func newWriter(ctx context.Context, s *Store, name string) (*writer, error) {
	c, err := dial(name)
	if err != nil {
		return nil, err
	}
	w := &writer{Store: s, conn: c}
	if err := w.prepareAll(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return w, nil
}

func (w *writer) prepareAll(ctx context.Context) error {
	if err := establish(ctx, w.conn); err != nil {
		return err
	}
	err := w.conn.prepare(map[string]**stmt{
		"BEGIN IMMEDIATE": &w.begin,
		"COMMIT":          &w.commit,
		"ROLLBACK":        &w.rollback,

		"SELECT ifnull(max(seq), 0) FROM messages": &w.newest,
		`SELECT name FROM rooms WHERE id IN
			(SELECT room FROM messages WHERE seq > ?1 AND seq <= ?2)`: &w.changed,

		`INSERT INTO rooms (name, last, kept) VALUES (?1, ?2, 1)
			ON CONFLICT (name) DO UPDATE SET last = ?2, kept = kept + 1 RETURNING id, kept`: &w.grow,
		"INSERT INTO messages (seq, room, body) VALUES (?1, ?2, ?3)": &w.add,

		`UPDATE rooms SET kept = ?2, trimmed =
			(SELECT seq FROM messages WHERE room = ?1 ORDER BY seq LIMIT 1 OFFSET ?3)
			WHERE id = ?1 RETURNING trimmed`: &w.trim,
		"DELETE FROM messages WHERE room = ?1 AND seq <= ?2": &w.remove,
	})
	if err != nil {
		return err
	}
	return w.look()
}

func (w *writer) run() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	ticking := true
	for {
		// A watch that begins now is in watching, or seen here.
		if watched := w.Watched(); watched != ticking {
			ticking = watched
			ticker.Stop()
			if watched {
				ticker.Reset(lookEvery)
			}
		}
		select {
		case j := <-w.jobs:
			w.write(j)
		case <-ticker.C:
			w.tell(w.look())
		case <-w.watching:
		case <-w.closing:
			return
		}
	}
}

// look rings the rooms that have grown since the last one.
func (w *writer) look() error {
	var newest int64
	if err := w.newest.run(func(row []driver.Value) { newest = row[0].(int64) }); err != nil {
		return err
	}
	switch {
	case newest == w.mark || !w.Watched():
	case newest < w.mark || newest-w.mark > manyNew: // less: somebody has put back an old copy
		w.RingAll()
	default:
		err := w.changed.run(func(row []driver.Value) { w.Ring(row[0].(string)) }, w.mark, newest)
		if err != nil {
			return err
		}
	}
	w.mark = newest
	return nil
}

// tell has all who watch ask for themselves when the file can't be read, and when it can again.
func (w *writer) tell(err error) {
	if away := err != nil; away != w.away {
		w.away = away
		w.RingAll()
		if away {
			w.log.Warn("the store can't be read", "error", explain(err))
		} else {
			w.log.Info("the store can be read again")
		}
	}
}

// write writes a message and all that wait behind it, or none of them.
func (w *writer) write(first *job) {
	err := w.begin.run(nil)
	w.gather(first)
	if err == nil {
		err = w.addAll()
	}
	if err == nil {
		err = w.commit.run(nil)
	}
	if err != nil {
		_ = w.rollback.run(nil) // SQLite may have done so by itself
	} else {
		w.mark += int64(len(w.batch))
	}
	for _, j := range w.batch {
		if j.err = err; err == nil {
			w.Ring(j.room)
		}
		close(j.done)
	}
	clear(w.batch)
}

// gather takes what has come while the file was another process's, too: they share its fate.
func (w *writer) gather(first *job) {
	w.batch = append(w.batch[:0], first)
	for len(w.batch) < maxBatch {
		select {
		case j := <-w.jobs:
			w.batch = append(w.batch, j)
		default:
			return
		}
	}
}

func (w *writer) addAll() error {
	// Nobody else writes now: what follows the mark is this transaction's.
	if err := w.look(); err != nil {
		return err
	}
	for i, j := range w.batch {
		j.seq = w.mark + 1 + int64(i)
		if err := w.addOne(j); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) addOne(j *job) error {
	var id, kept int64
	err := w.grow.run(func(row []driver.Value) { id, kept = row[0].(int64), row[1].(int64) }, j.room, j.seq)
	if err != nil {
		return err
	}
	if err := w.add.run(nil, j.seq, id, j.body); err != nil {
		return err
	}
	keep := int64(w.retention)
	if kept <= keep+max(1, keep/10) {
		return nil
	}
	var trimmed int64
	err = w.trim.run(func(row []driver.Value) { trimmed = row[0].(int64) }, id, keep, kept-keep-1)
	if err != nil {
		return err
	}
	return w.remove.run(nil, id, trimmed)
}
