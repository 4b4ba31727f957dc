package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) {
	if !suite(nil).Main() {
		return
	}
	goleak.VerifyTestMain(m)
}

// suite returns the suite for stores on a server.
func suite(server *storetest.Server) storetest.Suite {
	s := storetest.Suite{
		Open: func(ctx context.Context, address string, retention int) (storetest.Store, error) {
			s, err := Open(ctx, address, transports.StoreOptions{Retention: retention})
			if err != nil {
				return nil, err // not a nil *Store
			}
			return s, nil
		},
		New: func(t *testing.T) string { return schema(t, server) },
		Newer: func(t *testing.T, address string) {
			execute(t, address, `UPDATE pushpull_version SET version = version + 1`)
		},
		Prunes: true,
	}
	s.Rewind, s.RewindOpen = rewind, true
	if server != nil && server.Ours() {
		s.Break = func(*testing.T) func() {
			server.Kill()
			return server.Start
		}
	}
	return s
}

// schema returns the address of a new schema, which is dropped when the test ends.
func schema(t testing.TB, server *storetest.Server) string {
	t.Helper()
	name := fmt.Sprintf("Test %x", rand.Uint64()) // a name that needs quotes
	execute(t, server.URL, fmt.Sprintf(`CREATE SCHEMA %q`, name))
	t.Cleanup(func() { execute(t, server.URL, fmt.Sprintf(`DROP SCHEMA %q CASCADE`, name)) })
	return with(t, server.URL, "search_path", fmt.Sprintf("%q", name))
}

// with returns address with a setting added.
func with(t testing.TB, address, key, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // PostgreSQL takes a plus literally
	return u.String()
}

func execute(t testing.TB, address, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}

func open(t testing.TB, address string, o transports.StoreOptions) *Store {
	t.Helper()
	s, err := Open(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill appends n messages to room, each with its number.
func fill(t testing.TB, s *Store, room string, n int) (last uint64) {
	t.Helper()
	for i := range n {
		var err error
		if last, err = s.Append(t.Context(), room, fmt.Append(nil, i), ""); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// held returns how many messages of room are kept; last is the newest.
func held(t *testing.T, s *Store, room string, last uint64) int {
	t.Helper()
	const all = 30_000
	messages, err := s.After(t.Context(), room, 0, all)
	if gap, ok := errors.AsType[*transports.GapError](err); ok {
		messages, err = s.After(t.Context(), room, gap.Oldest-1, all)
	}
	if err != nil || len(messages) == 0 || messages[len(messages)-1].Seq != last {
		t.Fatalf("After = %d messages up to %d, %v", len(messages), last, err)
	}
	return len(messages)
}

// rewind copies the tables; back is what restores a dump.
func rewind(t *testing.T, address string) (back func()) {
	execute(t, address, `CREATE TABLE old_rooms AS TABLE pushpull_rooms; CREATE TABLE old_messages AS TABLE pushpull_messages`)
	return func() {
		execute(t, address, `BEGIN; TRUNCATE pushpull_rooms, pushpull_messages; INSERT INTO pushpull_rooms TABLE old_rooms;
			INSERT INTO pushpull_messages TABLE old_messages; COMMIT`)
	}
}

func woken(t *testing.T, grown <-chan struct{}) {
	t.Helper()
	select {
	case <-grown:
	case <-time.After(20 * time.Second):
		t.Fatal("the watcher is not woken")
	}
}

// TestPostgres starts one server for all of its tests.
func TestPostgres(t *testing.T) {
	server := storetest.Postgres(t)
	t.Run("Suite", suite(server).Run)
	for name, run := range map[string]func(*testing.T, *storetest.Server){
		"Retention":        retention,
		"RetentionLowered": retentionLowered,
		"Names":            names,
		"NilBody":          nilBody,
		"OpenAtOnce":       openAtOnce,
		"NoSchema":         noSchema,
		"Privileges":       privileges,
		"SchemasApart":     schemasApart,
		"ListenerLost":     listenerLost,
		"Silent":           silent,
		"Plans":            plans,
		"OlderTables":      olderTables,
		"Emptied":          emptied,
		"PruneMany":        pruneMany,
		"PruneMissing":     pruneMissing,
	} {
		t.Run(name, func(t *testing.T) { run(t, server) })
	}
}

func retention(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), transports.StoreOptions{Retention: 100})
	total := 0
	for _, n := range []int{100, 1, 50, 104} {
		last := fill(t, s, "room", n)
		total += n
		got := held(t, s, "room", last)
		if got < min(100, total) || got > 110 {
			t.Errorf("%[2]d of %[1]d messages are kept, want 100 to 110", total, got)
		}
	}
}

// retentionLowered fails for a store that deletes all surplus messages at once.
func retentionLowered(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	fill(t, open(t, address, transports.StoreOptions{}), "room", 1)
	execute(t, address, `INSERT INTO pushpull_messages SELECT 'room', seq, '' FROM generate_series(2, 25000) seq`)
	execute(t, address, `UPDATE pushpull_rooms SET kept = 25000`)
	s := open(t, address, transports.StoreOptions{Retention: 1})
	for _, want := range []int{15001, 5002, 1} {
		last := fill(t, s, "room", 1)
		if got := held(t, s, "room", last); got != want {
			t.Errorf("%d messages are kept, want %d", got, want)
		}
	}
}

func names(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), transports.StoreOptions{})
	fill(t, s, "", 1)
	fill(t, s, strings.Repeat("ü", maxRoomBytes/2), 1)
	for _, room := range []string{"null\x00", "not UTF-8 \xff", strings.Repeat("x", maxRoomBytes+1)} {
		_, appending := s.Append(t.Context(), room, []byte("hello"), "")
		_, reading := s.After(t.Context(), room, 0, 1)
		for _, err := range []error{appending, reading} {
			if err == nil || !strings.Contains(err.Error(), "PostgreSQL takes") || len(err.Error()) > 200 {
				t.Errorf("room %.20q: %v", room, err)
			}
		}
	}
}

