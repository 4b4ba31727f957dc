package postgres

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pushpull/transports"
	"pushpull/transports/store/storetest"
)

func openAtOnce(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), address, transports.StoreOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func noSchema(t *testing.T, server *storetest.Server) {
	refused(t, with(t, server.URL, "search_path", "nowhere"), "CREATE SCHEMA")
}

// privileges opens the store as a user without the privilege to create tables.
func privileges(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name, path := fmt.Sprintf("modest_%x", rand.Uint64()), u.Query().Get("search_path")
	u.User = url.UserPassword(name, "secret")
	execute(t, address, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA %s TO %[1]s`, name, path))
	t.Cleanup(func() { execute(t, server.URL, fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %[1]s`, name)) })
	refused(t, u.String(), "permission denied", "search_path")

	open(t, address, transports.StoreOptions{}) // a user with more privileges creates the tables
	execute(t, address, fmt.Sprintf(`GRANT ALL ON ALL TABLES IN SCHEMA %s TO %s`, path, name))
	fill(t, open(t, u.String(), transports.StoreOptions{}), "room", 1)
}

// plans checks that statements use the index even if the server has no statistics of the tables.
func plans(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, transports.StoreOptions{})
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for statement, arguments := range map[string]string{
		s.tables.after:      `'room', 1, 100`,
		s.tables.appendOnce: `'room', '', 'key'`,
		s.tables.trim:       `'room', 1, 1`,
		s.tables.oldest:     `'room'`,
	} {
		if _, err := conn.Exec(t.Context(), `SET plan_cache_mode = force_generic_plan; PREPARE it AS `+statement); err != nil {
			t.Fatal(err)
		}
		rows, _ := conn.Query(t.Context(), `EXPLAIN EXECUTE it(`+arguments+`)`, pgx.QueryExecModeSimpleProtocol)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%v: %s\n%s", err, statement, plan)
		} else {
			t.Log(plan)
		}
		if _, err := conn.Exec(t.Context(), `DEALLOCATE it`); err != nil {
			t.Fatal(err)
		}
	}
}

// olderTables opens the tables of version 1, in which seqs were contiguous from 1.
func olderTables(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	execute(t, address, `
		CREATE TABLE pushpull_rooms (room text COLLATE "C" PRIMARY KEY, last bigint NOT NULL);
		CREATE TABLE pushpull_messages (room text COLLATE "C", seq bigint, body bytea NOT NULL, PRIMARY KEY (room, seq));
		CREATE TABLE pushpull_version (version integer NOT NULL);
		INSERT INTO pushpull_version VALUES (1);
		INSERT INTO pushpull_rooms VALUES ('whole', 3), ('trimmed', 13);
		INSERT INTO pushpull_messages SELECT 'whole', seq, '' FROM generate_series(1, 3) seq;
		INSERT INTO pushpull_messages SELECT 'trimmed', seq, '' FROM generate_series(4, 13) seq`)
	s := open(t, address, transports.StoreOptions{Retention: 10})
	open(t, address, transports.StoreOptions{})
	for place, want := range map[uint64]int{0: 3, 1: 2, 3: 0} {
		if messages, err := s.After(t.Context(), "whole", place, 10); err != nil || len(messages) != want {
			t.Errorf("After(%d) = %d messages, %v, want %d", place, len(messages), err, want)
		}
	}
	for _, place := range []uint64{0, 2} {
		_, err := s.After(t.Context(), "trimmed", place, 10)
		if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != 4 {
			t.Errorf("After(%d): %v, want a gap up to 4", place, err)
		}
	}
	if pruned, err := s.Prune(t.Context(), time.Now(), false); err != nil || pruned != (transports.Pruned{Undated: 2}) {
		t.Errorf("Prune = %+v, %v, want both rooms to stay, as their messages have no time", pruned, err)
	}
	var seqs [2]uint64
	for i := range seqs {
		var err error
		if seqs[i], err = s.Append(t.Context(), "whole", nil, "key"); err != nil || seqs[i] != seqs[0] {
			t.Errorf("a message with a key is at %d, %v", seqs, err)
		}
	}
	last := fill(t, s, "trimmed", 1)
	if messages, err := s.After(t.Context(), "trimmed", 13, 10); err != nil || len(messages) != 1 || last < 1<<40 {
		t.Errorf("%d messages, the newest at %d, %v", len(messages), last, err)
	}
	if got := held(t, s, "trimmed", last); got != 10 {
		t.Errorf("%d messages are kept, want 10", got)
	}
}

// emptied takes all messages, or all tables, while the store is open.
func emptied(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, transports.StoreOptions{})
	last := fill(t, s, "room", 3)
	execute(t, address, `TRUNCATE pushpull_messages`)
	for _, place := range []uint64{0, last - 1} {
		_, err := s.After(t.Context(), "room", place, 10)
		gap, ok := errors.AsType[*transports.GapError](err)
		if !ok {
			t.Fatalf("After(%d): %v, want a gap", place, err)
		}
		if messages, err := s.After(t.Context(), "room", gap.Oldest-1, 10); err != nil || len(messages) > 0 {
			t.Errorf("after the gap: %d messages, %v", len(messages), err)
		}
	}
	execute(t, address, `DROP TABLE pushpull_messages, pushpull_rooms, pushpull_version`)
	if _, err := s.Append(t.Context(), "room", nil, ""); err == nil || !strings.Contains(err.Error(), "start the server again") {
		t.Errorf("appending without tables: %v", err)
	}
	if _, err := s.After(t.Context(), "room", 0, 1); err == nil || !strings.Contains(err.Error(), "start the server again") {
		t.Errorf("reading without tables: %v", err)
	}
}
