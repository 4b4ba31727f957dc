// Package sweep makes a grid of scenarios out of one, by varying its knobs, and the order in which they are
// measured.
//
// It measures nothing, and reads and writes no files. It varies the load alone: the lengths of windows, rounds
// and seed are the same in the whole grid, as results that differ in those can't be compared.
package sweep

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
	"pushpull/transports/dialect"
	"pushpull/transports/typo"
)

// Most is the largest number of combinations in a sweep. A sweep with more is taken for a typo.
const Most = 1000

// A Point is a combination of values. Its scenario is that of the sweep with those values.
//
// The poll interval is the setting of the transports that poll on a timer, and changes no others. So a point
// whose interval is not the first one has only the former: the others are measured once for all intervals.
type Point struct {
	result.Point
	Scenario loadgen.Scenario
}

// knobs returns the knobs that can be varied: the numbers of the load.
func knobs() []result.Knob {
	return slices.DeleteFunc(result.Knobs(), func(k result.Knob) bool {
		switch k.Field(new(result.Scenario)).(type) {
		case *int, *float64:
			return k.Group != result.GroupLoad
		}
		return true
	})
}

// Keys returns what can be varied.
func Keys() []string {
	var keys []string
	for _, k := range knobs() {
		keys = append(keys, k.Key)
	}
	return append(keys, result.AxisInterval)
}

// knobOf returns the knob with that key, or false if there is none.
func knobOf(key string) (result.Knob, bool) {
	all := knobs()
	i := slices.IndexFunc(all, func(k result.Knob) bool { return k.Key == key })
	if i < 0 {
		return result.Knob{}, false
	}
	return all[i], true
}

// Parse reads what is to be varied in base: texts like "users=250,500,1000" or "interval=1s,5s". A key may be
// spelled like its flag. Values come back in one spelling. against are the foreign servers that transports of base
// are measured on.
func Parse(base loadgen.Scenario, texts []string, against ...loadgen.Side) ([]result.Axis, error) {
	if len(texts) == 0 {
		return nil, errors.New("nothing is varied: write it like users=250,500,1000")
	}
	var axes []result.Axis
	combinations := 1
	for _, text := range texts {
		axis, err := parseAxis(base, text, against)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(axes, func(other result.Axis) bool { return other.Key == axis.Key }) {
			return nil, fmt.Errorf("%s is varied twice: write all its values once, like %s=A,B,C", axis.Key, axis.Key)
		}
		axes = append(axes, axis)
		if combinations *= len(axis.Values); combinations > Most {
			return nil, fmt.Errorf("there are more than %d combinations: vary fewer values", Most)
		}
	}
	return axes, nil
}

// parseAxis reads one text of Parse.
func parseAxis(base loadgen.Scenario, text string, against []loadgen.Side) (result.Axis, error) {
	name, list, ok := strings.Cut(text, "=")
	if !ok {
		return result.Axis{}, fmt.Errorf("%.60q has no values: write it like users=250,500,1000", text)
	}
	axis := result.Axis{Key: strings.ReplaceAll(strings.TrimSpace(name), "-", "_")}
	if !slices.Contains(Keys(), axis.Key) {
		return result.Axis{}, unknown(strings.TrimSpace(name))
	}
	words, err := input.List(list)
	if err != nil {
		return result.Axis{}, fmt.Errorf("the values of %s: %w", axis.Key, err)
	}
	for _, word := range words {
		value, err := canonical(base, axis.Key, word, against)
		if err != nil {
			return result.Axis{}, fmt.Errorf("%s=%.40s: %w", axis.Key, word, err)
		}
		if slices.Contains(axis.Values, value) {
			return result.Axis{}, fmt.Errorf("%s is %s twice: write each value once", axis.Key, value)
		}
		axis.Values = append(axis.Values, value)
	}
	if len(axis.Values) == 1 {
		return result.Axis{}, fmt.Errorf("%s has one value, %s: write at least two", axis.Key, axis.Values[0])
	}
	return axis, nil
}

// unknown returns the error for something that can't be varied.
func unknown(name string) error {
	for _, k := range result.Knobs() {
		if k.Key == strings.ReplaceAll(name, "-", "_") {
			return fmt.Errorf("%s is the same in the whole sweep: vary %s", k.Key, strings.Join(Keys(), ", "))
		}
	}
	return typo.Unknown("knob", name, Keys())
}

// canonical returns the one spelling of a value, which set understands.
func canonical(base loadgen.Scenario, key, text string, against []loadgen.Side) (string, error) {
	if key == result.AxisInterval {
		var every result.Seconds
		if err := every.Set(text); err != nil {
			return "", err
		}
		for _, spec := range base.Transports {
			if kind, err := timer(spec, against); err != nil || kind != "" {
				_, bad := loadgen.Client(kind+"@"+every.String(), against...)
				return every.String(), cmp.Or(err, bad)
			}
		}
		return "", errors.New("no transport of the scenario polls on a timer: add one to the transports, like short-poll")
	}
	s := result.Scenario(base)
	k, err := set(&s, key, text)
	if err != nil {
		return "", err
	}
	if wrong := k.Wrong(&s); wrong != "" {
		return "", errors.New(wrong)
	}
	switch v := k.Field(&s).(type) {
	case *int:
		return strconv.Itoa(*v), nil
	case *float64:
		return strconv.FormatFloat(*v, 'f', -1, 64), nil
	}
	return text, nil
}

