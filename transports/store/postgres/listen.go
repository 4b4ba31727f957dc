package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	quiet     = 10 * time.Second // how long a connection may be silent before it is asked whether it is still there
	firstCall = 50 * time.Millisecond
	lastCall  = time.Second // the longest pause before it is tried again
)

// call returns a connection that listens.
func (s *Store) call(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+s.tables.channel); err != nil {
		giveUp(conn)
		return nil, err
	}
	return conn, nil
}

// giveUp closes a connection, whatever state it is in, and waits until nothing is left of it.
func giveUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it may have been lost
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// listen rings for what is notified on conn, and on another connection once that is lost.
func (s *Store) listen(ctx context.Context, conn *pgx.Conn) {
	for {
		err := s.hear(ctx, conn)
		giveUp(conn)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("lost the connection to PostgreSQL", "error", err)
		s.pool.Reset() // the others go the same way, and each would cost an append to find out
		s.RingAll()
		if conn = s.callAgain(ctx); conn == nil {
			return
		}
		s.log.Info("connected to PostgreSQL again")
		s.RingAll() // what came between the two connections was not heard
	}
}

// callAgain returns a connection that listens, or nil when ctx ends before there is one.
func (s *Store) callAgain(ctx context.Context) *pgx.Conn {
	for pause := firstCall; ; pause = min(2*pause, lastCall) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		calling, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
		conn, err := s.call(calling)
		cancel()
		if err == nil {
			return conn
		}
		s.log.Debug("calling PostgreSQL", "error", fail(calling, "listening", err))
	}
}

// hear rings for what is notified on conn, until that fails.
func (s *Store) hear(ctx context.Context, conn *pgx.Conn) error {
	for {
		if err := s.hearFor(ctx, quiet, conn); err != nil {
			return fail(ctx, "listening", err)
		}
		asking, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
		err := conn.Ping(asking)
		cancel()
		if err != nil {
			return fail(asking, "asking whether the server is there", err)
		}
	}
}

// hearFor rings for what is notified on conn for some time.
func (s *Store) hearFor(ctx context.Context, d time.Duration, conn *pgx.Conn) error {
	hearing, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(hearing)
		switch {
		case err == nil:
			s.Ring(n.Payload)
		case ctx.Err() == nil && hearing.Err() != nil && !conn.IsClosed():
			return nil
		default:
			return err
		}
	}
}
