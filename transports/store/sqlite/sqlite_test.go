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
			return sqlite.Open(ctx, address, transports.StoreOptions{Retention: retention})
		},
		New: func(t *testing.T) string { return newAddress(t) },
		Rewind: func(t *testing.T, address string) func() {
			path := strings.TrimPrefix(address, "sqlite:")
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.WriteFile(path, old, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
		Newer: func(t *testing.T, address string) {
			exec(t, other(t, address), "PRAGMA user_version = 1000")
		},
		Prunes: true,
	}
}

func TestMain(m *testing.M) {
	if !suite().Main() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestStore(t *testing.T) { suite().Run(t) }

// newAddress returns the address of a new file, whose name has characters that a URI must escape.
func newAddress(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "it's #1, 100% new.db")
}

// other opens the file as another program would, over one connection.
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

func open(t testing.TB, address string, o transports.StoreOptions) *sqlite.Store {
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
	seq, err := store.Append(t.Context(), room, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestRelativeAddress(t *testing.T) {
	t.Chdir(t.TempDir())
	appendTo(t, open(t, "sqlite:chat.db", transports.StoreOptions{}), "room", "hello")
	if _, err := os.Stat("chat.db"); err != nil {
		t.Error(err)
	}
}

// Processes that open a new file at the same time all succeed.
func TestFirstUse(t *testing.T) {
	address := newAddress(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			store, err := sqlite.Open(t.Context(), address, transports.StoreOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := store.Append(t.Context(), "room", nil, ""); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	messages, err := open(t, address, transports.StoreOptions{}).After(t.Context(), "room", 0, 10)
	if err != nil || len(messages) != 8 {
		t.Errorf("%d messages, %v, want 8", len(messages), err)
	}
}

// A room keeps retention messages, and a tenth more at most.
func TestRetention(t *testing.T) {
	const retention = 20
	store := open(t, newAddress(t)+"?_synchronous=off", transports.StoreOptions{Retention: retention})
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
		// A reader of the newest message that has left the log has missed none.
		kept := len(seqs) - slices.Index(seqs, gap.Oldest)
		messages, err := store.After(t.Context(), "room", seqs[len(seqs)-kept-1], 2*retention)
		if err != nil || len(messages) != kept || kept < retention || kept > retention+2 {
			t.Fatalf("%d messages, want %d; %d written: %v", len(messages), kept, len(seqs), err)
		}
	}
}

// A message of any process wakes a watcher once, and a flood of messages wakes all watchers.
func TestWakesOnce(t *testing.T) {
	address := newAddress(t)
	one, another := open(t, address, transports.StoreOptions{}), open(t, address, transports.StoreOptions{})
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
			store := open(b, newAddress(b), transports.StoreOptions{})
			body := []byte(strings.Repeat("x", 200))
			jobs := make(chan struct{})
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range jobs {
						if _, err := store.Append(b.Context(), "room", body, ""); err != nil {
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
			store := open(b, newAddress(b)+"?_synchronous=off", transports.StoreOptions{})
			body := strings.Repeat("x", 200)
			var seqs []uint64
			for range 1000 {
				seqs = append(seqs, appendTo(b, store, "room", body))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.After(b.Context(), "room", seqs[999-n], 256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
