package storetest

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the PostgreSQL server at the address in $PUSHPULL_TEST_POSTGRES or, without one,
// starts a server that stops when t ends; starting takes seconds.
func Postgres(t testing.TB) *Server {
	t.Helper()
	return program{
		name:     "postgres",
		folders:  "/usr/lib/postgresql/*/bin",
		install:  "postgresql",
		variable: "PUSHPULL_TEST_POSTGRES",
		url: func(port int) string {
			return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		},
		prepare: func(executable, dir string) []string {
			return []string{
				filepath.Join(filepath.Dir(executable), "initdb"), "--pgdata", dir, "--no-sync", "--auth=trust",
				"--username=postgres", "--encoding=UTF8", "--locale=C", "--wal-segsize=1",
			}
		},
		command: func(executable, dir string, port int) []string {
			return []string{
				executable, "-D", dir, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
				"-c", "unix_socket_directories=", "-c", "shared_buffers=16MB",
				"-F", // no fsync: the files survive a killed server, if not a loss of power
			}
		},
		ready: func(ctx context.Context, url string) error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
		unprivileged: true,
	}.serve(t)
}
