package store

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// Every entry says where its log lives, and has all that a store needs there.
func TestEntries(t *testing.T) {
	for _, e := range list() {
		if e.home < inProcess || e.home > outside {
			t.Errorf("%s: the entry must say where its log lives: inProcess, inBinary or outside", e.address)
		}
		if (e.home == inBinary) != (e.embed != nil) {
			t.Errorf("%s: embed belongs to entries that are inBinary, and to no others", e.address)
		}
		if e.open == nil || e.kind == "" || e.about == "" {
			t.Errorf("%s: the entry lacks open, kind or about", e.address)
		}
		if found, err := list().find(e.address); err != nil || found.address != e.address {
			t.Errorf("%s is found as %q, %v: an entry before it has the same address", e.address, found.address, err)
		}
		scheme, _, _ := strings.Cut(e.address, ":")
		if !slices.Contains(e.schemes, scheme) {
			t.Errorf("%s does not begin with a scheme of %q", e.address, e.schemes)
		}
	}
}

// The rules hold for any entry, not for the names of those there are.
func TestNewEntry(t *testing.T) {
	open := func(context.Context, string, transports.StoreOptions) (Store, error) { return new(memory.Store), nil }
	added := func(h home) entries {
		return append(list(), entry{kind: "new", schemes: []string{"new"}, address: "new:", about: "in a test", home: h, open: open})
	}
	for h, want := range map[home]struct{ shared, embedded bool }{
		0:         {false, false}, // forgotten
		inProcess: {false, false},
		inBinary:  {true, true},
		outside:   {true, false},
	} {
		all := added(h)
		err := all.validateShared("new:")
		if (err == nil) != want.shared {
			t.Errorf("home %d: sharing it among processes gives %v", h, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "new: lives within one process") || !strings.Contains(err.Error(), "sqlite:PATH") || strings.Contains(err.Error(), Default)) {
			t.Errorf("home %d: %v: want the stores that can be shared, and no others", h, err)
		}
		if got := all.isEmbedded("new:"); got != want.embedded {
			t.Errorf("home %d: embedded %t", h, got)
		}
		if want.embedded {
			continue
		}
		if _, err := all.embed("new:"); err == nil || !strings.Contains(err.Error(), "use nats:") {
			t.Errorf("home %d: embedding it gives %v", h, err)
		}
	}
}

// The addresses whose server is reached over a network can be led over another host and port.
func TestEndpoint(t *testing.T) {
	for _, c := range []struct{ address, endpoint, through string }{
		{"memory:", "", ""},
		{"sqlite:/tmp/chat.db", "", ""},
		{"nats:", "", ""},
		{"nats://token@127.0.0.1:4333", "127.0.0.1:4333", "nats://token@127.0.0.1:7"},
		{"redis://127.0.0.1/2", "127.0.0.1:6379", "redis://127.0.0.1:7/2"},
		{"postgres://mary:secret@[::1]/chat?sslmode=disable", "[::1]:5432", "postgres://mary:secret@127.0.0.1:7/chat?sslmode=disable"},
		{"postgres:///chat?host=/var/run/postgresql", "", ""},
		{"postgres://a,b/chat", "", ""},
		{"mysql://127.0.0.1", "", ""},
	} {
		if got := Endpoint(c.address); got != c.endpoint {
			t.Errorf("%s: %q, want %q", c.address, got, c.endpoint)
		}
		if c.endpoint != "" && Through(c.address, "127.0.0.1:7") != c.through {
			t.Errorf("%s: %s, want %s", c.address, Through(c.address, "127.0.0.1:7"), c.through)
		}
		if InFile(c.address) != strings.HasPrefix(c.address, "sqlite:") {
			t.Errorf("%s: in a file: %t", c.address, InFile(c.address))
		}
	}
}
