// Package store is the one list of stores.
//
// It opens a store by its address and answers what an address means: which kind of store it is,
// where its log lives, which processes can share it. It keeps no messages.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/store/nats"
	"pushpull/transports/store/postgres"
	"pushpull/transports/store/redis"
	"pushpull/transports/store/sqlite"
	"pushpull/transports/typo"
)

// Default is the address of the store that is used when none is named.
const Default = "memory:"

// A Store is a transports.Store that must be closed after use.
type Store interface {
	transports.Store
	Close() error
}

// A Pruner is a store from which rooms can be removed while processes use it.
type Pruner interface {
	// Prune removes the rooms whose newest message was stored before a given time, together with their
	// messages; if dry, it only counts them. It removes some messages at a time, so as not to hold up the
	// processes that use the store. Readers of a removed room get a gap, even once somebody writes to it
	// again; the place 0 is the start of the log that begins then. If ctx ends, or after an error, what was
	// removed is returned with it.
	Prune(ctx context.Context, before time.Time, dry bool) (transports.Pruned, error)
}

var _ = []Pruner{(*sqlite.Store)(nil), (*postgres.Store)(nil), (*redis.Store)(nil)}

// An Embedded store is a server within this process. Others open the log on it by its URL.
type Embedded interface {
	URL() string
	Close() error
}

// A home is where the log of a store lives, and so which processes can share it.
type home int

const (
	_         home = iota // invalid: every entry must say where its log lives
	inProcess             // in the memory of the process that opens it; no other process can share it
	inBinary              // on a server within this binary; processes share it once embed has started it
	outside               // in a file or on a server; processes that open the same address share it
)

// An entry is a kind of store.
type entry struct {
	kind    string
	schemes []string // of its addresses
	address string   // as shown to people; one that ends in a colon is complete
	options bool     // whether ?options may follow a complete address
	about   string
	home    home
	port    string                            // of its server, for an address that names none; "": it is reached without a network
	apart   func(address, name string) string // the address of another log, see Apart; nil: rooms are apart as they are
	keeps   string                            // why rooms can't be removed from it, and what to do instead; "": it is a Pruner
	open    func(context.Context, string, transports.StoreOptions) (Store, error)
	embed   func(address string) (Embedded, error) // starts the server of an entry that is inBinary; else nil
}

// entries are what the functions of this package look addresses up in.
type entries []entry

func list() entries {
	return entries{
		{
			kind: "memory", schemes: []string{"memory"}, address: "memory:", home: inProcess,
			about: "in the server's own memory",
			keeps: "they leave the memory of their server when they are idle, see pushpull serve --room-idle",
			open: func(_ context.Context, _ string, o transports.StoreOptions) (Store, error) {
				return &memory.Store{Retention: o.Retention, Bytes: o.Bytes, Idle: o.Idle}, nil
			},
		},
		{
			kind: "sqlite", schemes: []string{"sqlite"}, address: "sqlite:PATH", home: outside,
			about: "in a file that several servers on one machine can share",
			apart: func(address, name string) string {
				path, parameters, found := strings.Cut(address, "?")
				if found {
					parameters = "?" + parameters
				}
				return path + "-" + name + parameters
			},
			open: func(ctx context.Context, address string, o transports.StoreOptions) (Store, error) {
				return sqlite.Open(ctx, address, o)
			},
		},
		{
			kind: "postgres", schemes: []string{"postgres", "postgresql"}, address: "postgres://USER@HOST/DATABASE", home: outside,
			about: "in PostgreSQL", port: "5432",
			open: func(ctx context.Context, address string, o transports.StoreOptions) (Store, error) {
				return postgres.Open(ctx, address, o)
			},
		},
		{
			kind: "redis", schemes: []string{"redis", "rediss"}, address: "redis://HOST:PORT", home: outside,
			about: "in Redis, in streams", port: "6379",
			open: func(ctx context.Context, address string, o transports.StoreOptions) (Store, error) {
				return redis.Open(ctx, address, o)
			},
		},
		{
			kind: "nats", schemes: []string{"nats"}, address: "nats:", options: true, home: inBinary,
			about: "in NATS JetStream, on a server started within this binary", port: "4222",
			keeps: "they end with their server",
			open:  openNATS,
			embed: func(address string) (Embedded, error) { return nats.Embed(address) },
		},
		{
			kind: "nats", schemes: []string{"nats"}, address: "nats://HOST:PORT", home: outside,
			about: "in NATS JetStream", port: "4222", apart: apartInNATS,
			keeps: "they share one stream, so let the servers begin another one (?stream=NAME in the address), and remove the old one with nats stream rm",
			open:  openNATS,
		},
	}
}

