package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/sqlite"
	"pushpull/transports/store/storetest"
)

func suite() storetest.Suite {
	return storetest.Suite{
		Open: func(ctx context.Context, address string, retention int) (storetest.Store, error) {
			return sqlite.Open(ctx, address, sqlite.Options{Retention: retention})
		},
		New: func(t *testing.T) string { return newAddress(t) },
		Newer: func(t *testing.T, address string) {
			exec(t, other(t, address), "PRAGMA user_version = 1000")
		},
	}
}

func TestMain(m *testing.M) {
	if !suite().Main() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestStore(t *testing.T) { suite().Run(t) }

// newAddress is that of a file that isn't there. Its name has what a URI must escape.
func newAddress(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "it's #1, 100% new.db")
}

// other is another program's access to the file, over one connection.
func other(t testing.TB, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(address, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func open(t testing.TB, address string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func appendTo(t testing.TB, store *sqlite.Store, room, body string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), room, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// says checks that an error is one line in which a person finds what to do.
func TestRelativeAddress(t *testing.T) {
	t.Chdir(t.TempDir())
	appendTo(t, open(t, "sqlite:chat.db", sqlite.Options{}), "room", "hello")
	if _, err := os.Stat("chat.db"); err != nil {
		t.Error(err)
	}
}

// Several processes that are started at the same time all find the file empty.
func TestFirstUse(t *testing.T) {
	address := newAddress(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			store, err := sqlite.Open(t.Context(), address, sqlite.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := store.Append(t.Context(), "room", nil); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	messages, err := open(t, address, sqlite.Options{}).After(t.Context(), "room", 0, 10)
	if err != nil || len(messages) != 8 {
		t.Errorf("%d messages, %v, want 8", len(messages), err)
	}
}

// A room keeps retention messages, and a tenth more at most.
func TestRetention(t *testing.T) {
	const retention = 20
	store := open(t, newAddress(t)+"?_synchronous=off", sqlite.Options{Retention: retention})
	var seqs []uint64
	for i := range 100 {
		appendTo(t, store, "another room", "between")
		seqs = append(seqs, appendTo(t, store, "room", fmt.Sprint(i)))
		_, err := store.After(t.Context(), "room", 0, 1)
		gap, ok := errors.AsType[*transports.GapError](err)
		if !ok && (err != nil || len(seqs) > retention+2) {
			t.Fatalf("After(0) with %d written: %v", len(seqs), err)
		}
		if !ok {
			continue
		}
		// Whoever has read the newest message that has left has missed none.
		kept := len(seqs) - slices.Index(seqs, gap.Oldest)
		messages, err := store.After(t.Context(), "room", seqs[len(seqs)-kept-1], 2*retention)
		if err != nil || len(messages) != kept || kept < retention || kept > retention+2 {
			t.Fatalf("%d messages with %d to be kept, %d written: %v", len(messages), kept, len(seqs), err)
		}
	}
}

// Who gives up while the file is locked does so at once.
// A message wakes once, whoever has written it, and a flood of them wakes all.
func TestWakesOnce(t *testing.T) {
	address := newAddress(t)
	one, another := open(t, address, sqlite.Options{}), open(t, address, sqlite.Options{})
	room, stop := one.Watch("room")
	defer stop()
	fence, stopFence := one.Watch("fence")
	defer stopFence()
	for i := range 20 {
		appendTo(t, []*sqlite.Store{one, another}[i%2], "room", "hello")
		<-room
		appendTo(t, another, "fence", "")
		<-fence
		select {
		case <-room:
			t.Errorf("message %d wakes twice", i)
		default:
		}
	}
	exec(t, other(t, address), `INSERT INTO messages (room, body)
		SELECT (SELECT id FROM rooms WHERE name = 'room'), x'00' FROM json_each('[' || substr(replace(hex(zeroblob(1500)), '00', ',0'), 2) || ']')`)
	<-room
	<-fence
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 100} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			store := open(b, newAddress(b), sqlite.Options{})
			body := []byte(strings.Repeat("x", 200))
			jobs := make(chan struct{})
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range jobs {
						if _, err := store.Append(b.Context(), "room", body); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				jobs <- struct{}{}
			}
			close(jobs)
			wg.Wait()
		})
	}
}

func BenchmarkAfter(b *testing.B) {
	for _, n := range []int{0, 1, 256} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			store := open(b, newAddress(b)+"?_synchronous=off", sqlite.Options{})
			body := strings.Repeat("x", 200)
			var last uint64
			for range 1000 {
				last = appendTo(b, store, "room", body)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.After(b.Context(), "room", last-uint64(n), 256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
