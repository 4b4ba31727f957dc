package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	pingAfter  = 10 * time.Second // a connection without notifications for this long is pinged
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second // the longest pause between attempts to connect
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

// giveUp closes a connection in any state, and waits until its goroutines have ended.
func giveUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // fails if the connection was lost
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// listen rings for the notifications on conn and, when that is lost, on a new connection.
func (s *Store) listen(ctx context.Context, conn *pgx.Conn) {
	for {
		err := s.hear(ctx, conn)
		giveUp(conn)
		if ctx.Err() != nil {
			return
		}
		s.logger.Warn("lost the connection to PostgreSQL", "error", err)
		s.pool.Reset() // its connections are most likely dead too, and each would fail one append
		s.RingAll()
		if conn = s.callAgain(ctx); conn == nil {
			return
		}
		s.logger.Info("reconnected to PostgreSQL")
		s.RingAll() // notifications between the two connections were missed
	}
}

// callAgain returns a connection that listens, or nil if ctx ends first.
func (s *Store) callAgain(ctx context.Context) *pgx.Conn {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		calling, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSilent)
		conn, err := s.call(calling)
		cancel()
		if err == nil {
			return conn
		}
		s.logger.Debug("connecting to PostgreSQL", "error", fail(calling, "listening", err))
	}
}

// hear rings for the notifications on conn until that fails.
func (s *Store) hear(ctx context.Context, conn *pgx.Conn) error {
	for {
		if err := s.hearFor(ctx, pingAfter, conn); err != nil {
			return fail(ctx, "listening", err)
		}
		asking, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSilent)
		err := conn.Ping(asking)
		cancel()
		if err != nil {
			return fail(asking, "pinging the server", err)
		}
	}
}

// hearFor rings for the notifications on conn for the time d.
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
