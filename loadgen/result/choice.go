package result

import (
	"fmt"
	"maps"
	"slices"
)

// Wanted is what a choice was asked for: see Index.Wanted.
type Wanted struct {
	Users      int                `json:"users"`
	Rate       float64            `json:"rate"` // messages per second of each sender
	WithinS    Seconds            `json:"within_s"`
	Busy       float64            `json:"load"` // share of the time that the processors of servers may be busy
	Processors int                `json:"server_cores"`
	CustomaryS Seconds            `json:"customary_every_s,omitempty"` // usual interval of users that poll on a timer
	Prices     map[string]float64 `json:"prices,omitempty"`
}

// Bounds of what can be asked. Computing with other numbers might end in none.
const (
	leastPrice = 1e-9 // of a price that is not 0
	mostPrice  = 1e9
	leastRate  = 1e-9 // a message in 32 years
)

// check returns an error if nobody can have asked for w.
func (w *Wanted) check() error {
	for _, n := range []struct {
		name        string
		value       float64
		least, most float64
	}{
		{"users", float64(w.Users), 2, 1e9},
		{"rate", w.Rate, leastRate, 1e4},
		{"within_s", float64(w.WithinS), 1e-5, 24 * 60 * 60},
		{"load", w.Busy, .01, .99},
		{"server_cores", float64(w.Processors), 1, 10_000},
	} {
		if !(n.value >= n.least && n.value <= n.most) { // no NaN
			return fmt.Errorf("%s of what is wanted is %v, want %v to %v", n.name, n.value, n.least, n.most)
		}
	}
	if !(w.CustomaryS >= 0 && spans.holds(float64(w.CustomaryS))) {
		return fmt.Errorf("its usual poll interval is %v s, want 0 to %v", float64(w.CustomaryS), spans.most)
	}
	all := 0.
	for _, name := range slices.Sorted(maps.Keys(w.Prices)) {
		price := w.Prices[name]
		if !(price == 0 || price >= leastPrice && price <= mostPrice) {
			return fmt.Errorf("the price of %.40q is %v, want 0, or %v to %v", name, price, leastPrice, mostPrice)
		}
		all += price
	}
	if len(w.Prices) > 0 && all == 0 {
		return fmt.Errorf("none of its %d prices is more than 0", len(w.Prices))
	}
	return nil
}

// The roles of the points of a choice.
const (
	RoleSize    = "size"    // a smaller version of the load
	RoleQuiet   = "quiet"   // hardly any message, so it shows what happens without one
	RoleFast    = "fast"    // more messages
	RoleLargest = "largest" // the largest version, which is left out and predicted from the others
	RoleBelow   = "below"   // below the nearest change of the answer
	RoleAbove   = "above"   // above it
)
