package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/redis"
	"pushpull/transports/store/storetest"
)

// testTimeout is how long a test waits for an answer or a wake-up. One that works takes far less.
const testTimeout = 30 * time.Second

func TestMain(m *testing.M) {
	if (storetest.Suite{Open: open}).Main() {
		goleak.VerifyTestMain(m)
	}
}

func open(ctx context.Context, address string, retention int) (storetest.Store, error) {
	return redis.Open(ctx, address, transports.StoreOptions{Retention: retention})
}

func TestStore(t *testing.T) {
	server := storetest.Redis(t)
	suite := storetest.Suite{
		Open:   open,
		New:    func(t *testing.T) string { return fresh(t, server) },
		Rewind: rewind, RewindOpen: true,
		Newer: func(t *testing.T, address string) {
			client, key := connect(t, address)
			do(t, client, "SET", key("version"), "1000")
		},
		Prunes: true,
	}
	if server.Ours() {
		suite.Break = func(*testing.T) func() {
			server.Kill()
			return server.Start
		}
	}
	suite.Run(t)
}

// fresh returns the address of a new log, which is removed when the test ends.
func fresh(t testing.TB, server *storetest.Server) string {
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("prefix", "test-"+rand.Text())
	u.RawQuery = query.Encode()
	if !server.Ours() {
		t.Cleanup(func() {
			client, key := connect(t, u.String())
			keys, err := do(t, client, "KEYS", key("*")).AsStrSlice()
			if err != nil {
				t.Error(err)
			}
			for _, key := range keys {
				do(t, client, "DEL", key)
			}
		})
	}
	return u.String()
}

// rewind takes a dump of the keys of a log; back restores it.
func rewind(t *testing.T, address string) (back func()) {
	client, key := connect(t, address)
	keys := func() []string {
		all, err := do(t, client, "KEYS", key("*")).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	dumps := map[string]string{}
	for _, k := range keys() {
		var err error
		if dumps[k], err = do(t, client, "DUMP", k).ToString(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, k := range keys() {
			do(t, client, "DEL", k)
		}
		for k, dump := range dumps {
			do(t, client, "RESTORE", k, "0", dump)
		}
	}
}

// connect returns a client of the database of a log, and the function that returns the log's keys.
func connect(t testing.TB, address string) (client rueidis.Client, key func(name string) string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	option, err := rueidis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	option.DisableCache = true
	client, err = rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	prefix := u.Query().Get("prefix")
	return client, func(name string) string { return "{" + prefix + "}:" + name }
}

func do(t testing.TB, client rueidis.Client, command string, args ...string) rueidis.RedisResult {
	t.Helper()
	// Not T.Context, which has ended when cleanup functions run.
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	result := client.Do(ctx, client.B().Arbitrary(command).Args(args...).Build())
	if err := result.Error(); err != nil {
		t.Fatalf("%s %q: %v", command, args, err)
	}
	return result
}

func openAt(t testing.TB, address string, retention int) *redis.Store {
	t.Helper()
	store, err := redis.Open(t.Context(), address, transports.StoreOptions{Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func write(t testing.TB, store transports.Store, room, body string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), room, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestBadAddress(t *testing.T) {
	server := storetest.Redis(t)
	taken := fresh(t, server)
	client, key := connect(t, taken)
	do(t, client, "SET", key("version"), "something else's")
	for address, want := range map[string]string{
		"":                                    "redis://user:password@host",
		"http://localhost":                    "redis://user:password@host",
		"redis://user:secret@localhost:port":  "redis://user:password@host",
		"redis://:secret@localhost/not-a-db":  "redis://user:password@host",
		"redis://user:secret@127.0.0.1:1":     "connection refused: check the address",
		"redis://user:secret@nowhere.invalid": "nowhere.invalid:6379",
		taken:                                 "was not set by pushpull",
	} {
		store, err := redis.Open(t.Context(), address, transports.StoreOptions{})
		if err == nil {
			store.Close()
			t.Errorf("%q is opened", address)
			continue
		}
		if line := err.Error(); !strings.Contains(line, want) || strings.Contains(line, "\n") || strings.Contains(line, "secret") {
			t.Errorf("opening %q: %s, want %q in one line", address, line, want)
		}
	}
}

// A room keeps at most one node of 100 entries more than its retention.
func TestRetention(t *testing.T) {
	const retention, node, total = 250, 100, 1000
	store := openAt(t, fresh(t, storetest.Redis(t)), retention)
	var seqs []uint64
	for range total {
		seqs = append(seqs, write(t, store, "room", "hello"))
	}
	_, err := store.After(t.Context(), "room", 0, 1)
	gap, ok := errors.AsType[*transports.GapError](err)
	if !ok {
		t.Fatalf("After(0): %v, want a gap", err)
	}
	if kept := total - slices.Index(seqs, gap.Oldest); kept < retention || kept > retention+node {
		t.Errorf("%d messages are kept with a retention of %d", kept, retention)
	}
}

// A wake stream that was trimmed or lost wakes all watchers.
func TestWakeStreamJumps(t *testing.T) {
	t.Parallel()
	server := storetest.Redis(t)
	for name, jump := range map[string][]string{
		"forward": {"EVAL", `
			for i = 1, 20000 do redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '0-*', 'r', 'another room') end return 1`, "1", ""},
		"backward": {"DEL", ""},
	} {
		t.Run(name, func(t *testing.T) {
			address := fresh(t, server)
			store := openAt(t, address, 0)
			written, stop := store.Watch("room")
			defer stop()
			for range 3 {
				write(t, store, "room", "hello")
				expectRing(t, written)
			}
			grown, stop := store.Watch("missed")
			defer stop()
			client, key := connect(t, address)
			jump[len(jump)-1] = key("wake")
			do(t, client, jump[0], jump[1:]...)
			write(t, store, "room", "hello")
			expectRing(t, grown)
			expectRing(t, written)
			write(t, store, "missed", "hello")
			expectRing(t, grown)
		})
	}
}

func expectRing(t *testing.T, grown <-chan struct{}) {
	t.Helper()
	select {
	case <-grown:
	case <-time.After(testTimeout):
		t.Fatal("the watcher is not woken")
	}
}

// Logs with different prefixes share nothing.
func TestPrefix(t *testing.T) {
	server := storetest.Redis(t)
	one, other := openAt(t, fresh(t, server), 0), openAt(t, fresh(t, server), 0)
	grown, stop := other.Watch("room")
	defer stop()
	later, stop := other.Watch("another room")
	defer stop()
	write(t, one, "room", "in one")
	if messages, err := other.After(t.Context(), "room", 0, 1); err != nil || len(messages) > 0 {
		t.Errorf("%d messages of one log are in the other, %v", len(messages), err)
	}
	write(t, other, "another room", "in the other")
	expectRing(t, later)
	select {
	case <-grown:
		t.Error("woken by an append in another log")
	default:
	}
}
