package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"pushpull/transports"
)

const (
	lookEvery = 5 * time.Millisecond // how often to look for messages of other processes
	manyNew   = 1000                 // if more messages are new, all rooms are rung
	maxBatch  = 1000                 // most messages in one transaction
)

// A writer writes the messages of Append, and rings for those of other processes. It is the only
// connection of the store that writes: messages that wait for their turn wait here and are written
// to disk together, and the writer knows which messages are its own.
type writer struct {
	*Store
	conn                    *conn
	begin, commit, rollback *stmt
	newest, changed         *stmt
	grow, add, trim, remove *stmt
	known, addKeyed         *stmt // for messages with keys

	mark  int64 // seq of the newest message that was rung for
	away  bool  // the last look failed
	batch []*job
}

func newWriter(ctx context.Context, s *Store, name string, most int64) (*writer, error) {
	c, err := dial(name)
	if err != nil {
		return nil, err
	}
	w := &writer{Store: s, conn: c}
	err = w.prepareAll(ctx)
	if err == nil && most > 0 {
		err = w.bound(most)
	}
	if err != nil {
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
		fmt.Sprintf(`SELECT r.name, m.n FROM
			(SELECT room, sum(n) OVER () AS n FROM
				(SELECT room, count(*) AS n FROM
					(SELECT room FROM messages WHERE seq > ?1 AND seq <= ?2 LIMIT %d) GROUP BY room)) m
			JOIN rooms r ON r.id = m.room`, manyNew+1): &w.changed,

		`INSERT INTO rooms (name, last, kept) VALUES (?1, ?2, 1)
			ON CONFLICT (name) DO UPDATE SET last = ?2, kept = kept + 1 RETURNING id, kept`: &w.grow,
		"INSERT INTO messages (seq, room, body) VALUES (?1, ?2, ?3)":                                &w.add,
		"INSERT INTO messages (seq, room, body, key) VALUES (?1, ?2, ?3, ?4)":                       &w.addKeyed,
		"SELECT seq FROM messages WHERE room = (SELECT id FROM rooms WHERE name = ?1) AND key = ?2": &w.known,

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

// bound makes SQLite refuse to let the file grow beyond most bytes.
func (w *writer) bound(most int64) error {
	page, err := w.conn.ask("PRAGMA page_size")
	if err != nil {
		return err
	}
	return w.conn.exec(fmt.Sprintf("PRAGMA max_page_count = %d", max(1, most/page.(int64))))
}

func (w *writer) run() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	ticking := true
	for {
		// A watch that begins now is seen here, or by way of watching.
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
			w.tell(w.lookAround())
		case <-w.watching:
		case <-w.closing:
			return
		}
	}
}

// look rings for the rooms that have grown since the last look.
func (w *writer) look() error {
	var newest int64
	err := w.newest.run(func(row []driver.Value) bool { newest = row[0].(int64); return false })
	if err != nil {
		return err
	}
	if newest > w.mark && w.Watched() {
		many := false
		err = w.changed.run(func(row []driver.Value) bool {
			w.Ring(row[0].(string))
			many = row[1].(int64) > manyNew
			return !many
		}, w.mark, newest)
		if err != nil {
			return err
		}
		if many {
			w.RingAll()
		}
	}
	w.mark = newest
	return nil
}

// lookAround is look, unless the file is gone.
func (w *writer) lookAround() error {
	if err := w.file.whole(); err != nil {
		return err
	}
	return w.look()
}

// tell wakes all watchers when the file can't be read any more, and when it can again.
func (w *writer) tell(err error) {
	if away := err != nil; away != w.away {
		w.away = away
		w.RingAll()
		if away {
			w.logger.Warn("the store can't be read", "error", explain(err))
		} else {
			w.logger.Info("the store can be read again")
		}
	}
}

// write writes a message and all that wait behind it in one transaction.
func (w *writer) write(first *job) {
	err := w.begin.run(nil)
	w.gather(first)
	var newest int64
	if err == nil {
		newest, err = w.addAll()
	}
	if err == nil {
		err = w.commit.run(nil)
	}
	if err != nil {
		_ = w.rollback.run(nil) // fails if SQLite has rolled back already
	} else {
		w.mark = newest
		err = w.file.whole() // if it is gone, so are the messages
	}
	for _, j := range w.batch {
		if j.err = err; err == nil {
			w.Ring(j.room)
		}
		close(j.done)
	}
	clear(w.batch)
}

// gather collects first and the messages that came while another process kept the file locked.
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

// addAll adds the messages of the batch, and returns the seq of the newest message of all.
func (w *writer) addAll() (newest int64, err error) {
	// The transaction keeps other writers out: after this look, seqs after the mark are free.
	if err := w.look(); err != nil {
		return 0, err
	}
	newest = w.mark
	// Seqs follow the clock, so that a log which has lost its end doesn't use those of the end again.
	next := max(w.mark+1, int64(transports.FirstSeq(time.Now())))
	for _, j := range w.batch {
		known, err := w.knows(j)
		if err == nil && !known {
			j.seq, newest = next, next
			err = w.addOne(j)
			next++
		}
		if err != nil {
			return 0, err
		}
	}
	return newest, nil
}

// knows reports whether the log has a message with the key of j, and if so sets its seq.
func (w *writer) knows(j *job) (known bool, err error) {
	if j.key == nil {
		return false, nil
	}
	err = w.known.run(func(row []driver.Value) bool { j.seq, known = row[0].(int64), true; return false }, j.room, j.key)
	return known, err
}

func (w *writer) addOne(j *job) error {
	var id, kept int64
	err := w.grow.run(func(row []driver.Value) bool {
		id, kept = row[0].(int64), row[1].(int64)
		return true
	}, j.room, j.seq)
	if err != nil {
		return err
	}
	if j.key == nil {
		err = w.add.run(nil, j.seq, id, j.body)
	} else {
		err = w.addKeyed.run(nil, j.seq, id, j.body, j.key)
	}
	if err != nil {
		return err
	}
	keep := int64(w.retention)
	if kept <= keep+max(1, keep/10) {
		return nil
	}
	var trimmed int64
	err = w.trim.run(func(row []driver.Value) bool { trimmed = row[0].(int64); return true }, id, keep, kept-keep-1)
	if err != nil {
		return err
	}
	return w.remove.run(nil, id, trimmed)
}