func apartInNATS(address, name string) string {
	server, query, _ := strings.Cut(address, "?")
	values, _ := url.ParseQuery(query) // Open reports what is wrong with it
	return server + "?" + url.Values{"stream": {cmp.Or(values.Get("stream"), nats.DefaultStream) + "-" + name}}.Encode()
}

func openNATS(ctx context.Context, address string, o transports.StoreOptions) (Store, error) {
	return nats.Open(ctx, address, o)
}

// has reports whether address is one of the entry's.
func (e entry) has(address string) bool {
	scheme, rest, ok := strings.Cut(address, ":")
	if !ok || !slices.Contains(e.schemes, scheme) {
		return false
	}
	complete := strings.HasSuffix(e.address, ":")
	return !complete || rest == "" || e.options && strings.HasPrefix(rest, "?")
}

// find returns the first entry that has address.
func (l entries) find(address string) (entry, error) {
	for _, e := range l {
		if e.has(address) {
			return e, nil
		}
	}
	return entry{}, typo.Unknown("store", transports.Redacted(address), l.addresses(func(entry) bool { return true }))
}

// parse is find for an address that is to be opened.
func (l entries) parse(address string) (entry, error) {
	e, err := l.find(address)
	if err != nil {
		return entry{}, err
	}
	if _, err := url.Parse(address); err != nil && strings.Contains(e.address, "://") {
		// What url.Parse says may be a part of a password.
		return entry{}, fmt.Errorf("the address %q can't be parsed: write it like %s, with the special characters of a password as %%40 for @",
			transports.Redacted(address), e.address)
	}
	return e, nil
}

// addresses returns the addresses of the entries that match, as shown to people.
func (l entries) addresses(match func(entry) bool) []string {
	var all []string
	for _, e := range l {
		if match(e) {
			all = append(all, e.address)
		}
	}
	return all
}

// Validate reports what is wrong with an address, without opening it.
func Validate(address string) error {
	_, err := list().parse(address)
	return err
}

// ValidateShared is Validate for a log that several processes are to share.
func ValidateShared(address string) error { return list().validateShared(address) }

func (l entries) validateShared(address string) error {
	e, err := l.parse(address)
	if err != nil {
		return err
	}
	if !e.shared() {
		return fmt.Errorf("%s lives within one process: use %s", transports.Redacted(address), strings.Join(l.addresses(entry.shared), ", "))
	}
	return nil
}

func (e entry) shared() bool { return e.home == outside || e.home == inBinary }

// Kind returns the kind of store of an address, like "postgres"; "" if there is none.
func Kind(address string) string {
	e, _ := list().find(address)
	return e.kind
}

// Endpoint returns the host and port of the server of a store, given its address; "" if it is reached without a network,
// or the address names no host or several.
func Endpoint(address string) string {
	e, err := list().find(address)
	u, malformed := url.Parse(address)
	if err != nil || malformed != nil || e.port == "" || u.Hostname() == "" || strings.Contains(u.Host, ",") {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), e.port))
}

// Through returns an address whose Endpoint is known with another host and port, on which its server is reached, too.
func Through(address, endpoint string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Host = endpoint
	return u.String()
}

