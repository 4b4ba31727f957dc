package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/redis"
	"pushpull/transports/store/storetest"
)

// patience is longer than anything here takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if (storetest.Suite{Open: open}).Main() {
		goleak.VerifyTestMain(m)
	}
}

func open(ctx context.Context, address string, retention int) (storetest.Store, error) {
	return redis.Open(ctx, address, redis.Options{Retention: retention})
}

func TestStore(t *testing.T) {
	server := storetest.Redis(t)
	suite := storetest.Suite{
		Open: open,
		New:  func(t *testing.T) string { return fresh(t, server) },
		Newer: func(t *testing.T, address string) {
			client, key := connect(t, address)
			do(t, client, "SET", key("version"), "1000")
		},
	}
	if server.Ours() {
		suite.Break = func(*testing.T) func() {
			server.Kill()
			return server.Start
		}
	}
	suite.Run(t)
}

// fresh returns the address of a log that is the test's own and goes with it.
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

// connect returns a client of the database of a log, and how its keys are called.
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
	// Not T.Context: it has ended when the test cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result := client.Do(ctx, client.B().Arbitrary(command).Args(args...).Build())
	if err := result.Error(); err != nil {
		t.Fatalf("%s %q: %v", command, args, err)
	}
	return result
}

func openAt(t testing.TB, address string, retention int) *redis.Store {
	t.Helper()
	store, err := redis.Open(t.Context(), address, redis.Options{Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func write(t testing.TB, store transports.Store, room, body string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), room, []byte(body))
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
		"redis://user:secret@127.0.0.1:1":     "connection refused (is it running there",
		"redis://user:secret@nowhere.invalid": "nowhere.invalid:6379",
		taken:                                 "isn't pushpull's",
	} {
		store, err := redis.Open(t.Context(), address, redis.Options{})
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

// Redis trims by nodes of 100 entries.
func TestRetention(t *testing.T) {
	const retention, node, total = 250, 100, 1000
	store := openAt(t, fresh(t, storetest.Redis(t)), retention)
	for i := range uint64(total) {
		if seq := write(t, store, "room", "hello"); seq != i+1 {
			t.Fatalf("message %d has seq %d", i+1, seq)
		}
	}
	_, err := store.After(t.Context(), "room", 0, 1)
	gap, ok := errors.AsType[*transports.GapError](err)
	if !ok {
		t.Fatalf("After(0): %v, want a gap", err)
	}
	if kept := total - int(gap.Oldest) + 1; kept < retention || kept > retention+node {
		t.Errorf("%d messages are kept with a retention of %d", kept, retention)
	}
}

// A wake stream that doesn't go on where it was left wakes all: it was trimmed, or Redis has lost it.
func TestWakeStreamJumps(t *testing.T) {
	t.Parallel()
	server := storetest.Redis(t)
	for name, jump := range map[string][]string{
		"forward":  {"XSETID", "", "0-1000000"},
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
			jump[1] = key("wake")
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
	case <-time.After(patience):
		t.Fatal("nobody is woken")
	}
}

// Logs with prefixes of their own share nothing.
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
		t.Error("the other log is woken")
	default:
	}
}
