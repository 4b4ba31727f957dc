package store_test

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/store"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1")) // it ends within a second
}

func TestOpenDefault(t *testing.T) {
	storetest.Suite{Open: func(ctx context.Context, _ string, retention int) (storetest.Store, error) {
		return store.Open(ctx, store.Default, store.Options{Retention: retention})
	}}.Run(t)
}

// Each kind of store is opened by its address. Those that need a server are tested where they are.
func TestOpen(t *testing.T) {
	for kind, address := range map[string]string{
		"memory": store.Default, "sqlite": "sqlite:" + filepath.Join(t.TempDir(), "chat.db"), "nats": "nats:",
	} {
		if got := store.Kind(address); got != kind {
			t.Errorf("Kind(%q) = %q", address, got)
		}
		s, err := store.Open(t.Context(), address, store.Options{})
		if err != nil {
			t.Errorf("Open(%q): %v", address, err)
			continue
		}
		if seq, err := s.Append(t.Context(), "room", []byte("hello")); seq == 0 || err != nil {
			t.Errorf("%s: Append = %d, %v", kind, seq, err)
		}
		if messages, err := s.After(t.Context(), "room", 0, 2); len(messages) != 1 || err != nil {
			t.Errorf("%s: %d messages, %v", kind, len(messages), err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing %s: %v", kind, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	for _, address := range []string{"postgres://127.0.0.1:1/none", "redis://127.0.0.1:1", "nats://127.0.0.1:1"} {
		s, err := store.Open(t.Context(), address, store.Options{})
		if err == nil {
			_ = s.Close()
			t.Fatalf("%s is open", address)
		}
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, address := range []string{"", "memory", "memory:x", "memory://", "Memory:", "redis", "mysql://me:secret@localhost", ":", "mysql://me:secret@%zz"} {
		for _, err := range []error{store.Validate(address), open(t, address)} {
			if err == nil || !strings.Contains(err.Error(), store.Default) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v", address, err)
			}
		}
		if kind := store.Kind(address); kind != "" {
			t.Errorf("%q is of kind %q", address, kind)
		}
	}
}

func open(t *testing.T, address string) error {
	s, err := store.Open(t.Context(), address, store.Options{})
	if err == nil {
		_ = s.Close()
	}
	return err
}

func TestRedacted(t *testing.T) {
	for address, want := range map[string]string{
		"memory:":                                   "memory:",
		"sqlite:/tmp/chat.db":                       "sqlite:/tmp/chat.db",
		"postgres://me:secret@localhost/chat":       "postgres://me:xxxxx@localhost/chat",
		"postgres://localhost/chat?password=secret": "postgres://localhost/chat?password=xxxxx",
		"nats://secret@localhost":                   "nats://xxxxx@localhost",
		"redis://:secret@localhost":                 "redis://:xxxxx@localhost",
		"postgres://me:sec%ret@localhost":           "postgres:...",
	} {
		if got := store.Redacted(address); got != want {
			t.Errorf("%q is shown as %q, want %q", address, got, want)
		}
	}
}

func TestEmbed(t *testing.T) {
	if _, err := store.Embed("memory:"); err == nil || store.IsEmbedded("memory:") {
		t.Error("memory: is no server")
	}
	embedded, err := store.Embed("nats:")
	if err != nil || !store.IsEmbedded("nats:") {
		t.Fatal(err)
	}
	defer func() {
		if err := embedded.Close(); err != nil {
			t.Error(err)
		}
	}()
	if u, err := url.Parse(embedded.URL()); err != nil || store.Kind(u.String()) != "nats" {
		t.Errorf("%s, %v", embedded.URL(), err)
	}
	var seen [2]store.Store
	for i := range seen {
		if seen[i], err = store.Open(t.Context(), embedded.URL(), store.Options{}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = seen[i].Close() }()
	}
	if _, err := seen[0].Append(t.Context(), "room", []byte("hello")); err != nil {
		t.Error(err)
	}
	if messages, err := seen[1].After(t.Context(), "room", 0, 2); len(messages) != 1 || err != nil {
		t.Errorf("%d messages, %v", len(messages), err)
	}
}

func TestUsage(t *testing.T) {
	for line := range strings.Lines(store.Usage()) {
		address, about, _ := strings.Cut(strings.TrimSpace(line), " ")
		if store.Kind(address) == "" || strings.TrimSpace(about) == "" {
			t.Errorf("%q is of no kind, or says nothing", line)
		}
	}
}
