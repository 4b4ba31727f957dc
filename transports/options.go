package transports

import (
	"log/slog"
	"time"
)

// The defaults of StoreOptions.
const (
	DefaultRetention = 10_000    // messages of a room
	DefaultBytes     = 256 << 20 // of a log in memory
	DefaultIdle      = time.Hour // after which an unused room leaves memory
)

// StoreOptions are the options of every Store. The zero value of a field is its default.
type StoreOptions struct {
	// Retention is how many of its newest messages a room keeps at least. A store removes older
	// ones, several at a time where that costs it less. 0: what the log at the address keeps
	// already, or else DefaultRetention.
	Retention int

	// Bytes is how many bytes of messages a log in memory keeps, over all rooms. Beyond it the oldest
	// messages of the largest rooms leave. 0: DefaultBytes. A log in a file refuses messages with
	// ErrFull once the file has this size, if it is not 0.
	Bytes int64

	// Idle is how long a room in memory may be neither written to, nor read, nor watched, before its log
	// leaves memory. It may stay up to an eighth longer. 0: DefaultIdle. Logs elsewhere stay.
	Idle time.Duration

	// Existing makes opening fail where there is no log yet, instead of making one. Only stores whose rooms
	// can be pruned know it.
	Existing bool

	// Logger receives what no call can return, like a lost connection. nil: nothing is logged.
	Logger *slog.Logger
}

// WithDefaults returns o with every zero field set to its default for a new log.
func (o StoreOptions) WithDefaults() StoreOptions {
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
