package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/search"
)

// The knobs that a search for the capacity can vary.
const (
	varyUsers = "users"
	varyRate  = "rate"
)

// Deliveries that a window has if that doesn't make it too long: enough for a p99 of either half. Below the
// fewest there is none of the whole.
const (
	usualSamples  = 600
	fewestSamples = 320
)

// A capacityPlan says how the loads of a search are measured.
type capacityPlan struct {
	scenario loadgen.Scenario // before it is varied
	against  *foreigns        // servers of its transports
	servers  serversOptions
	access   variant // how users reach the servers
	vary     string  // its key
	p99      time.Duration
	options  search.Options // without From, Least and Most, if they are 0

	fixed   bool           // the scenario's duration is that of all windows
	quick   bool           // shorter windows
	longest result.Seconds // of a window that is long for the sake of samples
}

// newCapacityPlan checks that the loads can be measured.
func newCapacityPlan(p capacityPlan) (capacityPlan, error) {
	knob, err := knobOf(p.vary)
	if err != nil {
		return p, err
	}
	o := &p.options
	p.longest = max(10, p.scenario.Duration)
	if p.fixed {
		p.longest = p.scenario.Duration
	}
	if p.vary == varyUsers {
		if o.Step = float64(p.scenario.RoomSize); o.Step == 0 { // everyone in one room
			o.Step = 1
		}
		o.Least = max(knob.Min, o.Step, float64(p.scenario.Senders))
	} else {
		o.Least = 1e-4
	}
	room := ""
	if p.scenario.RoomSize > 0 && p.vary == varyUsers {
		room = fmt.Sprintf(", as a room has %d", p.scenario.RoomSize)
	}
	switch {
	case !(o.Most == 0 || o.Most >= o.Least && o.Most <= knob.Max):
		return p, fmt.Errorf("--most must be %s to %s %s%s, not %s", plainNumber(o.Least), plainNumber(knob.Max), unitOf(p.vary), room, plainNumber(o.Most))
	case !(o.From == 0 || o.From >= o.Least && o.From <= knob.Max):
		return p, fmt.Errorf("--from must be %s to %s %s%s, not %s", plainNumber(o.Least), plainNumber(knob.Max), unitOf(p.vary), room, plainNumber(o.From))
	case o.From > 0 && o.Most > 0 && o.From > o.Most:
		return p, fmt.Errorf("--from %s is more than --most %s: exchange them", plainNumber(o.From), plainNumber(o.Most))
	}
	if o.Most == 0 {
		o.Most = knob.Max
	}
	least := p.smallest(fewestSamples, p.longest)
	if least > o.Most {
		return p, fmt.Errorf("even %s %s bring fewer than %d deliveries in %s, too few for a p99: use a longer --duration, or more %s",
			plainNumber(o.Most), unitOf(p.vary), fewestSamples, p.longest, other(p.vary))
	}
	o.Least = max(o.Least, least)
	if o.From == 0 {
		o.From = max(p.value(), p.smallest(usualSamples, p.usual()))
	}
	o.From = min(max(o.From, o.Least), o.Most)
	return p, nil
}

// knobOf returns the knob that is varied.
func knobOf(vary string) (result.Knob, error) {
	knobs := result.Knobs()
	i := slices.IndexFunc(knobs, func(k result.Knob) bool { return k.Key == vary })
	if i < 0 || vary != varyUsers && vary != varyRate {
		return result.Knob{}, fmt.Errorf("bad --vary %.40q: choose %s or %s", vary, varyUsers, varyRate)
	}
	return knobs[i], nil
}

// unitOf returns what a load counts.
func unitOf(vary string) string {
	if vary == varyRate {
		return "messages a second and sender"
	}
	return "users"
}

// other returns what else makes for more deliveries.
func other(vary string) string {
	if vary == varyRate {
		return "--users"
	}
	return "messages (--rate)"
}

// value returns the load of the scenario itself.
func (p *capacityPlan) value() float64 {
	if p.vary == varyRate {
		return p.scenario.Rate
	}
	return float64(p.scenario.Users)
}

// at returns the scenario with that load.
func (p *capacityPlan) at(load float64) loadgen.Scenario {
	s := p.scenario
	if p.vary == varyRate {
		s.Rate = load
	} else {
		s.Users = int(math.Round(load))
	}
	s.Rounds, s.Duration = 1, p.duration(load)
	return s
}

