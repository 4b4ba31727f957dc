package store_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store"
	"pushpull/transports/store/nats"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1")) // ends within a second
}

func TestOpenDefault(t *testing.T) {
	storetest.Suite{Open: func(ctx context.Context, _ string, retention int) (storetest.Store, error) {
		return store.Open(ctx, store.Default, transports.StoreOptions{Retention: retention})
	}}.Run(t)
}

// addresses returns an address for each line of Usage that is not one itself. A test is skipped where
// it needs a server that is not installed.
func addresses() map[string]func(*testing.T) string {
	return map[string]func(*testing.T) string{
		"sqlite:PATH":                   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "chat.db") },
		"postgres://USER@HOST/DATABASE": func(t *testing.T) string { return storetest.Postgres(t).URL },
		"redis://HOST:PORT":             func(t *testing.T) string { return storetest.Redis(t).URL },
		"nats://HOST:PORT":              func(t *testing.T) string { return embed(t, "nats:") },
	}
}

// embed starts the store of an address and returns where to open it.
func embed(t *testing.T, address string) string {
	t.Helper()
	embedded, err := store.Embed(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := embedded.Close(); err != nil {
			t.Error(err)
		}
	})
	return embedded.URL()
}

// Each kind of store is opened by its address, and shares its log exactly if ValidateShared says so.
func TestOpen(t *testing.T) {
	all := addresses()
	for line := range strings.Lines(store.Usage()) {
		shown, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		address, ok := all[shown]
		if strings.HasSuffix(shown, ":") {
			address, ok = func(*testing.T) string { return shown }, true
		}
		if !ok {
			t.Errorf("there is no address to test %s with", shown)
			continue
		}
		t.Run(shown, func(t *testing.T) {
			address, room := address(t), rand.Text() // a server that runs already keeps its rooms
			if kind := store.Kind(address); kind == "" || kind != store.Kind(shown) {
				t.Errorf("%s is of kind %q, %s of %q", address, kind, shown, store.Kind(shown))
			}
			shared := store.ValidateShared(address) == nil
			if store.IsEmbedded(address) {
				address = embed(t, address)
			}
			one, another := opened(t, address), opened(t, address)
			if seq, err := one.Append(t.Context(), room, []byte("hello"), ""); seq == 0 || err != nil {
				t.Errorf("Append = %d, %v", seq, err)
			}
			if messages, err := one.After(t.Context(), room, 0, 2); len(messages) != 1 || err != nil {
				t.Errorf("%d messages, %v", len(messages), err)
			}
			if messages, err := another.After(t.Context(), room, 0, 2); err != nil || (len(messages) == 1) != shared {
				t.Errorf("another store at the address has %d messages, %v; shared: %t", len(messages), err, shared)
			}
		})
	}
}

