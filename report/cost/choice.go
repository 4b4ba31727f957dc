package cost

import (
	"cmp"
	"math"
	"slices"

	"pushpull/loadgen/result"
)

// A Question is for which load a transport is wanted.
type Question struct {
	Users      float64
	Rate       float64 // messages per second of each sender
	WithinS    float64 // seconds within which 99% of the messages must arrive
	Busy       float64 // share of the time that a server's processors may be busy: what is left is for peaks
	Processors float64 // of each server
	Price      *Price  // nil: the server CPU decides

	// The interval at which users usually poll, in seconds: an option of its own where a longer one is in time; 0: none.
	Customary float64
}

// Load returns the load that is asked about, without an interval.
func (q Question) Load() Load { return Load{Users: q.Users, Rate: q.Rate} }

// A Price is what a provider charges, in any currency. What has no price is 0.
type Price struct {
	CPUHour         float64 `json:"cpu_hour,omitempty"`         // a processor, busy or not
	GBHour          float64 `json:"gb_hour,omitempty"`          // 1e9 bytes of memory
	GBOut           float64 `json:"gb_out,omitempty"`           // 1e9 bytes from servers to users
	MillionRequests float64 `json:"million_requests,omitempty"` // to receive and to send
	MillionMessages float64 `json:"million_messages,omitempty"` // each message sent, and each copy delivered
}

const (
	hoursOfMonth   = 730 // 365 days / 12
	secondsOfMonth = hoursOfMonth * 3600
)

// Month returns what a load costs in a month on processors that are busy for a share of the time. Memory counts at
// what all users take together, and at what they share once.
func (p Price) Month(f Forecast, busy float64) Estimate {
	sum, noise := Estimate{}, 0.0
	add := func(e Estimate, price float64) {
		sum = Estimate{Value: sum.Value + e.Value*price, Low: sum.Low + e.Low*price, High: sum.High + e.High*price}
		if e.Value > 0 && price > 0 {
			noise += e.halfLog() * e.Value * price
		}
	}
	if f.Cores != nil {
		add(f.Cores.times(hoursOfMonth/busy), p.CPUHour)
	}
	if f.MemoryBytes != nil {
		add(f.MemoryBytes.times(hoursOfMonth/1e9), p.GBHour)
	}
	add(f.BytesOut.times(secondsOfMonth/1e9), p.GBOut)
	add(f.Requests.times(secondsOfMonth/1e6), p.MillionRequests)
	messages := f.Messages + f.Deliveries
	add(Estimate{Value: messages, Low: messages, High: messages}.times(secondsOfMonth/1e6), p.MillionMessages)
	if sum.Value > 0 {
		sum.noise = noise / sum.Value
	}
	return sum
}

// An Option is one transport that could be chosen.
type Option struct {
	Model    *Model
	Load     Load // with the interval
	Forecast Forecast
	Servers  float64   // that are needed; 0: unknown
	Busy     float64   // share of the time that their processors are
	P50, P99 float64   // of the delivery latency in seconds, on servers as busy; 0: unknown
	Meets    bool      // 99% of the messages arrive in time
	Price    *Estimate // a month
}

// Cost returns what decides between options.
func (q Question) Cost(f Forecast) Estimate {
	switch {
	case q.Price != nil:
		return q.Price.Month(f, q.Busy)
	case f.Cores != nil:
		return *f.Cores
	}
	return f.Bytes // servers that don't report their CPU
}

// A Choice is the answer to a question.
type Choice struct {
	Question Question
	Options  []Option // those that are in time first, and of these the cheapest first
	AsGood   []int    // options that are in time and don't cost more than the first, as far as the windows show

	// Where the answer changes: crossings of the cost of Options[0] with those of others, nearest first.
	Changes []Change
}

// A Change is a crossing of the first option with another one.
type Change struct {
	Crossing
	Other int // index in Options
}

// Chosen reports whether an option is in time.
func (c Choice) Chosen() bool { return len(c.Options) > 0 && c.Options[0].Meets }

// Choose returns which of the transports suits a question. Each transport whose users poll on a timer has the
// longest interval that is in time, and is left out if none is.
func Choose(models []Model, q Question) Choice {
	c := Choice{Question: q}
	for i := range models {
		every := 0.
		if models[i].Way.Class() == result.Timer {
			var ok bool
			if every, ok = models[i].EveryFor(q); !models[i].worths {
				every = models[i].Base.EveryS // all that is known
			} else if !ok {
				continue
			}
			if o, ok := option(&models[i], q, q.Customary); ok && q.Customary > 0 && q.Customary < every {
				c.Options = append(c.Options, o)
			}
		}
		if o, ok := option(&models[i], q, every); ok {
			c.Options = append(c.Options, o)
		}
	}
	cost := func(o Option) float64 { return q.Cost(o.Forecast).Value }
	slices.SortStableFunc(c.Options, func(a, b Option) int {
		if a.Meets != b.Meets {
			if a.Meets {
				return -1
			}
			return 1
		}
		return cmp.Compare(cost(a), cost(b))
	})
	if !c.Chosen() {
		return c
	}
	first := c.Options[0]
	for i, o := range c.Options {
		if i > 0 && o.Meets && !dearer(q.Cost(o.Forecast), q.Cost(first.Forecast)) {
			c.AsGood = append(c.AsGood, i)
		}
	}
	for i, o := range c.Options {
		if i == 0 || o.Model == c.Options[0].Model || !o.Meets && o.Model.Way.Class() != result.Timer {
			continue
		}
		for _, found := range c.crossings(o) {
			c.Changes = append(c.Changes, Change{found, i})
		}
	}
	slices.SortStableFunc(c.Changes, func(a, b Change) int { return cmp.Compare(c.far(a), c.far(b)) })
	return c
}

