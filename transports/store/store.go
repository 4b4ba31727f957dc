// Package store is the one list of stores.
//
// It opens them and knows nothing else about them.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/store/nats"
	"pushpull/transports/store/postgres"
	"pushpull/transports/store/redis"
	"pushpull/transports/store/sqlite"
)

// Default is the address of the store that is used when none is named.
const Default = "memory:"

// within is the address of the store that is within this binary, and yet a server.
const within = "nats:"

// A Store is a transports.Store that is closed when it is no longer used.
type Store interface {
	transports.Store
	Close() error
}

// Options say how a store is opened. The zero value is the default.
type Options struct {
	Retention int          // most messages that a room keeps, the oldest leave first; 0: 10,000
	Log       *slog.Logger // nil: nothing is logged
}

// An entry is a kind of store.
type entry struct {
	kind    string
	schemes []string // of its addresses
	address string   // as it is shown to people
	about   string
	open    func(context.Context, string, Options) (Store, error)
}

func list() []entry {
	return []entry{
		{"memory", []string{"memory"}, "memory:", "in the server's own memory", func(_ context.Context, _ string, o Options) (Store, error) {
			return &memory.Store{Retention: o.Retention}, nil
		}},
		{"sqlite", []string{"sqlite"}, "sqlite:PATH", "in a file that several servers on one machine can share", func(ctx context.Context, address string, o Options) (Store, error) {
			return sqlite.Open(ctx, address, sqlite.Options(o))
		}},
		{"postgres", []string{"postgres", "postgresql"}, "postgres://USER@HOST/DATABASE", "in PostgreSQL", func(ctx context.Context, address string, o Options) (Store, error) {
			return postgres.Open(ctx, address, postgres.Options(o))
		}},
		{"redis", []string{"redis", "rediss"}, "redis://HOST:PORT", "in Redis, in streams", func(ctx context.Context, address string, o Options) (Store, error) {
			return redis.Open(ctx, address, redis.Options(o))
		}},
		{"nats", []string{"nats"}, "nats://HOST:PORT", "in NATS JetStream; nats: alone starts one within this binary", func(ctx context.Context, address string, o Options) (Store, error) {
			return nats.Open(ctx, address, nats.Options(o))
		}},
	}
}

// find returns the entry of an address.
func find(address string) (entry, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	for _, e := range list() {
		if slices.Contains(e.schemes, scheme) && strings.Contains(address, ":") && (e.kind != "memory" || rest == "") {
			return e, nil
		}
	}
	var all []string
	for _, e := range list() {
		all = append(all, e.address)
	}
	return entry{}, fmt.Errorf("unknown store %.100q: use %s", Redacted(address), strings.Join(all, ", "))
}

// Validate says whether there is a kind of store for an address.
func Validate(address string) error {
	_, err := find(address)
	return err
}

// Kind returns the kind of store that an address names, like "postgres"; "" where there is none.
func Kind(address string) string {
	e, _ := find(address)
	return e.kind
}

// Usage returns a line for each kind of store, for people.
func Usage() string {
	var lines strings.Builder
	for _, e := range list() {
		fmt.Fprintf(&lines, "  %-30s %s\n", e.address, e.about)
	}
	return strings.TrimSuffix(lines.String(), "\n")
}

// Open opens the store at an address like "sqlite:chat.db". Its error is one line that says what
// can be done.
func Open(ctx context.Context, address string, o Options) (Store, error) {
	e, err := find(address)
	if err != nil {
		return nil, err
	}
	return e.open(ctx, address, o)
}

// An Embedded store is one within this process, to which others connect by its address.
type Embedded interface {
	URL() string
	Close() error
}

// IsEmbedded says whether what an address names is started by who opens it, so that servers can't
// share it by that address.
func IsEmbedded(address string) bool { return address == within }

// Embed starts a store for which IsEmbedded.
func Embed(address string) (Embedded, error) {
	if !IsEmbedded(address) {
		return nil, fmt.Errorf("%.100q is no store within this binary: use %s", address, within)
	}
	return nats.Embed()
}

// Redacted returns an address without the password in it, fit to be shown and kept.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":..." // whatever it holds
	}
	if _, has := u.User.Password(); u.User != nil && !has && u.Scheme == "nats" {
		u.User = url.User("xxxxx") // a token
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(name, "pass") { // password, sslpassword
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}
