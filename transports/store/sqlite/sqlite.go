// Package sqlite keeps the log of every room in one file, which several processes of one machine
// may share.
//
// The processes must run on one machine, as SQLite shares memory between them. The package refuses
// files of other programs and of other schemas.
package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"sync"

	"pushpull/transports"
)

// A Store is a transports.Store in a file. One goroutine writes, and looks for the messages of
// other processes. Readers have connections of their own and don't wait for writers.
type Store struct {
	transports.Bell
	retention int
	logger    *slog.Logger
	file      file
	name      string // of the file, for the driver

	readers  chan *reader  // those that no After is using
	jobs     chan *job     // unbuffered: a job that the writer has not taken is not written
	watching chan struct{} // receives a value when a watch begins
	closing  chan struct{}
	close    func() error
}

var _ transports.Store = (*Store)(nil)

// A reader is a connection that reads, and its statements.
type reader struct {
	*conn
	after, oldest *stmt
}

// A job is a message to be written. seq and err are set before done is closed.
type job struct {
	room string
	body []byte
	key  driver.Value // nil: none
	done chan struct{}
	seq  int64
	err  error
}

var errClosed = errors.New("the store is closed")

// Open opens the file at an address like "sqlite:chat.db", and creates it if it is missing. The
// address may end in parameters of the driver, like "?_pragma=synchronous(normal)". Unless they
// say otherwise, a message that Append has acknowledged survives a loss of power. A room keeps up
// to a tenth more messages than o.Retention, so that the oldest leave several at a time. With o.Bytes,
// a message for which the file would become larger is refused with transports.ErrFull.
//
// The file must stay where it is: after it was removed, moved, truncated or replaced, calls fail. They
// work again once it is back.
func Open(ctx context.Context, address string, o transports.StoreOptions) (*Store, error) {
	s, err := open(ctx, address, o)
	if err != nil {
		return nil, fmt.Errorf("opening store %q: %w", transports.Redacted(address), explain(err))
	}
	return s, nil
}

func open(ctx context.Context, address string, o transports.StoreOptions) (*Store, error) {
	o = o.WithDefaults()
	path, name, err := dsn(address)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); o.Existing && err != nil {
		return nil, fmt.Errorf("there is no such file: %w", err)
	}
	n := max(4, runtime.GOMAXPROCS(0))
	s := &Store{
		name:      name,
		retention: o.Retention,
		logger:    o.Logger,
		readers:   make(chan *reader, n),
		jobs:      make(chan *job),
		watching:  make(chan struct{}, 1),
		closing:   make(chan struct{}),
	}

	w, err := newWriter(ctx, s, name, o.Bytes)
	if err != nil {
		return nil, err
	}
	if s.file, err = opened(path); err != nil {
		return nil, errors.Join(err, w.conn.Close())
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
		// The last connection to the file removes the write-ahead log.
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

// Close waits for the calls under way, and closes the file.
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
func (s *Store) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	// The body is copied: Append may return before the writer has read it. The copy is never nil,
	// which would be stored as NULL.
	j := &job{room: room, body: append(make([]byte, 0, len(body)), body...), done: make(chan struct{})}
	if key != "" {
		j.key = string(key)
	}
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

// after is one statement and so reads one state of the log. Its rows are the message at ?2, without
// its body, and those that follow it. If there are none it returns one row without a message, and no
// row for a room without messages.
const after = `
	SELECT m.seq, CASE WHEN m.seq > ?2 THEN m.body END, r.trimmed
	FROM rooms r LEFT JOIN messages m ON m.room = r.id AND m.seq >= ?2
	WHERE r.name = ?1 ORDER BY m.seq LIMIT ?3`

const oldest = "SELECT min(seq) FROM messages WHERE room = (SELECT id FROM rooms WHERE name = ?1)"

// After implements transports.Store. It ignores ctx while it is reading, which never takes long:
// SQLite gives up after the busy timeout.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	messages, err := s.after(ctx, room, int64(min(seq, math.MaxInt64)), limit)
	if _, gap := errors.AsType[*transports.GapError](err); err != nil && !gap {
		return nil, fmt.Errorf("reading room %.40q: %w", room, explain(err))
	}
	return messages, err
}

func (s *Store) after(ctx context.Context, room string, seq int64, limit int) ([]transports.Message, error) {
	var r *reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.closing:
		return nil, errClosed
	}
	defer func() { s.readers <- r }()
	if err := s.file.there(); err != nil {
		return nil, err
	}
	var (
		messages []transports.Message
		size     int
		known    bool       // whether the first row has come
		place    = seq == 0 // whether seq is a place in the log, as is that of the newest message that has left it
	)
	err := r.after.run(func(row []driver.Value) bool {
		at, ok := row[0].(int64)
		if !known {
			known = true
			place = seq == row[2].(int64) || ok && (at == seq || at == seq+1)
		}
		if !ok || !place {
			return false
		}
		if at == seq {
			return true
		}
		body, _ := row[1].([]byte)
		messages = append(messages, transports.Message{Seq: uint64(at), Body: body})
		size += len(body)
		return len(messages) < limit && size < transports.BatchBytes
	}, room, seq, int64(limit)+1)
	if err != nil || place {
		return messages, err
	}
	gap := &transports.GapError{Oldest: 1} // the room may have lost all its messages
	err = r.oldest.run(func(row []driver.Value) bool {
		if at, ok := row[0].(int64); ok {
			gap.Oldest = uint64(at)
		}
		return false
	}, room)
	return nil, cmp.Or[error](err, gap)
}

func newReader(name string) (*reader, error) {
	c, err := dial(name + "&_query_only=1")
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c}
	if err := c.prepare(map[string]**stmt{after: &r.after, oldest: &r.oldest}); err != nil {
		_ = c.Close()
		return nil, err
	}
	return r, nil
}
