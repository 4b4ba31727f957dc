package transports

import "log/slog"

// The defaults of StoreOptions.
const (
	DefaultRetention = 10_000    // messages of a room
	DefaultBytes     = 256 << 20 // of a log in memory
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
