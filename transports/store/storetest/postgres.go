package storetest

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns a PostgreSQL server: the one whose address is in $PUSHPULL_TEST_POSTGRES, else
// one that is started for t, which takes seconds. It stops when t ends.
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
				"-F", // what a server that is killed has written is there all the same
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
