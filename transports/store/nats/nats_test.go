package nats_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

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
	s, err := nats.Open(ctx, address, nats.Options{Retention: retention})
	if err != nil {
		return nil, err // not a *nats.Store that is nil
	}
	return s, nil
}

func TestStore(t *testing.T) {
	s := newServer(t)
	storetest.Suite{
		Open:  open,
		New:   s.address,
		Break: s.breakIt,
		Newer: func(t *testing.T, address string) {
			s.edit(t, address, func(c *jetstream.StreamConfig) { c.Metadata["pushpull-schema"] = "2" })
		},
	}.Run(t)
}

func mustOpen(t testing.TB, address string, retention int) *nats.Store {
	t.Helper()
	store, err := nats.Open(t.Context(), address, nats.Options{Retention: retention})
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
	seq, err := store.Append(t.Context(), room, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// A server that the store has started itself goes with it, and so do its files.
func TestEmbedded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	store, err := nats.Open(t.Context(), "nats:", nats.Options{})
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

// Whoever comes first makes the stream.
func TestOpenedAtOnce(t *testing.T) {
	address := newServer(t).url
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 8 {
		wg.Go(func() {
			store, err := nats.Open(t.Context(), address, nats.Options{Retention: 10})
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			if _, err := store.Append(t.Context(), "room", fmt.Append(nil, i)); err != nil {
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
	_, err = nats.Open(t.Context(), "nats://user:secret@"+host, nats.Options{})
	expectError(t, err, "nats-server -js")
	_, err = nats.Open(t.Context(), "nats://user:asecret@"+host, nats.Options{})
	expectError(t, err, "Authorization Violation")
}

// What the server returns at a time is less than what is asked for.
func TestManyBytes(t *testing.T) {
	const n = 40
	store := mustOpen(t, newServer(t).url, 0)
	body := strings.Repeat("x", 100_000)
	for range n {
		mustAppend(t, store, "room", body)
	}
	for _, limit := range []int{1, 5, 6, n, 2 * n} {
		messages, err := store.After(t.Context(), "room", 0, limit)
		if err != nil || len(messages) != min(n, limit) {
			t.Fatalf("with a limit of %d: %d messages, %v", limit, len(messages), err)
		}
	}
	if _, err := store.Append(t.Context(), "room", make([]byte, 2<<20)); err == nil || !strings.Contains(err.Error(), "maximum payload") {
		t.Errorf("too many bytes: %v", err)
	}
}

func TestRoomNames(t *testing.T) {
	store := mustOpen(t, newServer(t).url, 0)
	grown, stop := store.Watch("")
	defer stop()
	mustAppend(t, store, "", "has no name")
	<-grown
	mustAppend(t, store, strings.Repeat("r", 1024), "has a long one")
	if _, err := store.Append(t.Context(), strings.Repeat("r", 1025), nil); err == nil {
		t.Error("a room whose name is too long")
	}
}

// The retention of a stream is that of who has made it.
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
	_, err := nats.Open(t.Context(), address, nats.Options{Retention: 11})
	expectError(t, err, "use a retention of 10 at most")
}

func TestOtherStream(t *testing.T) {
	s := newServer(t)
	address := s.url
	mustOpen(t, address, 0)
	s.edit(t, address, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	_, err := nats.Open(t.Context(), address, nats.Options{})
	expectError(t, err, "not configured any more")
	s.edit(t, address, func(c *jetstream.StreamConfig) { c.Metadata = nil })
	_, err = nats.Open(t.Context(), address, nats.Options{})
	expectError(t, err, "not made by pushpull")
}

func TestBadAddress(t *testing.T) {
	for address, want := range map[string]string{
		"nats://":                                   "no server",
		"nats:localhost":                            "no server",
		"http://localhost":                          "no server",
		"nats://localhost?streams=a":                `the unknown option "streams"`,
		"nats://localhost?stream=a.b":               `the stream "a.b"`,
		"nats://localhost?stream=":                  `the stream ""`,
		"nats://localhost?%":                        "a bad query",
		"nats://user:secret@127.0.0.1:1":            "connecting to NATS at 127.0.0.1:1:",
		"nats://user:secret@127.0.0.1:1?stream=abc": "connecting to NATS at 127.0.0.1:1:",
	} {
		store, err := nats.Open(t.Context(), address, nats.Options{})
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

// Who closes the store while its server is away doesn't wait for it.
func TestCloseWhileAway(t *testing.T) {
	s := newServer(t)
	store, err := nats.Open(t.Context(), s.url, nats.Options{})
	if err != nil {
		t.Fatal(err)
	}
	grown, stop := store.Watch("room")
	defer stop()
	s.kill()
	<-grown // the loss is told
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// A server that has lost its log is a gap for who has read further, though nobody was told.
func TestLostLog(t *testing.T) {
	s := newServer(t)
	address := s.url
	store := mustOpen(t, address, 0)
	last := mustAppend(t, store, "room", "hello")
	mustAppend(t, store, "room", "hello again")
	grown, stop := store.Watch("another room")
	defer stop()
	s.jetstream(t, func(ctx context.Context, js jetstream.JetStream) {
		if err := js.DeleteStream(ctx, nats.DefaultStream); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := store.Append(t.Context(), "room", nil); err == nil {
		t.Error("a stream that is gone takes a message")
	}
	other := mustOpen(t, address, 0)
	mustAppend(t, other, "room", "hello anew")
	<-grown // the seqs start again
	if _, err := store.After(t.Context(), "room", last+1, 1); err == nil {
		t.Error("no gap")
	}
}