// deliveries returns how many deliveries the users of a scenario make in each second.
func deliveries(s loadgen.Scenario) float64 {
	r := s.Result()
	return float64(r.Users/r.RoomSize) * float64(r.Senders) * r.Rate * float64(r.RoomSize-1)
}

// usual returns how long a window takes to show a load that is beyond the capacity by the precision: its queue
// grows by that share of the time, and must have grown to more than the p99 well before the end.
func (p *capacityPlan) usual() result.Seconds {
	if p.fixed {
		return p.scenario.Duration
	}
	least, most := 3.0, 10.0
	if p.quick {
		least = 2
	}
	grown := 1.5 * p.p99.Seconds() / p.options.Precision
	return result.Seconds(math.Ceil(min(max(grown, least), most) - 1e-9)) // .15 / .05 is a little more than 3
}

// duration returns how long a window of a load is: longer if there are few deliveries. Slices of a window are
// whole seconds, and so is this.
func (p *capacityPlan) duration(load float64) result.Seconds {
	usual := p.usual()
	if p.fixed {
		return usual
	}
	s := p.scenario
	if p.vary == varyRate {
		s.Rate = load
	} else {
		s.Users = int(math.Round(load))
	}
	return result.Seconds(min(max(math.Ceil(usualSamples/deliveries(s)), float64(usual)), max(float64(usual), float64(p.longest))))
}

// smallest returns the smallest load, not rounded to whole rooms, that brings so many deliveries in a window.
func (p *capacityPlan) smallest(samples float64, window result.Seconds) float64 {
	enough := func(load float64) bool {
		s := p.scenario
		if p.vary == varyRate {
			s.Rate = load
		} else {
			s.Users = int(load)
			if room := s.RoomSize; room > 0 {
				s.Users = max(1, s.Users/room) * room
			}
		}
		return deliveries(s)*float64(window) >= samples
	}
	low, high := p.options.Least, p.options.Most
	if enough(low) {
		return low
	}
	for high > low*1.001 && high-low > p.options.Step/2 {
		if middle := (low + high) / 2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	if !enough(high) {
		return math.Inf(1)
	}
	if step := p.options.Step; step > 0 {
		return math.Ceil(high/step-1e-9) * step
	}
	return high
}

// A ceiling is the largest load that is tried, and why no larger one is.
type ceiling struct {
	most  float64
	limit string // as in result.Found
	text  string
}

// ceiling returns the largest load of a transport. given: it was asked for.
func (p *capacityPlan) ceiling(transport string, given bool) (ceiling, error) {
	o := p.options
	c := ceiling{o.Most, search.None, fmt.Sprintf("no more than %s %s can be tried", plainNumber(o.Most), unitOf(p.vary))}
	if given {
		c.text = fmt.Sprintf("no more than --most %s were tried", plainNumber(o.Most))
	}
	one := p.scenario
	one.Transports = []string{transport}
	if fits, resource, limit := loadgen.Most(one, p.layout()); p.vary == varyUsers && float64(fits) < c.most {
		c = ceiling{math.Floor(float64(fits)/o.Step) * o.Step, limits[resource], fmt.Sprintf("more users take more than %d %s", limit, resource)}
	}
	if c.most < o.Least {
		return c, fmt.Errorf("%s: it takes %s %s to measure a p99, and %s", transport, plainNumber(o.Least), unitOf(p.vary), c.text)
	}
	return c, nil
}

// limits names the resources of loadgen.Most as a result does.
var limits = map[string]string{loadgen.OpenFiles: search.Files, loadgen.LocalPorts: search.Ports, loadgen.Memory: search.Memory}

// layout returns what carries the loads.
func (p *capacityPlan) layout() loadgen.Layout {
	l := p.servers.layout(p.access, p.against)
	l.Calls = true // the number of messages varies
	return l
}

// late returns the timer of a transport that delays deliveries by more than the p99, or 0 if there is none.
func (p *capacityPlan) late(transport string) time.Duration {
	if timer := p.against.way(transport).Timer(); time.Duration(.99*float64(timer)) > p.p99 {
		return timer
	}
	return 0
}

// point returns the point of a load.
func (p *capacityPlan) point(load float64) result.Point {
	value := plainNumber(load)
	return result.Point{Dir: p.vary + "=" + value, Values: []string{value}}
}

// plainNumber writes a number with the digits that it takes, and at most six.
func plainNumber(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64) // always parses
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
