// Package postgres keeps the log of every room in a PostgreSQL database, which any number of
// processes may share.
//
// An acknowledged message is as durable as a commit of the server. Every append sends a
// notification, and PostgreSQL commits transactions with notifications one at a time: appends are
// as fast as the server writes commits to disk one after the other, for any number of rooms and
// connections. The notifications arrive on one connection per store, which must reach the server
// itself: a pooler in transaction mode loses them.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pushpull/transports"
)

const (
	answerTimeout = 5 * time.Second // a server that takes longer for an answer counts as unreachable
	closeTimeout  = 3 * time.Second // Close waits this long before it cuts the connections
)

// A Store is a transports.Store in a PostgreSQL database.
type Store struct {
	transports.Bell
	pool      *pgxpool.Pool
	tables    tables
	retention uint64
	logger    *slog.Logger

	hangUp func() // stops listening
	cut    func() // closes every connection that is still open
	wg     sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// Open opens the store at an address like postgres://user@host/database, as pgx and pgxpool
// document it. Their settings, like search_path and pool_max_conns, follow a question mark. Open
// creates missing tables in the first schema of the search_path. ctx covers opening alone.
func Open(ctx context.Context, address string, o transports.StoreOptions) (*Store, error) {
	o = o.WithDefaults()
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fail(ctx, "parsing the address of PostgreSQL", withoutAddress(err))
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = answerTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "pushpull"
	}
	sockets, cut := context.WithCancel(context.Background())
	config.ConnConfig.DialFunc = cuttable(sockets, config.ConnConfig.DialFunc)

	ctx, cancel := context.WithTimeoutCause(ctx, 2*answerTimeout, errSilent)
	defer cancel()
	s := &Store{logger: o.Logger, retention: uint64(o.Retention), hangUp: func() {}, cut: cut}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		cut()
		return nil, fail(ctx, "opening the store", err)
	}
	conn, err := s.prepare(ctx, o.Existing)
	if err != nil {
		return nil, errors.Join(fail(ctx, "opening the store", err), s.Close())
	}
	listening, hangUp := context.WithCancel(context.Background())
	s.hangUp = hangUp
	s.wg.Go(func() { s.listen(listening, conn) })
	return s, nil
}

// prepare creates missing tables, unless they must exist, and returns a connection that listens. It listens before Open
// returns, so that every append after that wakes the watchers.
func (s *Store) prepare(ctx context.Context, existing bool) (*pgx.Conn, error) {
	err := s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		var err error
		s.tables, err = makeTables(ctx, c.Conn(), existing)
		return err
	})
	if err != nil {
		return nil, err
	}
	conn, err := s.call(ctx)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return conn, nil
}

// Close waits for the calls under way and closes the connections. Watchers are no longer woken.
func (s *Store) Close() error {
	s.hangUp()
	// An unreachable server never confirms that a connection is closed.
	defer time.AfterFunc(closeTimeout, s.cut).Stop()
	s.wg.Wait()
	s.pool.Close()
	s.cut()
	return nil
}

// cuttable returns a dial function whose connections are closed when ctx ends.
func cuttable(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		dialing, cancel := context.WithCancel(dialing)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		c, err := dial(dialing, network, address)
		if err != nil {
			return nil, err
		}
		return &socket{c, context.AfterFunc(ctx, func() { c.Close() })}, nil
	}
}

// A socket is a connection that, once closed, need not be cut.
type socket struct {
	net.Conn
	forget func() bool
}

func (s *socket) Close() error {
	s.forget()
	return s.Conn.Close()
}