func nilBody(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), transports.StoreOptions{})
	if _, err := s.Append(t.Context(), "room", nil, ""); err != nil {
		t.Fatal(err)
	}
	messages, err := s.After(t.Context(), "room", 0, 1)
	if err != nil || len(messages) != 1 || len(messages[0].Body) != 0 {
		t.Errorf("After = %v, %v", messages, err)
	}
}

// refused checks that an address can't be opened, with an error of one line that holds the words.
func refused(t *testing.T, address string, words ...string) {
	t.Helper()
	s, err := Open(t.Context(), address, transports.StoreOptions{})
	if err == nil {
		s.Close()
		t.Errorf("%s is opened", address)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error doesn't say %q: %v", word, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is not one line, or holds the password: %q", err)
	}
}

func TestAddress(t *testing.T) {
	refused(t, "postgres://user:secret@127.0.0.1:1/db", "127.0.0.1:1", "is PostgreSQL running there?")
	refused(t, "postgres://user:secret@127.0.0.1:port/db", "parsing the address")
	refused(t, "postgres://127.0.0.1/db?pool_max_conns=plenty", "pool_max_conns")
	refused(t, "nonsense", "parsing the address")
}

func schemasApart(t *testing.T, server *storetest.Server) {
	one, other := open(t, schema(t, server), transports.StoreOptions{}), open(t, schema(t, server), transports.StoreOptions{})
	fill(t, one, "room", 3)
	fill(t, other, "another room", 1)
	mine, stop := one.Watch("room")
	defer stop()
	theirs, stop := other.Watch("room")
	defer stop()
	fill(t, one, "room", 1)
	woken(t, mine)
	// Notifications arrive in order: after this one, an earlier one would have arrived too.
	mark, stop := other.Watch("another room")
	defer stop()
	fill(t, other, "another room", 1)
	woken(t, mark)
	select {
	case <-theirs:
		t.Error("woken by an append in another schema")
	default:
	}
	if messages, err := other.After(t.Context(), "room", 0, 1); err != nil || len(messages) > 0 {
		t.Errorf("After = %v, %v in the other schema", messages, err)
	}
}

// listenerLost ends the connection that listens, and no other.
func listenerLost(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, transports.StoreOptions{})
	grown, stop := s.Watch("room")
	defer stop()
	execute(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN ' || $1`, s.tables.channel)
	woken(t, grown) // the connection is lost
	woken(t, grown) // a new one listens
	fill(t, s, "room", 1)
	woken(t, grown)
}
