package store_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenDefault(t *testing.T) {
	storetest.Run(t, func(t *testing.T, retention int) transports.Store {
		opened, err := store.Open(store.Default, retention)
		if err != nil {
			t.Fatal(err)
		}
		return opened
	})
}

func TestOpenUnknown(t *testing.T) {
	for _, address := range []string{"", "memory", "memory:x", "memory://", "Memory:", "redis", "redis://localhost", ":"} {
		opened, err := store.Open(address, 0)
		if err == nil {
			t.Errorf("Open(%q) = %T", address, opened)
			continue
		}
		if !strings.Contains(err.Error(), store.Default) {
			t.Errorf("Open(%q): %q does not say what could be opened", address, err)
		}
	}
}
