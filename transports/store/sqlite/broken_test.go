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

	"pushpull/transports/store/sqlite"
)

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
		dir + "/missing/chat.db":            "make it first",
		text + "/chat.db":                   "make it first",
		text:                                "not a SQLite file",
		foreign:                             "another program's",
		dir + "/missing?mode=ro":            "can't be opened",
		dir + "/new?mode=memory":            "local disk",
		dir + "/new?_synchronous=sometimes": "_synchronous",
		dir + "/new?%zz":                    "%zz",
	} {
		store, err := sqlite.Open(t.Context(), "sqlite:"+address, sqlite.Options{})
		if err == nil {
			t.Errorf("%q is opened", address)
			store.Close()
		}
		says(t, err, want)
	}
	var tables int
	row := other(t, foreign).QueryRow("SELECT count(*) FROM sqlite_schema")
	if err := row.Scan(&tables); err != nil || tables != 1 {
		t.Errorf("another program's file has %d tables, had one: %v", tables, err)
	}
}

func TestLocked(t *testing.T) {
	address := newAddress(t)
	store := open(t, address+"?_busy_timeout=50", sqlite.Options{})
	first := appendTo(t, store, "room", "before")
	tool := other(t, address)
	exec(t, tool, "BEGIN IMMEDIATE")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := store.Append(t.Context(), "room", []byte("lost"))
			says(t, err, "locked")
		})
	}
	wg.Wait()
	if _, err := store.After(t.Context(), "room", 0, 1); err != nil {
		t.Errorf("reading what another process is writing to: %v", err)
	}
	exec(t, tool, "ROLLBACK")
	appendTo(t, store, "room", "after")
	messages, err := store.After(t.Context(), "room", first, 10)
	if err != nil || len(messages) != 1 || string(messages[0].Body) != "after" {
		t.Errorf("%d messages, %v", len(messages), err)
	}
}

func TestContextEndsWhileLocked(t *testing.T) {
	address := newAddress(t)
	store := open(t, address, sqlite.Options{})
	exec(t, other(t, address), "BEGIN IMMEDIATE")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := store.Append(ctx, "room", nil)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestNoSpace(t *testing.T) {
	address := newAddress(t)
	store := open(t, address+"?_pragma=max_page_count(50)", sqlite.Options{})
	body := strings.Repeat("x", 10_000)
	stored := 0
	for stored < 1000 {
		if _, err := store.Append(t.Context(), "room", []byte(body)); err != nil {
			says(t, err, "no space")
			break
		}
		stored++
	}
	for _, store := range []*sqlite.Store{store, open(t, address, sqlite.Options{})} {
		messages, err := store.After(t.Context(), "room", 0, 1000)
		if err != nil || len(messages) != stored || stored == 0 {
			t.Fatalf("%d messages of %d, %v", len(messages), stored, err)
		}
	}
	appendTo(t, open(t, address, sqlite.Options{}), "room", body)
}

func TestReadOnly(t *testing.T) {
	address := newAddress(t)
	appendTo(t, open(t, address, sqlite.Options{}), "room", "hello")
	for _, query := range []string{"?mode=ro", "?_query_only=1"} {
		_, err := sqlite.Open(t.Context(), address+query, sqlite.Options{})
		says(t, err, "can't be written")
	}
}

func TestClosed(t *testing.T) {
	store := open(t, newAddress(t), sqlite.Options{})
	_, stop := store.Watch("room")
	defer stop()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			var err error
			for err == nil {
				_, err = store.Append(t.Context(), "room", nil)
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