// Apart returns the address of another log at the same place, of a name made of letters, digits and -, if rooms of one
// log have to do with each other: those of a SQLite file wait for each other's writes, and those of a NATS stream keep
// the same number of messages. Else it returns address itself.
func Apart(address, name string) string {
	e, err := list().find(address)
	if err != nil || e.apart == nil {
		return address
	}
	return e.apart(address, name)
}

// InFile reports whether the log of a store is a file of the processes that open it.
func InFile(address string) bool {
	e, _ := list().find(address)
	return e.home == outside && e.port == ""
}

// Files returns the paths of the files in which the log of a store is, some of which may be missing; none if it is not
// in files of the processes that open it.
func Files(address string) []string {
	if !InFile(address) {
		return nil
	}
	return sqlite.Files(address)
}

// Addresses returns what stands for the address of each kind of store, like "sqlite:PATH", and what is said of
// it.
func Addresses() iter.Seq2[string, string] {
	return func(yield func(address, about string) bool) {
		for _, e := range list() {
			if !yield(e.address, e.about) {
				return
			}
		}
	}
}

// Usage returns a line for each kind of store, for people.
func Usage() string {
	var lines strings.Builder
	for address, about := range Addresses() {
		fmt.Fprintf(&lines, "  %-30s %s\n", address, about)
	}
	return strings.TrimSuffix(lines.String(), "\n")
}

// Open opens the store at an address like "sqlite:chat.db". Its error is one line that says what
// can be done, without the secrets of the address.
func Open(ctx context.Context, address string, o transports.StoreOptions) (Store, error) {
	e, err := list().parse(address)
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, address, o)
	if err != nil {
		return nil, transports.SecretsOf(address).RedactError(err) // libraries repeat the address
	}
	return s, nil
}

// IsEmbedded reports whether opening the address starts a server within the process. Processes
// that are to share one call Embed once, and open its URL.
func IsEmbedded(address string) bool { return list().isEmbedded(address) }

func (l entries) isEmbedded(address string) bool {
	e, _ := l.find(address)
	return e.home == inBinary
}

// Embed starts the server of an address for which IsEmbedded holds. The caller must close it.
func Embed(address string) (Embedded, error) { return list().embed(address) }

func (l entries) embed(address string) (Embedded, error) {
	e, err := l.find(address)
	if err != nil {
		return nil, err
	}
	if e.home != inBinary {
		return nil, fmt.Errorf("%.100s is not a store within this binary: use %s",
			transports.Redacted(address), strings.Join(l.addresses(func(e entry) bool { return e.home == inBinary }), ", "))
	}
	return e.embed(address)
}

// ValidatePrune reports why rooms can't be removed from the store at an address, without opening it.
func ValidatePrune(address string) error {
	e, err := list().find(address)
	if err != nil {
		return err
	}
	if e.keeps != "" {
		return fmt.Errorf("rooms can't be removed from %s: %s", transports.Redacted(address), e.keeps)
	}
	return nil
}

// Prune opens the store at an address, which must hold a log, and calls its Prune: see Pruner. Its error is
// like that of Open.
func Prune(ctx context.Context, address string, before time.Time, dry bool) (pruned transports.Pruned, err error) {
	if err := ValidatePrune(address); err != nil {
		return pruned, err
	}
	s, err := Open(ctx, address, transports.StoreOptions{Existing: true})
	if err != nil {
		return pruned, err
	}
	pruner, ok := s.(Pruner)
	if !ok {
		return pruned, errors.Join(fmt.Errorf("rooms can't be removed from %s", transports.Redacted(address)), s.Close())
	}
	pruned, err = pruner.Prune(ctx, before, dry)
	if err = errors.Join(err, s.Close()); err != nil {
		return pruned, transports.SecretsOf(address).RedactError(err)
	}
	return pruned, nil
}
