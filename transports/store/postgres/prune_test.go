package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pushpull/transports"
	"pushpull/transports/store/storetest"
)

// pruneMany removes more than fits into one transaction: many rooms, and one with many messages. While
// part of that has left, its readers get a gap already.
func pruneMany(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, transports.StoreOptions{})
	const large, rooms = 2*pruneMessages + 500, 2*pruneRooms + 10
	execute(t, address, `INSERT INTO pushpull_rooms SELECT 'a large one', 1700000000000000 + $1, 1700000000000001, $1`, large)
	execute(t, address, `INSERT INTO pushpull_messages SELECT 'a large one', 1700000000000000 + n, 'x' FROM generate_series(1, $1::bigint) n`, large)
	execute(t, address, `INSERT INTO pushpull_rooms SELECT 'room ' || n, 1700000000000000 + n, 1700000000000000 + n, 1 FROM generate_series(1, $1::bigint) n`, rooms)
	execute(t, address, `INSERT INTO pushpull_messages SELECT 'room ' || n, 1700000000000000 + n, 'x' FROM generate_series(1, $1::bigint) n`, rooms)
	execute(t, address, `INSERT INTO pushpull_rooms VALUES ('miscounted', 1700000000000003, 1700000000000001, $1)`, 3*pruneMessages)
	fill(t, s, "new", 3)

	_, more, removed, err := s.pruneSome(t.Context(), transports.FirstSeq(time.Now()), "")
	if err != nil || !more || removed.Messages != pruneMessages || removed.Rooms != 0 {
		t.Fatalf("the first transaction removes %+v, %v, more %t", removed, err, more)
	}
	for _, place := range []uint64{0, 1700000000000001, 1700000000000000 + pruneMessages - 1} {
		if _, err := s.After(t.Context(), "a large one", place, 1); !isGap(err) {
			t.Errorf("After(%d) in a room of which messages were removed: %v, want a gap", place, err)
		}
	}
	if messages, err := s.After(t.Context(), "a large one", 1700000000000000+pruneMessages, 1); len(messages) != 1 || err != nil {
		t.Errorf("After the last message that was removed: %d messages, %v", len(messages), err)
	}
	pruned, err := s.Prune(t.Context(), time.Now().Add(-time.Hour), false)
	if want := (transports.Pruned{Rooms: rooms + 2, Messages: large - pruneMessages + rooms}); err != nil || pruned != want {
		t.Errorf("Prune = %+v, %v, want %+v", pruned, err, want)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var left, messages int
	err = conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pushpull_rooms), (SELECT count(*) FROM pushpull_messages)`).Scan(&left, &messages)
	if err != nil || left != 1 || messages != 3 {
		t.Errorf("%d rooms with %d messages are left, %v, want the new one with 3", left, messages, err)
	}
}

func isGap(err error) bool {
	_, ok := errors.AsType[*transports.GapError](err)
	return ok
}

// pruneMissing opens a schema without tables to remove rooms from them: none are created.
func pruneMissing(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	for range 2 {
		s, err := Open(t.Context(), address, transports.StoreOptions{Existing: true})
		if err == nil {
			s.Close()
			t.Fatal("tables that must exist are created")
		}
	}
}
