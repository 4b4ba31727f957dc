package result

// Wanted is what a choice was asked for: see Index.Wanted.
type Wanted struct {
	Users      int                `json:"users"`
	Rate       float64            `json:"rate"` // messages per second of each sender
	WithinS    Seconds            `json:"within_s"`
	Busy       float64            `json:"load"` // share of the time that the processors of servers may be busy
	Processors int                `json:"server_cores"`
	Prices     map[string]float64 `json:"prices,omitempty"`
}

// The roles of the points of a choice.
const (
	RoleSize    = "size"    // a smaller version of the load
	RoleQuiet   = "quiet"   // hardly any message, so it shows what happens without one
	RoleFast    = "fast"    // more messages
	RoleLargest = "largest" // the largest version, which is predicted before it is measured
	RoleBelow   = "below"   // below the nearest change of the answer
	RoleAbove   = "above"   // above it
)
