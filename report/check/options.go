package check

import (
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/transports/typo"
)

// Options choose what fails a check. The zero value is the default.
type Options struct {
	Gate         []string // keys of the timings that are gated at MinEffect; nil: Defaults()
	MinEffect    float64  // largest allowed ratio of a timing, 1 to 1000; 0: 1.05, or 1.25 if base and head were not measured in turns
	AllowMissing []string // what need not be judged: transports ("websocket"), metrics ("p50"), or one of each ("websocket/p50"); and what head need not know ("store")
}

// Validate returns an error if a metric can't be chosen or MinEffect is out of range. The names in
// AllowMissing are left to ValidateNames, as they depend on the transports.
func (o Options) Validate() error {
	if o.Gate != nil && len(o.Gate) == 0 {
		return fmt.Errorf("no gated timing is named: name one or more of %s, or leave it to the default", strings.Join(Timings(), ", "))
	}
	for _, name := range o.Gate {
		m, ok := result.MetricOf(name)
		switch {
		case !ok:
			return typo.Unknown("metric", name, Timings())
		case m.Gate == result.Uncompared:
			return fmt.Errorf("metric %s is never gated: choose among %s", name, strings.Join(Timings(), ", "))
		case m.Gate != result.Timing:
			return fmt.Errorf("metric %s is always gated: choose among %s", name, strings.Join(Timings(), ", "))
		}
	}
	if o.MinEffect != 0 && !(o.MinEffect >= 1 && o.MinEffect <= 1000) {
		return fmt.Errorf("bad smallest effect %v: it is a ratio, from 1 to 1000", o.MinEffect)
	}
	return nil
}

// effect returns the largest allowed ratio of a timing in Gate.
func (o Options) effect(inTurns bool) float64 {
	switch {
	case o.MinEffect != 0:
		return o.MinEffect
	case inTurns:
		return Tolerance
	}
	return blockEffect
}

// gated reports whether a timing is gated, and its largest allowed ratio.
func (o Options) gated(m result.Metric, inTurns bool) (bool, float64) {
	limit := o.effect(inTurns)
	chosen := m.Default
	if o.Gate != nil {
		chosen = slices.Contains(o.Gate, m.Key)
	}
	if !chosen && m.Limit > 0 {
		return true, max(limit, m.Limit)
	}
	return chosen, limit
}

// Rounds returns how many rounds it takes to judge all timings that o gates on that many transports.
func (o Options) Rounds(transports int) int {
	timings := 0
	for _, m := range gated() {
		if chosen, _ := o.gated(m, true); chosen && m.Gate == result.Timing {
			timings += transports
		}
	}
	return roundsFor(significance / float64(max(1, timings)))
}
