// Package store is the one list of stores.
//
// It opens them and knows nothing else about them.
package store

import (
	"context"
	"fmt"
	"strings"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// Default is the address of the store that is used when none is named.
const Default = "memory:"

// A Store is a transports.Store that is closed when it is no longer used.
type Store interface {
	transports.Store
	Close() error
}

// Open opens the store at an address like "memory:". Each room keeps the newest retention
// messages; 0 means the store's own default, which is 10,000.
func Open(_ context.Context, address string, retention int) (Store, error) {
	scheme, rest, ok := strings.Cut(address, ":")
	switch {
	case ok && scheme == "memory" && rest == "":
		return &memory.Store{Retention: retention}, nil
	default:
		return nil, fmt.Errorf("unknown store %q: use %q", address, "memory:")
	}
}
