package nats_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/nats"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(serverFor); job != "" {
		if err := serveMain(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if !(storetest.Suite{Open: open}).Main() {
		return
	}
	goleak.VerifyTestMain(m)
}

func open(ctx context.Context, address string, retention int) (storetest.Store, error) {
	s, err := nats.Open(ctx, address, transports.StoreOptions{Retention: retention})
	if err != nil {
		return nil, err // not a *nats.Store that is nil
	}
	return s, nil
}

func TestStore(t *testing.T) {
	s := newServer(t)
	storetest.Suite{
		Open:   open,
		New:    s.address,
		Break:  s.breakIt,
		Rewind: s.rewind, RewindOpen: true,
		Newer: func(t *testing.T, address string) {
			s.edit(t, address, func(c *jetstream.StreamConfig) { c.Metadata["pushpull-schema"] = "1000" })
		},
	}.Run(t)
}

func mustOpen(t testing.TB, address string, retention int) *nats.Store {
	t.Helper()
	store, err := nats.Open(t.Context(), address, transports.StoreOptions{Retention: retention})
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

func mustAppend(t testing.TB, store *nats.Store, room, body string) uint64 {
	t.Helper()
	seq, err := store.Append(t.Context(), room, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// Closing the store stops the server that it has started, and removes the server's files.
func TestEmbedded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	store, err := nats.Open(t.Context(), "nats:", transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, store, "room", "hello")
	if messages, err := store.After(t.Context(), "room", 0, 2); err != nil || len(messages) != 1 {
		t.Errorf("After = %v, %v", messages, err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func awaitBack(t *testing.T, store *nats.Store) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := store.After(t.Context(), "back?", 0, 1)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

// Processes that open a new stream at the same time all succeed.
func TestOpenedAtOnce(t *testing.T) {
	address := newServer(t).url
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 8 {
		wg.Go(func() {
			store, err := nats.Open(t.Context(), address, transports.StoreOptions{Retention: 10})
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			if _, err := store.Append(t.Context(), "room", fmt.Append(nil, i), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	store := mustOpen(t, address, 10)
	if messages, err := store.After(t.Context(), "room", 0, 10); err != nil || len(messages) != 8 {
		t.Errorf("%d messages, %v", len(messages), err)
	}
}

func TestWithoutJetStream(t *testing.T) {
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "user", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server doesn't start")
	}
	host := s.Addr().String()
	_, err = nats.Open(t.Context(), "nats://user:secret@"+host, transports.StoreOptions{})
	expectError(t, err, "nats-server -js")
	_, err = nats.Open(t.Context(), "nats://user:asecret@"+host, transports.StoreOptions{})
	expectError(t, err, "Authorization Violation")
}

// A read takes several requests when the answer is larger than maxBytes, and ends at BatchBytes.
func TestManyBytes(t *testing.T) {
	const n = 40
	store := mustOpen(t, newServer(t).url, 0)
	body := strings.Repeat("x", 100_000)
	for range n {
		mustAppend(t, store, "room", body)
	}
	for _, limit := range []int{1, 5, 6, n, 2 * n} {
		messages, err := store.After(t.Context(), "room", 0, limit)
		if err != nil || len(messages) != min(n, limit, 1+transports.BatchBytes/len(body)) {
			t.Fatalf("with a limit of %d: %d messages, %v", limit, len(messages), err)
		}
	}
	if _, err := store.Append(t.Context(), "room", make([]byte, 2<<20), ""); err == nil || !strings.Contains(err.Error(), "maximum payload") {
		t.Errorf("a message that is too large: %v", err)
	}
}

func TestRoomNames(t *testing.T) {
	store := mustOpen(t, newServer(t).url, 0)
	grown, stop := store.Watch("")
	defer stop()
	mustAppend(t, store, "", "has no name")
	await(t, grown)
	mustAppend(t, store, strings.Repeat("r", 1024), "has a long one")
	if _, err := store.Append(t.Context(), strings.Repeat("r", 1025), nil, ""); err == nil {
		t.Error("a room name that is too long is accepted")
	}
}

// A stream keeps the retention with which it was created.
func TestOtherRetention(t *testing.T) {
	address := newServer(t).url
	mustOpen(t, address, 10)
	for _, retention := range []int{0, 5, 10} {
		store := mustOpen(t, address, retention)
		room := fmt.Sprint(retention)
		for range 10 {
			mustAppend(t, store, room, "hello")
		}
		if messages, err := store.After(t.Context(), room, 0, 20); err != nil || len(messages) != 10 {
			t.Errorf("retention %d: %d messages, %v", retention, len(messages), err)
		}
	}
	_, err := nats.Open(t.Context(), address, transports.StoreOptions{Retention: 11})
	expectError(t, err, "use a retention of 10 at most")
}

// The messages of an older pushpull have no tags, and count from 1.
func TestOlderStream(t *testing.T) {
	s := newServer(t)
	s.jetstream(t, func(ctx context.Context, js jetstream.JetStream) {
		c := nats.Config(nats.DefaultStream, 10)
		c.FirstSeq, c.Metadata, c.Duplicates = 0, map[string]string{"pushpull-schema": "1"}, time.Second
		if _, err := js.CreateStream(ctx, c); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if _, err := js.Publish(ctx, nats.DefaultStream+".r"+base64.RawURLEncoding.EncodeToString([]byte("room")), fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	for range 2 {
		store := mustOpen(t, s.url, 0)
		mustAppend(t, store, "room", "new")
		messages, err := store.After(t.Context(), "room", 0, 10)
		if err != nil || len(messages) < 4 {
			t.Fatalf("%d messages, %v", len(messages), err)
		}
		rest, err := store.After(t.Context(), "room", messages[1].Seq, 10)
		if err != nil || len(rest) != len(messages)-2 || string(rest[0].Body) != "2" {
			t.Errorf("%d messages follow the second of %d, %v", len(rest), len(messages), err)
		}
	}
	s.edit(t, s.url, func(c *jetstream.StreamConfig) {
		if c.Duplicates != transports.KeyTime {
			t.Errorf("keys are known for %v, want %v", c.Duplicates, transports.KeyTime)
		}
	})
}

func TestOtherStream(t *testing.T) {
	s := newServer(t)
	address := s.url
	mustOpen(t, address, 0)
	s.edit(t, address, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	_, err := nats.Open(t.Context(), address, transports.StoreOptions{})
	expectError(t, err, "no longer configured")
	s.edit(t, address, func(c *jetstream.StreamConfig) { c.Metadata = nil })
	_, err = nats.Open(t.Context(), address, transports.StoreOptions{})
	expectError(t, err, "not created by pushpull")
}

func TestBadAddress(t *testing.T) {
	for address, want := range map[string]string{
		"nats://":                                   "no server",
		"nats:localhost":                            "no server",
		"http://localhost":                          "no server",
		"nats://localhost?streams=a":                `unknown option "streams"`,
		"nats://localhost?stream=a.b":               `the stream "a.b"`,
		"nats://localhost?stream=":                  `the stream ""`,
		"nats://localhost?%":                        "a bad query",
		"nats://user:secret@127.0.0.1:1":            "connecting to NATS at 127.0.0.1:1:",
		"nats://user:secret@127.0.0.1:1?stream=abc": "connecting to NATS at 127.0.0.1:1:",
	} {
		store, err := nats.Open(t.Context(), address, transports.StoreOptions{})
		if err == nil {
			store.Close()
		}
		expectError(t, err, want)
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want one line with %q", err, want)
	}
}

// Close doesn't wait for an unreachable server.
func TestCloseWhileAway(t *testing.T) {
	s := newServer(t)
	store, err := nats.Open(t.Context(), s.url, transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	grown, stop := store.Watch("room")
	defer stop()
	s.kill()
	await(t, grown) // the lost connection wakes the watchers
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// After a stream was deleted and created again, the watchers of all rooms wake, and a place in the old log
// is a gap, whatever the numbers of the new one.
func TestLostLog(t *testing.T) {
	for name, first := range map[string]func(last uint64) uint64{
		"later numbers":     func(last uint64) uint64 { return last + 1000 },
		"the next number":   func(last uint64) uint64 { return last + 1 },
		"the number before": func(last uint64) uint64 { return last - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			mustOpen(t, s.address(t), 0) // with its last stream, the server removes their directory, perhaps while the next is created
			store := mustOpen(t, s.url, 0)
			mustAppend(t, store, "room", "hello")
			last := mustAppend(t, store, "room", "hello again")
			if _, err := store.After(t.Context(), "room", last, 1); err != nil { // now the place is known
				t.Error(err)
			}
			grown, stop := store.Watch("another room")
			defer stop()
			s.jetstream(t, func(ctx context.Context, js jetstream.JetStream) {
				stream, err := js.Stream(ctx, nats.DefaultStream)
				if err != nil {
					t.Fatal(err)
				}
				config := stream.CachedInfo().Config
				config.FirstSeq = first(stream.CachedInfo().State.LastSeq)
				if err := js.DeleteStream(ctx, nats.DefaultStream); err != nil {
					t.Fatal(err)
				}
				if _, err := store.Append(t.Context(), "room", nil, ""); err == nil {
					t.Error("a deleted stream accepts a message")
				}
				if _, err := js.CreateStream(ctx, config); err != nil {
					t.Fatal(err)
				}
			})
			mustAppend(t, mustOpen(t, s.url, 0), "room", "hello anew")
			await(t, grown)
			_, err := store.After(t.Context(), "room", last, 1)
			if _, gap := errors.AsType[*transports.GapError](err); !gap {
				t.Errorf("error %v, want a gap", err)
			}
		})
	}
}

func await(t *testing.T, grown <-chan struct{}) {
	t.Helper()
	select {
	case <-grown:
	case <-time.After(time.Minute):
		t.Fatal("the watcher was not woken")
	}
}
