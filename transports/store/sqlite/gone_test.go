package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushpull/transports"
)

// must fails the test if a step of it didn't work.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A file that is no longer where it was gets no message and is not read, the readers that wait are
// woken to see that, and once the file is back it works again.
func TestFileIsGone(t *testing.T) {
	aside := func(path string) string { return filepath.Join(filepath.Dir(filepath.Dir(path)), "aside") }
	back := func(t *testing.T, path string) { must(t, os.Rename(aside(path), path)) }
	for name, c := range map[string]struct {
		take func(t *testing.T, path string)
		back func(t *testing.T, path string) // nil: it can't be put back
		want string
	}{
		"removed": {take: func(t *testing.T, path string) { must(t, os.Remove(path)) }, want: "isn't there any more"},
		"moved":   {take: func(t *testing.T, path string) { must(t, os.Rename(path, aside(path))) }, back: back, want: "isn't there any more"},
		"replaced": {take: func(t *testing.T, path string) {
			must(t, os.Rename(path, aside(path)))
			must(t, os.WriteFile(path, []byte(strings.Repeat("x", 8<<10)), 0o600))
		}, back: back, want: "another file is in the place of"},
		"truncated": {take: func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, want: "was truncated"},
		"with its directory": {
			take: func(t *testing.T, path string) { must(t, os.Rename(filepath.Dir(path), aside(path))) },
			back: func(t *testing.T, path string) { must(t, os.Rename(aside(path), filepath.Dir(path))) },
			want: "isn't there any more",
		},
		"a directory in its place": {take: func(t *testing.T, path string) {
			must(t, os.Rename(path, aside(path)))
			must(t, os.Mkdir(path, 0o700))
		}, want: "another file is in the place of"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "in")
			must(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "chat.db")
			store := open(t, "sqlite:"+path, transports.StoreOptions{})
			last := appendTo(t, store, "room", "before")
			grown, stop := store.Watch("room")
			defer stop()
			c.take(t, path)
			<-grown
			_, err := store.Append(t.Context(), "room", []byte("lost"), "")
			says(t, err, c.want)
			_, err = store.After(t.Context(), "room", last, 10)
			says(t, err, c.want)
			if c.back == nil {
				return
			}
			c.back(t, path)
			<-grown
			appendTo(t, store, "room", "after")
			messages, err := store.After(t.Context(), "room", last, 10)
			if err != nil || string(messages[len(messages)-1].Body) != "after" {
				t.Errorf("%d messages, %v", len(messages), err)
			}
		})
	}
}

// A write-ahead log that was removed takes the newest messages with it.
func TestLogIsGone(t *testing.T) {
	address := newAddress(t)
	store := open(t, address, transports.StoreOptions{})
	appendTo(t, store, "room", "before")
	must(t, os.Remove(strings.TrimPrefix(address, "sqlite:")+"-wal"))
	_, err := store.Append(t.Context(), "room", []byte("lost"), "")
	says(t, err, "-wal isn't there any more")
}

// The path of a file is that from which it was opened, wherever the process has gone since.
func TestOtherDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	store := open(t, "sqlite:chat.db", transports.StoreOptions{})
	t.Chdir(t.TempDir())
	appendTo(t, store, "room", "hello")
}

// A file that may not grow refuses messages, and says so.
func TestBytes(t *testing.T) {
	store := open(t, newAddress(t), transports.StoreOptions{Bytes: 200_000})
	body := strings.Repeat("x", 10_000)
	for i := 0; ; i++ {
		_, err := store.Append(t.Context(), "room", []byte(body), "")
		if err != nil {
			full(t, err)
			if i < 10 || i > 20 {
				t.Errorf("%d messages of 10 kB fit into 200 kB", i)
			}
			break
		}
	}
	if messages, err := store.After(t.Context(), "room", 0, 100); err != nil || len(messages) < 10 {
		t.Errorf("%d messages, %v", len(messages), err)
	}
}
