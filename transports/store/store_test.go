package store_test

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushpull/transports/store"
	"pushpull/transports/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenDefault(t *testing.T) {
	storetest.Suite{Open: func(ctx context.Context, _ string, retention int) (storetest.Store, error) {
		return store.Open(ctx, store.Default, retention)
	}}.Run(t)
}

func TestOpenUnknown(t *testing.T) {
	for _, address := range []string{"", "memory", "memory:x", "memory://", "Memory:", "redis", "redis://localhost", ":"} {
		opened, err := store.Open(t.Context(), address, 0)
		if err == nil {
			t.Errorf("Open(%q) = %T", address, opened)
			continue
		}
		if !strings.Contains(err.Error(), store.Default) {
			t.Errorf("Open(%q): %q does not say what could be opened", address, err)
		}
	}
}
