// Package sqlite keeps the log of every room in one file, which several processes of one machine
// may share.
//
// It shares nothing between machines: the processes must have the memory of one in common. It
// keeps no other program's data, and no schema but its own.
package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"

	"pushpull/transports"
)

// DefaultRetention is how many messages a room keeps when Options.Retention is 0.
const DefaultRetention = 10_000

// Options are those of Open.
type Options struct {
	Retention int          // most messages kept per room, a tenth more until the oldest leave together; 0: DefaultRetention
	Log       *slog.Logger // nil: nothing is logged
}

// A Store is a transports.Store in a file. One goroutine writes, and sees what other processes
// write; readers have connections of their own, and wait for nobody.
type Store struct {
	transports.Bell
	retention int
	log       *slog.Logger

	readers  chan *reader  // all that no After is using
	jobs     chan *job     // unbuffered: what nobody has taken has not been written
	watching chan struct{} // somebody has begun to
	closing  chan struct{}
	close    func() error
}

var _ transports.Store = (*Store)(nil)

// A reader is a connection that reads, and its one statement.
type reader struct {
	*conn
	after *stmt
}

// A job is a message that waits for its place in the log. The last two are set when done is closed.
type job struct {
	room string
	body []byte
	done chan struct{}
	seq  int64
	err  error
}

var errClosed = errors.New("the store is closed")

// Open opens the file at an address like "sqlite:chat.db", and makes it if there is none. The
// address may end in parameters of the driver, like "?_pragma=synchronous(normal)". What Append
// has acknowledged survives a loss of power, unless the parameters say otherwise.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	s, err := open(ctx, address, o)
	if err != nil {
		return nil, fmt.Errorf("opening store %q: %w", address, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, address string, o Options) (*Store, error) {
	name, err := dsn(address)
	if err != nil {
		return nil, err
	}
	n := max(4, runtime.GOMAXPROCS(0))
	s := &Store{
		retention: o.Retention,
		log:       o.Log,
		readers:   make(chan *reader, n),
		jobs:      make(chan *job),
		watching:  make(chan struct{}, 1),
		closing:   make(chan struct{}),
	}
	if s.retention <= 0 {
		s.retention = DefaultRetention
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	w, err := newWriter(ctx, s, name)
	if err != nil {
		return nil, err
	}
	var running sync.WaitGroup
	s.close = sync.OnceValue(func() error {
		close(s.closing)
		running.Wait()
		var errs []error
		for range n {
			r := <-s.readers
			errs = append(errs, r.Close())
		}
		// The last connection to the file puts the log of writes away.
		return errors.Join(append(errs, w.conn.Close())...)
	})
	for i := range n {
		r, err := newReader(name)
		if err != nil {
			n = i
			_ = s.close()
			return nil, err
		}
		s.readers <- r
	}
	running.Go(w.run)
	return s, nil
}

// Close waits for what is being written and read, and closes the file.
func (s *Store) Close() error { return s.close() }

// Watch implements transports.Store.
func (s *Store) Watch(room string) (grown <-chan struct{}, stop func()) {
	grown, stop = s.Bell.Watch(room)
	select {
	case s.watching <- struct{}{}:
	default:
	}
	return grown, stop
}

// Append implements transports.Store. It returns once the message is on the disk.
func (s *Store) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	// A copy, not only for who gives up while it is being written: nil would not be empty, but NULL.
	j := &job{room: room, body: append(make([]byte, 0, len(body)), body...), done: make(chan struct{})}
	err := errClosed
	select {
	case s.jobs <- j:
		select {
		case <-j.done:
			err = j.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.closing:
	}
	if err != nil {
		return 0, fmt.Errorf("appending to room %.40q: %w", room, explain(err))
	}
	return uint64(j.seq), nil
}

// after is one statement, and so one state of the log. Its rows are messages, or one row without
// a message, whose last column is set if there is a gap. There is no row for a room that there
// isn't.
const after = `
	SELECT m.seq, m.body, CASE WHEN m.seq IS NULL AND ?2 NOT BETWEEN r.trimmed AND r.last
		THEN (SELECT min(seq) FROM messages WHERE room = r.id) END
	FROM rooms r LEFT JOIN messages m ON m.room = r.id AND m.seq > ?2 AND ?2 >= r.trimmed
	WHERE r.name = ?1 ORDER BY m.seq LIMIT ?3`

// After implements transports.Store. Once it is reading it doesn't look at ctx: it is done, or
// SQLite has given up, before long.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	messages, oldest, err := s.after(ctx, room, int64(min(seq, math.MaxInt64)), limit)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading room %.40q: %w", room, explain(err))
	case oldest > 0:
		return nil, &transports.GapError{Oldest: uint64(oldest)}
	}
	return messages, nil
}

// after returns the oldest message's seq if there is a gap, else 0.
func (s *Store) after(ctx context.Context, room string, seq int64, limit int) (messages []transports.Message, oldest int64, err error) {
	var r *reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	case <-s.closing:
		return nil, 0, errClosed
	}
	defer func() { s.readers <- r }()
	oldest = min(seq, 1) // if there is no row
	err = r.after.run(func(row []driver.Value) {
		if at, ok := row[0].(int64); ok {
			body, _ := row[1].([]byte)
			messages = append(messages, transports.Message{Seq: uint64(at), Body: body})
		}
		oldest, _ = row[2].(int64)
	}, room, seq, int64(limit))
	return messages, oldest, err
}

func newReader(name string) (*reader, error) {
	c, err := dial(name + "&_query_only=1")
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c}
	if err := c.prepare(map[string]**stmt{after: &r.after}); err != nil {
		_ = c.Close()
		return nil, err
	}
	return r, nil
}