// set changes a knob of s to the value that text spells.
func set(s *result.Scenario, key, text string) (result.Knob, error) {
	k, ok := knobOf(key)
	if !ok {
		return k, unknown(key)
	}
	var err error
	switch v := k.Field(s).(type) {
	case *int:
		*v, err = input.Int(text)
	case *float64:
		*v, err = input.Float(text)
	}
	return k, err
}

// timer returns the kind of a transport that polls on a timer, or "" for any other, also for one that its server
// lacks.
func timer(spec string, against []loadgen.Side) (kind string, err error) {
	client, err := loadgen.Client(spec, against...)
	if _, lacking := errors.AsType[*dialect.LackingError](err); lacking {
		return "", nil
	}
	if err != nil || loadgen.WayOf(client.Way()).Class() != result.Timer {
		return "", err
	}
	return result.Kind(spec), nil
}

// rateFor returns the messages per second of each sender by which all users of s together get that many deliveries per
// second. It is 0 if nobody gets a delivery, as in a room of one.
func rateFor(s loadgen.Scenario, deliveries float64) float64 {
	whole := s.Result() // with numbers in place of 0
	if whole.RoomSize < 2 || whole.Senders < 1 || whole.Users < whole.RoomSize {
		return 0
	}
	rooms := whole.Users / whole.RoomSize
	return deliveries / (float64(rooms) * float64(whole.Senders) * float64(whole.RoomSize-1))
}

// Points returns every combination of the values of axes, those of the last axis changing fastest. With deliveries,
// which are per second and of all users together, the rate of each point is the one that makes them; 0: the rate is that
// of base or of an axis. An error names the combination that makes no scenario. against is that of Parse.
func Points(base loadgen.Scenario, axes []result.Axis, deliveries float64, against ...loadgen.Side) ([]Point, error) {
	points := []Point{{Scenario: base}}
	for _, axis := range axes {
		var more []Point
		for _, p := range points {
			for i, value := range axis.Values {
				next := Point{Scenario: p.Scenario}
				next.Values = append(slices.Clone(p.Values), value)
				next.Dir = strings.TrimPrefix(p.Dir+","+axis.Key+"="+value, ",")
				if err := next.vary(axis.Key, value, i == 0, against); err != nil {
					return nil, fmt.Errorf("%s: %w", next.Dir, err)
				}
				more = append(more, next)
			}
		}
		if points = more; len(points) > Most {
			return nil, fmt.Errorf("there are more than %d combinations: vary fewer values", Most)
		}
	}
	for i := range points {
		p := &points[i]
		if rate := rateFor(p.Scenario, deliveries); rate > 0 {
			p.Scenario.Rate = rate
		}
		err := p.Scenario.Validate()
		if field, ok := errors.AsType[*loadgen.FieldError](err); ok && field.Key == "rate" && deliveries > 0 {
			return nil, fmt.Errorf("%s: %v deliveries per second: %w", p.Dir, deliveries, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Dir, err)
		}
	}
	return points, nil
}

// vary changes one value of the point's scenario. first is set for the first value of its axis.
func (p *Point) vary(key, value string, first bool, against []loadgen.Side) error {
	if key != result.AxisInterval {
		_, err := set((*result.Scenario)(&p.Scenario), key, value)
		return err
	}
	var specs []string
	for _, spec := range p.Scenario.Transports {
		kind, err := timer(spec, against)
		switch replaced := kind + "@" + value; {
		case err != nil:
			return err
		case kind == "" && first:
			specs = append(specs, spec)
		case kind != "" && !slices.Contains(specs, replaced):
			specs = append(specs, replaced)
		}
	}
	p.Scenario.Transports = specs
	return nil
}

// A Turn is one round of one point.
type Turn struct {
	Point int // its index
	Round int // from 1
}

// Order returns the turns of a sweep. Each round has every point once, in an order drawn anew from the seed, so
// that a slow hour changes all points alike instead of bending a curve.
func Order(points, rounds int, seed uint64) []Turn {
	const stream = 0x7377656570 // of random numbers, apart from those of plans and windows
	var turns []Turn
	for round := 1; round <= rounds; round++ {
		random := rand.New(rand.NewPCG(seed, stream<<16^uint64(round)))
		for _, point := range random.Perm(points) {
			turns = append(turns, Turn{point, round})
		}
	}
	return turns
}

// Estimate returns about how long one round of the scenario takes: its servers start, and the users of each
// transport join, warm up, send, wait for the last poll, and leave. Before that, so many agents start; 0: this process has
// the users.
func Estimate(s loadgen.Scenario, agents int, against ...loadgen.Side) time.Duration {
	// As measured on two cores: starting and stopping a server, and what a user needs to join and leave. Several agents
	// let many users join at a time.
	const around, alone, among, agent = 400 * time.Millisecond, 700 * time.Microsecond, 110 * time.Microsecond, 100 * time.Millisecond
	each := alone
	if agents > 0 {
		each = among
	}
	sum := time.Duration(agents) * agent
	for _, spec := range s.Measured() {
		sum += (s.Warmup + s.Duration).Duration() + around + time.Duration(s.Users)*each
		if client, err := loadgen.Client(spec, against...); err == nil {
			sum += client.Way().Every // the last message may have to wait for the timer
		}
	}
	return sum
}
