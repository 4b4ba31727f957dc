package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pushpull/transports"
)

func isGap(err error) bool {
	_, ok := errors.AsType[*transports.GapError](err)
	return ok
}

// oldFile returns the path of a file with old rooms, as a pushpull of the first version of the schema has
// written it: a large one, many small ones, one whose messages have no time, and none that is new.
func oldFile(t *testing.T, large, rooms int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	c, err := dial("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var fill *stmt
	err = errors.Join(c.exec(schema+"PRAGMA application_id = 1886745448; PRAGMA user_version = 1"),
		c.exec("INSERT INTO rooms (id, name, last, kept) VALUES (3, 'undated', 2, 2); INSERT INTO messages (seq, room, body) VALUES (1, 3, x'00'), (2, 3, x'00')"),
		c.prepare(map[string]**stmt{`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
			INSERT INTO messages (seq, room, body) SELECT ?1 + i, ?2 + CASE WHEN ?4 THEN i ELSE 0 END, x'00' FROM n`: &fill}),
		fill.run(nil, int64(1700000000000000), int64(7), int64(large), int64(0)),
		fill.run(nil, int64(1700000001000000), int64(100), int64(rooms), int64(1)),
		c.exec("INSERT INTO rooms (id, name, last, kept) SELECT room, 'room ' || room, max(seq), count(*) FROM messages WHERE room > 3 GROUP BY room"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Old rooms of an old file are removed in steps. While part of a room has left, its readers get a gap already,
// and another process writes meanwhile.
func TestPruneOldFile(t *testing.T) {
	const large, rooms = 2*pruneMessages + 500, pruneRooms + 10
	s, err := Open(t.Context(), "sqlite:"+oldFile(t, large, rooms)+"?_synchronous=off", transports.StoreOptions{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seq, err := s.Append(t.Context(), "new", nil, "key")
	if again, err := s.Append(t.Context(), "new", nil, "key"); err != nil || again != seq {
		t.Fatalf("Append = %d with a key that is at %d, %v", again, seq, err)
	}
	if err != nil || seq < 1700000000000000 {
		t.Fatalf("Append = %d, %v", seq, err)
	}
	p := pruner{before: int64(transports.FirstSeq(time.Now()))}
	if err := p.open(s.name); err != nil {
		t.Fatal(err)
	}
	last, more, err := p.step(0)
	if err != nil || !more || last >= 7 || p.pruned != (transports.Pruned{Messages: pruneMessages}) {
		t.Errorf("the first step removes %+v up to room %d, %v, more %t", p.pruned, last, err, more)
	}
	if err := p.conn.Close(); err != nil {
		t.Error(err)
	}
	for _, place := range []uint64{0, 1700000000000001, 1700000000000000 + pruneMessages - 1} {
		if _, err := s.After(t.Context(), "room 7", place, 1); !isGap(err) {
			t.Errorf("After(%d) in a room of which messages were removed: %v, want a gap", place, err)
		}
	}
	if messages, err := s.After(t.Context(), "room 7", 1700000000000000+pruneMessages, 1); len(messages) != 1 || err != nil {
		t.Errorf("After the last message that was removed: %d messages, %v", len(messages), err)
	}
	before, want := time.Now().Add(-time.Hour), transports.Pruned{Rooms: rooms + 1, Messages: large - pruneMessages + rooms, Undated: 1}
	for _, dry := range []bool{true, false} {
		if pruned, err := s.Prune(t.Context(), before, dry); err != nil || pruned != want {
			t.Errorf("Prune(dry %t) = %+v, %v, want %+v", dry, pruned, err, want)
		}
	}
	w, err := dial(s.name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for query, want := range map[string]int64{"SELECT count(*) FROM rooms": 2, "SELECT count(*) FROM messages": 3} {
		if n, err := w.ask(query); n != want || err != nil {
			t.Errorf("%s: %v, %v, want %d", query, n, err, want)
		}
	}
}

// The newest message of a file may leave: the next one gets a later place nevertheless.
func TestPruneAll(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "chat.db"), transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 5 {
		seq, err := s.Append(t.Context(), "room", nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if pruned, err := s.Prune(t.Context(), time.Now(), false); err != nil || pruned.Rooms != 1 {
			t.Fatalf("Prune = %+v, %v", pruned, err)
		}
		next, err := s.Append(t.Context(), "another", nil, "")
		if err != nil || next <= seq {
			t.Errorf("%d follows %d, %v", next, seq, err)
		}
		if _, err := s.After(t.Context(), "room", seq, 1); !isGap(err) {
			t.Errorf("a removed place: %v, want a gap", err)
		}
		if _, err := s.Prune(t.Context(), time.Now(), false); err != nil {
			t.Fatal(err)
		}
	}
}

// A file from which rooms are to be removed is not created.
func TestPruneMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing.db")
	if s, err := Open(t.Context(), "sqlite:"+path, transports.StoreOptions{Existing: true}); err == nil {
		s.Close()
		t.Error("a file that must exist is opened")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file that must exist is created")
	}
}

// A file that another process keeps locked is an error of one line, and nothing is counted as removed.
func TestPruneLocked(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+oldFile(t, 5, 5)+"?_busy_timeout=20", transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lock, err := dial(s.name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := lock.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if pruned, err := s.Prune(t.Context(), time.Now(), false); err == nil || pruned.Messages > 0 {
		t.Errorf("Prune = %+v, %v", pruned, err)
	}
	if err := lock.exec("ROLLBACK"); err != nil {
		t.Error(err)
	}
}
