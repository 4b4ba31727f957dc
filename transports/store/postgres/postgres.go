// Package postgres keeps the log of every room in a PostgreSQL database, which any number of
// processes may share.
//
// What is acknowledged is as durable as the server makes a commit. Every append notifies, and
// PostgreSQL lets one transaction of a server at a time commit a notification: appends are as
// fast as it writes one commit after the other to the disk, however many rooms and connections
// there are. Notifications need a connection of their own to the server itself: a pooler between
// the two that shares connections by the transaction loses them.
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

// DefaultRetention is how many messages a room keeps when Options.Retention is 0.
const DefaultRetention = 10_000

// patience is how long the server may take over an answer before it counts as out of reach.
const patience = 5 * time.Second

// Options are those of a Store.
type Options struct {
	Retention int          // most messages kept per room, the oldest leave first and a few at a time; 0: DefaultRetention
	Log       *slog.Logger // what goes wrong where nobody asks; nil: nothing is logged
}

// A Store is a transports.Store in a PostgreSQL database.
type Store struct {
	transports.Bell
	pool      *pgxpool.Pool
	tables    tables
	retention uint64
	log       *slog.Logger

	hangUp func() // stops listening
	cut    func() // closes every connection that there still is
	wg     sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// Open opens the store at an address like postgres://user@host/database, as pgx and pgxpool
// document it: their settings, as search_path or pool_max_conns, follow a question mark. Its
// tables are made in the first schema of the search_path where they are not there yet. ctx covers
// opening alone.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fail(ctx, "reading the address of the store", err)
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = patience
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "pushpull"
	}
	sockets, cut := context.WithCancel(context.Background())
	config.ConnConfig.DialFunc = cuttable(sockets, config.ConnConfig.DialFunc)

	ctx, cancel := context.WithTimeoutCause(ctx, 2*patience, errSilent)
	defer cancel()
	s := &Store{log: o.Log, retention: DefaultRetention, hangUp: func() {}, cut: cut}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Retention > 0 {
		s.retention = uint64(o.Retention)
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		cut()
		return nil, fail(ctx, "opening the store", err)
	}
	conn, err := s.prepare(ctx)
	if err != nil {
		return nil, errors.Join(fail(ctx, "opening the store", err), s.Close())
	}
	listening, hangUp := context.WithCancel(context.Background())
	s.hangUp = hangUp
	s.wg.Go(func() { s.listen(listening, conn) })
	return s, nil
}

// prepare makes the tables and returns a connection that listens: what is appended once Open has
// returned must wake.
func (s *Store) prepare(ctx context.Context) (*pgx.Conn, error) {
	err := s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		var err error
		s.tables, err = makeTables(ctx, c.Conn())
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

// Close waits for what is under way and closes the connections. Who watches is no longer woken.
func (s *Store) Close() error {
	s.hangUp()
	// A server that is out of reach says neither yes nor no to a connection that is given up.
	defer time.AfterFunc(patience-2*time.Second, s.cut).Stop()
	s.wg.Wait()
	s.pool.Close()
	s.cut()
	return nil
}

// cuttable returns a dial whose connections are closed when ctx ends.
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

// A socket is a connection that nobody need cut once it is closed.
type socket struct {
	net.Conn
	forget func() bool
}

func (s *socket) Close() error {
	s.forget()
	return s.Conn.Close()
}