// least is the ratio from which on two costs differ, as in package verdict: nobody chooses a transport for less.
const least = 1.05

// dearer reports whether a costs more than b for sure.
func dearer(a, b Estimate) bool {
	distance := math.Log(a.Value / b.Value)
	return distance > math.Log(least) && distance > math.Hypot(a.halfLog(), b.halfLog())
}

// far returns how far from the question's load a change is.
func (c Choice) far(change Change) float64 {
	load := c.Options[change.Other].Load
	if change.Knob == Interval && load.EveryS == 0 {
		load.EveryS = c.Options[0].Load.EveryS
	}
	return math.Abs(math.Log(change.At.Value / change.Knob.Of(load)))
}

// How far from what is asked a change of the answer is looked for.
const (
	farRate     = 300.
	farInterval = 30.
	farUsers    = 30.
)

// crossings returns where an option costs as much as the first one.
func (c Choice) crossings(o Option) []Crossing {
	first, q := c.Options[0], c.Question
	load := first.Load
	if o.Load.EveryS > 0 {
		load.EveryS = o.Load.EveryS
	}
	around := func(knob Knob, far float64) []Crossing {
		x := knob.Of(load)
		return Cross(first.Model, o.Model, load, knob, x/far, x*far, q.Cost)
	}
	found := append(around(Rate, farRate), around(Users, farUsers)...)
	if (first.Load.EveryS > 0) != (o.Load.EveryS > 0) {
		found = append(found, around(Interval, farInterval)...)
	}
	return found
}

// option returns the forecast for a transport, with an interval if its users poll on a timer.
func option(m *Model, q Question, every float64) (Option, bool) {
	o := Option{Model: m, Load: q.Load()}
	o.Load.EveryS = every
	var ok bool
	if o.Forecast, ok = m.At(o.Load); !ok {
		return o, false
	}
	o.Servers, o.Busy = m.servers(&o.Forecast, o.Load, q)
	if d, ok := m.Latency(o.Load, o.Busy, q.Processors); ok {
		o.P50, o.P99 = d.Quantile(.5), d.Quantile(.99)
		o.Meets = o.P99 <= q.WithinS
	}
	if q.Price != nil {
		price := q.Price.Month(o.Forecast, q.Busy)
		o.Price = &price
	}
	return o, true
}

// servers returns how many servers a load needs, and how busy they are then. A load that needs less than one server
// keeps it less busy. Several servers need more CPU than one that could have all users, where a message costs less the
// more there are: servers corrects the forecast.
func (m *Model) servers(f *Forecast, l Load, q Question) (n, busy float64) {
	if f.Cores == nil {
		return 0, q.Busy
	}
	n = 1
	for range 60 { // more servers need more CPU, and so more servers
		need := math.Ceil(f.Cores.Value / (q.Busy * q.Processors))
		if need <= n {
			break
		}
		n = need
		part := l
		part.Users /= n
		each, _ := m.At(part) // known, as f is
		all := each.Cores.times(n)
		f.Cores = &all
	}
	return n, f.Cores.Value / (n * q.Processors)
}

// EveryFor returns the longest poll interval with which 99% of the messages arrive in time, in seconds and rounded
// to two digits, and false if there is none of 10 ms or more. The wait for a poll is U(0, T), so T is
// (W - s - d)/0.99 with the time W that is allowed and the service time and the way s + d.
func (m *Model) EveryFor(q Question) (float64, bool) {
	l := q.Load()
	const shortest = .01
	l.EveryS = max(shortest, q.WithinS/.99)
	for range 6 {
		f, ok := m.At(l)
		if !ok {
			return 0, false
		}
		_, busy := m.servers(&f, l, q)
		d, ok := m.Latency(l, busy, q.Processors)
		if !ok {
			return 0, false
		}
		rest := d.Quantile(.99) - .99*l.EveryS
		every := (q.WithinS - rest) / .99
		if every < shortest {
			return 0, false
		}
		l.EveryS = every
	}
	scale := math.Pow(10, math.Floor(math.Log10(l.EveryS))-1)
	if scale < 1 { // 17 * 0.1 is not 1.7, and 17 / 10 is
		scale = math.Round(1 / scale)
		return math.Floor(l.EveryS*scale+1e-9) / scale, true
	}
	return math.Floor(l.EveryS/scale+1e-9) * scale, true
}

// Free reports whether nothing costs anything.
func (p *Price) Free() bool { return *p == Price{} }

// Tariffs returns what may have a price, and where it is in p.
func (p *Price) Tariffs() []Tariff {
	return []Tariff{
		{"cpu-hour", &p.CPUHour},
		{"gb-hour", &p.GBHour},
		{"gb-out", &p.GBOut},
		{"million-requests", &p.MillionRequests},
		{"million-messages", &p.MillionMessages},
	}
}

// A Tariff is what has a price.
type Tariff struct {
	Name  string // as on the command line
	Price *float64
}

// PriceOf returns the price of tariffs by their names; nil if there are none.
func PriceOf(tariffs map[string]float64) *Price {
	if len(tariffs) == 0 {
		return nil
	}
	p := new(Price)
	for _, t := range p.Tariffs() {
		*t.Price = tariffs[t.Name]
	}
	return p
}