func opened(t *testing.T, address string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address, transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func TestUnreachable(t *testing.T) {
	for _, address := range []string{"postgres://127.0.0.1:1/none", "redis://127.0.0.1:1", "nats://127.0.0.1:1"} {
		s, err := store.Open(t.Context(), address, transports.StoreOptions{})
		if err == nil {
			_ = s.Close()
			t.Fatalf("%s is opened", address)
		}
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	const all = "use memory:, sqlite:PATH, postgres://"
	for address, says := range map[string]string{
		"": all, ":": all, "mysql://me:secret@localhost": all, "mysql://me:secret@%zz": all,
		"memory": `"memory:"`, "memory:x": `"memory:"`, "memory:?x": `"memory:"`, "memory://": `"memory:"`, "Memory:": `"memory:"`,
		"redis": `"redis://HOST:PORT"`, "postgre://me:secret@localhost/chat": `did you mean "postgres://USER@HOST/DATABASE"?`,
	} {
		for _, err := range []error{store.Validate(address), open(t, address)} {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v, want %q", address, err, says)
			}
		}
		if kind := store.Kind(address); kind != "" {
			t.Errorf("%q is of kind %q", address, kind)
		}
	}
}

// No error of a store holds a secret of its address, which pgx, rueidis and others repeat in theirs.
func TestSecretsOfAddresses(t *testing.T) {
	for _, address := range []string{
		"postgres://me:s3cr3t@127.0.0.1:1/none",
		"postgres://127.0.0.1:1/none?password=s3cr3t",
		"postgres://127.0.0.1:1/none?password=s3cr3t&sslmode=bogus",
		"postgres://127.0.0.1:1/none?sslpassword=s3cr3t&connect_timeout=never",
		"postgres://me:s3cr3t@127.0.0.1:1/none?pool_max_conns=s3cr3t",
		"postgres://me:9#s3cr3t@127.0.0.1:1/none",
		"postgres://me:s3cr3t#@127.0.0.1:1/none",
		"postgres://me:s3cr3t%zz@127.0.0.1:1/none",
		"postgres://me:s3cr3t@127.0.0.1:port/none",
		"postgres:me:s3cr3t@127.0.0.1:1/none",
		"redis://:s3cr3t@127.0.0.1:1",
		"redis://me:s3cr3t@127.0.0.1:1/s3cr3t?db=s3cr3t",
		"redis://:s3cr3t%@127.0.0.1:1",
		"redis://127.0.0.1:1?write_timeout=s3cr3t",
		"redis://127.0.0.1:1?password=s3cr3t",
		"redis:s3cr3t@127.0.0.1:1",
		"nats://me:s3cr3t@127.0.0.1:1",
		"nats://s3cr3t@127.0.0.1:1",
		"nats://me:s3cr3t@127.0.0.1:1,nats://me:s3cr3t@127.0.0.1:2",
		"nats://127.0.0.1:1?token=s3cr3t",
		"nats://127.0.0.1:1?stream=s3cr3t!",
		"nats:?s3cr3t",
		"nats:s3cr3t@127.0.0.1:1",
		"sqlite:no/such/directory?password=s3cr3t",
		"sqlite:?vfs=s3cr3t",
		"sqlite:" + t.TempDir() + "/chat.db?vfs=s3cr3t",
		"sqlite:" + t.TempDir() + "/chat.db?mode=s3cr3t",
		"sqlite:" + t.TempDir() + "/chat.db?_pragma=s3cr3t(s3cr3t",
		"mysql://me:s3cr3t@localhost",
		"me:s3cr3t@localhost",
	} {
		for _, err := range []error{open(t, address), store.Validate(address), store.ValidateShared(address)} {
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

func open(t *testing.T, address string) error {
	s, err := store.Open(t.Context(), address, transports.StoreOptions{})
	if err == nil {
		_ = s.Close()
	}
	return err
}

// A store within the binary is one log for all that open its URL, and several of them are apart.
func TestEmbed(t *testing.T) {
	for _, address := range []string{"memory:", "nats://127.0.0.1:1", "nats://user:secret@127.0.0.1:1", "mysql:"} {
		if _, err := store.Embed(address); err == nil || strings.Contains(err.Error(), "secret") || store.IsEmbedded(address) {
			t.Errorf("%s is embedded: %v", address, err)
		}
	}
	for _, address := range []string{"nats:", "nats:?stream=CHAT"} {
		if !store.IsEmbedded(address) || store.ValidateShared(address) != nil {
			t.Errorf("%s is not embedded, or not shared", address)
		}
	}
	url := embed(t, "nats:?stream=CHAT")
	if !strings.HasSuffix(url, "?stream=CHAT") || store.Kind(url) != "nats" || store.IsEmbedded(url) {
		t.Errorf("the stream CHAT is at %s", url)
	}
	one, another := opened(t, url), opened(t, strings.TrimSuffix(url, "CHAT")+"OTHER")
	if _, err := one.Append(t.Context(), "room", []byte("hello"), ""); err != nil {
		t.Error(err)
	}
	if messages, err := another.After(t.Context(), "room", 0, 2); len(messages) != 0 || err != nil {
		t.Errorf("another stream has %d messages, %v", len(messages), err)
	}
}

func TestUsage(t *testing.T) {
	for line := range strings.Lines(store.Usage()) {
		address, about, _ := strings.Cut(strings.TrimSpace(line), " ")
		if store.Kind(address) == "" || strings.TrimSpace(about) == "" {
			t.Errorf("%q has no kind, or no text", line)
		}
	}
}

// No error holds a secret of the address, wherever in it the secret is.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, address := range []string{
		"postgres://me:hunter2@127.0.0.1:1/none",
		"postgres://127.0.0.1:1/none?password=hunter2&user=me",
		"postgres://127.0.0.1:1/none?password=hunter2&pool_max_conns=many",
		"postgres://me:hunter2@127.0.0.1:port/none",
		"postgres://127.0.0.1:port/none?sslpassword=hunter2",
		"postgres://127.0.0.1:1/none?password=hunter2&connect_timeout=soon",
		"postgres://127.0.0.1:1/none?sslmode=verify-full&sslcert=/nowhere&sslkey=/nowhere&sslpassword=hunter2",
		"postgres://127.0.0.1:1/none?password=hunter2%zz",
		"postgres://me:hunter2@%zz",
		"redis://me:hunter2@127.0.0.1:1",
		"redis://:hunter2@127.0.0.1:1/not-a-db",
		"redis://me:hunter2@127.0.0.1:port",
		"redis://127.0.0.1:1?password=hunter2",
		"redis://127.0.0.1:1/none?password=hunter2",
		"redis://me:hunter2@%zz",
		"nats://me:hunter2@127.0.0.1:1",
		"nats://hunter2@127.0.0.1:1",
		"nats://127.0.0.1:1?token=hunter2",
		"nats://me:hunter2@127.0.0.1:1?stream=a.b",
		"nats://me:hunter2@127.0.0.1:1?%zz",
		"nats://me:hunter2@127.0.0.1:port",
		"nats://me:hunter2@127.0.0.1:1,nats://you:hunter2@127.0.0.1:2",
		"nats://me:hunter2@%zz",
		"sqlite:/nowhere/chat.db?_pragma=key(hunter2)",
		"sqlite:/nowhere/chat.db?%zz=hunter2",
		"mysql://me:hunter2@127.0.0.1",
		"mysql://127.0.0.1?password=hunter2",
	} {
		err := open(t, address)
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("opening %s: %v", address, err)
		}
	}
	var logged strings.Builder
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "chat.db")+"?_pragma=key(hunter2)", transports.StoreOptions{
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err == nil {
		err = s.Close()
	}
	if err != nil && strings.Contains(err.Error(), secret) || strings.Contains(logged.String(), secret) {
		t.Errorf("%v, logged: %s", err, &logged)
	}
}

// Rooms can be removed from some stores. Of the others, the error says what to do instead.
func TestValidatePrune(t *testing.T) {
	for address, want := range map[string]string{
		"sqlite:chat.db":       "",
		"postgres://me@h/chat": "",
		"rediss://h:6379":      "",
		"memory:":              "--room-idle",
		"nats:":                "end with their server",
		"nats://me:secret@h":   "nats stream rm",
		"mysql:":               "unknown store",
	} {
		err := store.ValidatePrune(address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if want == "" {
			continue
		}
		if _, pruning := store.Prune(t.Context(), address, time.Now(), true); pruning == nil || pruning.Error() != err.Error() {
			t.Errorf("%s: pruning gives %v, want %v", address, pruning, err)
		}
	}
}

// Each kind of store from which rooms can be removed is opened, and closed again.
func TestPrune(t *testing.T) {
	address := "sqlite:" + filepath.Join(t.TempDir(), "chat.db")
	if _, err := store.Prune(t.Context(), address, time.Now(), false); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("a missing file: %v", err)
	}
	s, err := store.Open(t.Context(), address, transports.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Append(t.Context(), "room", nil, ""); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if pruned, err := store.Prune(t.Context(), address, time.Now(), dry); err != nil || pruned != (transports.Pruned{Rooms: 1, Messages: 1}) {
			t.Errorf("Prune(dry %t) = %+v, %v", dry, pruned, err)
		}
	}
}

// Apart names another log where rooms of one have to do with each other.
func TestApart(t *testing.T) {
	for address, want := range map[string]string{
		"memory:":                             "memory:",
		"sqlite:a/chat.db":                    "sqlite:a/chat.db-faults-2",
		"sqlite:chat.db?_pragma=x(1)":         "sqlite:chat.db-faults-2?_pragma=x(1)",
		"postgres://me:secret@127.0.0.1/chat": "postgres://me:secret@127.0.0.1/chat",
		"redis://127.0.0.1:6379":              "redis://127.0.0.1:6379",
		"nats://me:secret@127.0.0.1:4222":     "nats://me:secret@127.0.0.1:4222?stream=" + nats.DefaultStream + "-faults-2",
		"nats://127.0.0.1:4222?stream=mine":   "nats://127.0.0.1:4222?stream=mine-faults-2",
		"carrier-pigeon:there":                "carrier-pigeon:there",
	} {
		if got := store.Apart(address, "faults-2"); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "chat.db")
	want := []string{path, path + "-wal", path + "-shm"}
	if got := store.Files("sqlite:" + path + "?x=1"); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got := store.Files("memory:"); got != nil {
		t.Errorf("the files of a log in memory are %q", got)
	}
}
