package result

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Capacity is what searches for the largest load have found, one for each transport. The loads are values of
// the one axis of its Index. The figures of a load are those of its result.
type Capacity struct {
	P99S      float64 `json:"p99_s"`     // 99 of 100 deliveries may take that long
	Precision float64 `json:"precision"` // by how much the smallest load that breaks may exceed the largest that holds
	Repeat    int     `json:"repeat"`    // windows in a row that had to hold

	ServerCPUs    int  `json:"server_cpus,omitempty"`    // that the servers had for themselves; 0: they shared all with the generator
	GeneratorCPUs int  `json:"generator_cpus,omitempty"` // that were left to the generator; 0: it shared all with the servers
	Bound         bool `json:"bound,omitempty"`          // servers and generator were bound to their CPUs

	Found []Found `json:"found"`
}

// A Found is what the search on one transport has found.
type Found struct {
	Transport string  `json:"transport"`
	Way       Way     `json:"way"`
	Holds     float64 `json:"holds"`              // the largest load that holds; 0: none does
	Breaks    float64 `json:"breaks"`             // the smallest load that doesn't, or of which it can't be known; 0: none was tried
	AtLeast   bool    `json:"at_least,omitempty"` // Holds is only a lower bound, as another limit than the servers' was met
	Confirmed bool    `json:"confirmed"`          // Holds held as often as asked for
	Complete  bool    `json:"complete"`           // the search came to its end

	Broke string `json:"broke,omitempty"` // what broke first, like "p99"; empty: nothing
	Limit string `json:"limit,omitempty"` // the limit that was met, like "server-cpu"; empty: unknown
	Text  string `json:"text,omitempty"`  // both in words, with the numbers

	Windows int       `json:"windows"`           // that were measured
	Apart   []Apart   `json:"apart,omitempty"`   // of them, those that say something else than the others of their load, and don't count
	Noise   int       `json:"noise,omitempty"`   // of them, those that did not hold at loads that do
	Revised []float64 `json:"revised,omitempty"` // loads that did not hold at first, and did when they were measured again
	Above   []float64 `json:"above,omitempty"`   // loads above Breaks that hold nevertheless
}

// OtherPrograms is the limit of a Found whose search was kept from an answer by other programs on the machine.
const OtherPrograms = "other-programs"

// An Apart is a window that doesn't count.
type Apart struct {
	Load  float64 `json:"load"`
	Round int     `json:"round"`
}

// checkCapacity returns an error if the capacity of the index can't be used.
func (x *Index) checkCapacity() error {
	switch c := x.Capacity; {
	case c == nil && x.Kind == KindCapacity:
		return errors.New("it lacks what the search has found")
	case c == nil:
		return nil
	case x.Kind != KindCapacity || len(x.Axes) != 1:
		return fmt.Errorf("it has a capacity, and its kind is %.40q with %d axes", x.Kind, len(x.Axes))
	default:
		return c.check()
	}
}

func (c *Capacity) check() error {
	if !(c.P99S > 0) || !spans.holds(c.P99S) || c.Precision < 0 || c.Precision > 10 || !heads.holds(float64(c.Repeat)) ||
		!heads.holds(float64(c.ServerCPUs)) || !heads.holds(float64(c.GeneratorCPUs)) {
		return errors.New("the conditions of its search can't be true")
	}
	seen := map[string]bool{}
	for _, f := range c.Found {
		loads := slices.Concat([]float64{f.Holds, f.Breaks}, f.Revised, f.Above)
		wrong := slices.ContainsFunc(loads, func(x float64) bool { return math.IsNaN(x) || !tallies.holds(x) })
		if wrong || !heads.holds(float64(f.Windows)) || !heads.holds(float64(f.Noise)) || f.Breaks > 0 && f.Breaks <= f.Holds {
			return fmt.Errorf("what it found for %.80q can't be true", f.Transport)
		}
		if seen[f.Transport] {
			return fmt.Errorf("it has the transport %.80q twice", f.Transport)
		}
		seen[f.Transport] = true
	}
	return nil
}
