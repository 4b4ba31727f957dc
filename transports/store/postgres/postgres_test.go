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

// suite is that of stores on a server.
func suite(server *storetest.Server) storetest.Suite {
	s := storetest.Suite{
		Open: func(ctx context.Context, address string, retention int) (storetest.Store, error) {
			s, err := Open(ctx, address, Options{Retention: retention})
			if err != nil {
				return nil, err // not a nil *Store
			}
			return s, nil
		},
		New: func(t *testing.T) string { return schema(t, server) },
		Newer: func(t *testing.T, address string) {
			execute(t, address, `UPDATE pushpull_version SET version = version + 1`)
		},
	}
	if server != nil && server.Ours() {
		s.Break = func(*testing.T) func() {
			server.Kill()
			return server.Start
		}
	}
	return s
}

// schema returns the address of a schema that is new, and dropped when the test ends.
func schema(t testing.TB, server *storetest.Server) string {
	t.Helper()
	name := fmt.Sprintf("Test %x", rand.Uint64()) // in need of quotes
	execute(t, server.URL, fmt.Sprintf(`CREATE SCHEMA %q`, name))
	t.Cleanup(func() { execute(t, server.URL, fmt.Sprintf(`DROP SCHEMA %q CASCADE`, name)) })
	return with(t, server.URL, "search_path", fmt.Sprintf("%q", name))
}

// with returns address with a setting.
func with(t testing.TB, address, key, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // to PostgreSQL a plus is a plus
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

func open(t testing.TB, address string, o Options) *Store {
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
		if last, err = s.Append(t.Context(), room, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// kept returns the seq of the oldest message of room.
func kept(t *testing.T, s *Store, room string) uint64 {
	t.Helper()
	messages, err := s.After(t.Context(), room, 0, 1)
	if gap, ok := errors.AsType[*transports.GapError](err); ok {
		return gap.Oldest
	}
	if err != nil || len(messages) == 0 {
		t.Fatalf("After = %v, %v", messages, err)
	}
	return messages[0].Seq
}

func woken(t *testing.T, grown <-chan struct{}) {
	t.Helper()
	select {
	case <-grown:
	case <-time.After(20 * time.Second):
		t.Fatal("who watches is not woken")
	}
}

// TestPostgres has one server for all of its tests.
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
	} {
		t.Run(name, func(t *testing.T) { run(t, server) })
	}
}

func retention(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), Options{Retention: 100})
	for _, n := range []int{100, 1, 50, 104} {
		last := fill(t, s, "room", n)
		got := last - kept(t, s, "room") + 1
		if got < min(100, last) || got > 110 {
			t.Errorf("of %d messages %d are kept, want 100 and at most a tenth more", last, got)
		}
	}
}

// retentionLowered finds the store that tries to delete all that is too much at once.
func retentionLowered(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	fill(t, open(t, address, Options{}), "room", 1)
	execute(t, address, `INSERT INTO pushpull_messages SELECT 'room', seq, '' FROM generate_series(2, 25000) seq`)
	execute(t, address, `UPDATE pushpull_rooms SET last = 25000`)
	s := open(t, address, Options{Retention: 1})
	for _, want := range []uint64{10002, 20003, 25003} {
		fill(t, s, "room", 1)
		if got := kept(t, s, "room"); got != want {
			t.Errorf("the oldest message is %d, want %d", got, want)
		}
	}
}

func names(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), Options{})
	fill(t, s, "", 1)
	fill(t, s, strings.Repeat("ü", maxRoomBytes/2), 1)
	for _, room := range []string{"null\x00", "not UTF-8 \xff", strings.Repeat("x", maxRoomBytes+1)} {
		_, appending := s.Append(t.Context(), room, []byte("hello"))
		_, reading := s.After(t.Context(), room, 0, 1)
		for _, err := range []error{appending, reading} {
			if err == nil || !strings.Contains(err.Error(), "PostgreSQL takes") || len(err.Error()) > 200 {
				t.Errorf("room %.20q: %v", room, err)
			}
		}
	}
}

func nilBody(t *testing.T, server *storetest.Server) {
	s := open(t, schema(t, server), Options{})
	if _, err := s.Append(t.Context(), "room", nil); err != nil {
		t.Fatal(err)
	}
	messages, err := s.After(t.Context(), "room", 0, 1)
	if err != nil || len(messages) != 1 || len(messages[0].Body) != 0 {
		t.Errorf("After = %v, %v", messages, err)
	}
}

// refused opens what can't be opened, and checks that the error says why in one line.
func refused(t *testing.T, address string, words ...string) {
	t.Helper()
	s, err := Open(t.Context(), address, Options{})
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
		t.Errorf("the error is not one line, or tells the password: %q", err)
	}
}

func TestAddress(t *testing.T) {
	refused(t, "postgres://user:secret@127.0.0.1:1/db", "127.0.0.1:1", "is PostgreSQL running there?")
	refused(t, "postgres://user:secret@127.0.0.1:port/db", "reading the address")
	refused(t, "postgres://127.0.0.1/db?pool_max_conns=plenty", "pool_max_conns")
	refused(t, "nonsense", "reading the address")
}

func schemasApart(t *testing.T, server *storetest.Server) {
	one, other := open(t, schema(t, server), Options{}), open(t, schema(t, server), Options{})
	fill(t, one, "room", 3)
	fill(t, other, "another room", 1)
	mine, stop := one.Watch("room")
	defer stop()
	theirs, stop := other.Watch("room")
	defer stop()
	fill(t, one, "room", 1)
	woken(t, mine)
	// What is notified arrives in order: had the other schema heard of it, it would know by now.
	mark, stop := other.Watch("another room")
	defer stop()
	fill(t, other, "another room", 1)
	woken(t, mark)
	select {
	case <-theirs:
		t.Error("woken for another schema")
	default:
	}
	if messages, err := other.After(t.Context(), "room", 0, 1); err != nil || len(messages) > 0 {
		t.Errorf("After = %v, %v in the other schema", messages, err)
	}
}

// listenerLost takes away the one connection that listens, and no other.
func listenerLost(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, Options{})
	grown, stop := s.Watch("room")
	defer stop()
	execute(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN ' || $1`, s.tables.channel)
	woken(t, grown) // it is lost
	woken(t, grown) // there is another one
	fill(t, s, "room", 1)
	woken(t, grown)
}
