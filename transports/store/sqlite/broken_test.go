package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/sqlite"
)

// says checks that an error is one line that holds what.
func says(t testing.TB, err error, what string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %q, want one line with %q", err, what)
	}
}

func TestBadAddress(t *testing.T) {
	dir := t.TempDir()
	text, foreign := filepath.Join(dir, "text"), filepath.Join(dir, "foreign.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	exec(t, other(t, foreign), "CREATE TABLE messages (id INTEGER)")
	for address, want := range map[string]string{
		"":                                  "names no file",
		":memory:":                          "names no file",
		"?mode=memory":                      "names no file",
		dir:                                 "is a directory",
		dir + "/missing/chat.db":            "create it first",
		text + "/chat.db":                   "create it first",
		text:                                "not a SQLite file",
		foreign:                             "another program",
		dir + "/missing?mode=ro":            "can't be opened",
		dir + "/new?mode=memory":            "local disk",
		dir + "/new?_synchronous=sometimes": "_synchronous",
		dir + "/new?%zz":                    "%zz",
	} {
		store, err := sqlite.Open(t.Context(), "sqlite:"+address, transports.StoreOptions{})
		if err == nil {
			t.Errorf("%q is opened", address)
			store.Close()
		}
		says(t, err, want)
	}
	var tables int
	row := other(t, foreign).QueryRow("SELECT count(*) FROM sqlite_schema")
	if err := row.Scan(&tables); err != nil || tables != 1 {
		t.Errorf("the file of another program has %d tables, want 1 as before: %v", tables, err)
	}
}

func TestLocked(t *testing.T) {
	address := newAddress(t)
	store := open(t, address+"?_busy_timeout=50", transports.StoreOptions{})
	first := appendTo(t, store, "room", "before")
	tool := other(t, address)
	exec(t, tool, "BEGIN IMMEDIATE")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := store.Append(t.Context(), "room", []byte("lost"), "")
			says(t, err, "locked")
		})
	}
	wg.Wait()
	if _, err := store.After(t.Context(), "room", 0, 1); err != nil {
		t.Errorf("reading a file that another process is writing to: %v", err)
	}
	exec(t, tool, "ROLLBACK")
	appendTo(t, store, "room", "after")
	messages, err := store.After(t.Context(), "room", first, 10)
	if err != nil || len(messages) != 1 || string(messages[0].Body) != "after" {
		t.Errorf("%d messages, %v", len(messages), err)
	}
}

// A caller whose context ends doesn't wait for a locked file.
func TestContextEndsWhileLocked(t *testing.T) {
	address := newAddress(t)
	store := open(t, address, transports.StoreOptions{})
	exec(t, other(t, address), "BEGIN IMMEDIATE")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := store.Append(ctx, "room", nil, "")
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// full checks that an error says to a server that there is no space.
func full(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, transports.ErrFull) {
		t.Errorf("%v is not ErrFull", err)
	}
}

func TestNoSpace(t *testing.T) {
	address := newAddress(t)
	store := open(t, address+"?_pragma=max_page_count(50)", transports.StoreOptions{})
	body := strings.Repeat("x", 10_000)
	stored := 0
	for stored < 1000 {
		if _, err := store.Append(t.Context(), "room", []byte(body), ""); err != nil {
			says(t, err, "no space")
			full(t, err)
			break
		}
		stored++
	}
	for _, store := range []*sqlite.Store{store, open(t, address, transports.StoreOptions{})} {
		messages, err := store.After(t.Context(), "room", 0, 1000)
		if err != nil || len(messages) != stored || stored == 0 {
			t.Fatalf("%d messages of %d, %v", len(messages), stored, err)
		}
	}
	appendTo(t, open(t, address, transports.StoreOptions{}), "room", body)
}

func TestReadOnly(t *testing.T) {
	address := newAddress(t)
	appendTo(t, open(t, address, transports.StoreOptions{}), "room", "hello")
	for _, query := range []string{"?mode=ro", "?_query_only=1"} {
		_, err := sqlite.Open(t.Context(), address+query, transports.StoreOptions{})
		says(t, err, "can't be written")
	}
}

func TestClosed(t *testing.T) {
	store := open(t, newAddress(t), transports.StoreOptions{})
	_, stop := store.Watch("room")
	defer stop()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			var err error
			for err == nil {
				_, err = store.Append(t.Context(), "room", nil, "")
			}
			says(t, err, "closed")
		})
		wg.Go(func() {
			var err error
			for err == nil {
				_, err = store.After(t.Context(), "room", 0, 10)
			}
			says(t, err, "closed")
		})
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
