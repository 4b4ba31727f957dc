// Package selftest measures servers of known behaviour with the real generator, and says whether
// what it measured is what is known: that a loss is told as a loss, to the message, and a stall
// with its whole length.
//
// It starts its servers itself, in this process and on loopback. It measures no transport against
// another one, and knows nothing of the servers that people have.
package selftest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
)

// Options say what is tested. Their zero value is everything.
type Options struct {
	Cases      []string       // by their names; nil: all
	Transports []string       // by their names; nil: all of package all
	Progress   func(Progress) // called as each case begins; nil: nobody looks
}

// Progress is how far a self-test is.
type Progress struct {
	Case        Case
	Done, Cases int
	Left        time.Duration // of the self-test, about
}

// A Case is a server of known behaviour, and what a true measurement of it says.
type Case struct {
	Name  string
	About string

	make   func(*loadgen.Plan) subject
	load   loadgen.Scenario
	alone  bool                               // its transports are measured one after the other: milliseconds are judged
	polls  bool                               // only transports that poll have it
	counts func(c counts, spoiled int) counts // what is counted, from what an honest server's users would count
	doubts []string                           // the codes of the doubts that there must be, sorted
	timing func(timing) timing                // what is known of the times; nil: nothing
	judge  []float64                          // the quantiles of the latency to judge by it
}

// Polls and scans are frequent, so that little is drowned in the wait for them.
const pollInterval = 10 * time.Millisecond

// Cases returns all cases, in the order in which they are run.
func Cases() []Case {
	// They take little, so that it is the server which is measured. Of this seed the quantiles of
	// the stall are close to those of the long run, and don't hang on a single message.
	pairs := loadgen.Scenario{
		Name: "pairs", Users: 40, RoomSize: 2, Rate: 5, Size: 100, Rounds: 1, Seed: 265,
		Duration: 2 * time.Second, Drain: 2 * time.Second,
	}
	// A fault counts for every member that it hits.
	fours := loadgen.Scenario{
		Name: "fours", Users: 24, RoomSize: 4, Rate: 25, Size: 100, Rounds: 1, Seed: 1,
		Duration: 2 * time.Second, Drain: 2 * time.Second,
	}
	lasting := func(s loadgen.Scenario, d time.Duration) loadgen.Scenario {
		s.Duration = d
		return s
	}
	same := func(c counts, _ int) counts { return c }
	// Whoever is answered garbage has got nothing, and doesn't ask again.
	deaf := func(c counts, spoiled int) counts {
		return counts{Sent: c.Sent, Lost: c.Delivered, Errors: spoiled}
	}
	garbage := func(name, about string, write func(http.ResponseWriter, string, []byte)) Case {
		return Case{
			Name: name, About: "answers polls with " + about, make: gives(0, write), polls: true,
			load: lasting(fours, 500*time.Millisecond), counts: deaf, doubts: []string{"errors", "lost", "no-samples"},
		}
	}
	members := fours.RoomSize
	others := members - 1
	return []Case{
		{
			Name: "honest", About: "does no wrong",
			make: honest, load: pairs, alone: true, counts: same,
		},
		{
			Name: "delay", About: fmt.Sprintf("shows every message %v after it came", delay),
			make: newDelayed, load: pairs, alone: true, counts: same,
			timing: func(t timing) timing { t.delay = delay; return t }, judge: []float64{.5},
		},
		{
			Name: "stall", About: fmt.Sprintf("answers nobody for %v in every %v (in the long run p90 %v, p99 %v)", stallLength, stallPeriod,
				longRun(.9), longRun(.99)),
			make: newStalling, load: lasting(pairs, stallPeriod), alone: true, counts: same,
			timing: func(t timing) timing { t.stalls = true; return t }, judge: []float64{.9, .99},
		},
		{
			Name: "lost", About: "loses 1% of all messages", make: spoils(lose), load: fours,
			counts: func(c counts, k int) counts {
				c.Delivered, c.Lost = c.Delivered-others*k, others*k
				return c
			},
			doubts: []string{"lost"},
		},
		{
			Name: "duplicated", About: "stores 1% of all messages twice", make: spoils(double), load: fours,
			counts: func(c counts, k int) counts { c.Duplicated = others * k; return c },
			doubts: []string{"duplicated"},
		},
		{
			Name: "reordered", About: "has 1% of all messages overtaken", make: spoils(swap), load: fours,
			counts: func(c counts, k int) counts { c.Reordered = others * k; return c },
			doubts: []string{"reordered"},
		},
		{
			Name: "misdelivered", About: "puts 1% of all messages into another room", make: spoils(misplace), load: fours,
			counts: func(c counts, k int) counts {
				c.Delivered, c.Lost, c.Misdelivered = c.Delivered-others*k, others*k, members*k
				return c
			},
			doubts: []string{"lost", "misdelivered"},
		},
		{
			Name: "refused", About: "refuses 1% of all messages", make: spoils(refuse), load: fours,
			counts: func(c counts, k int) counts {
				c.Sent, c.Delivered, c.Errors = c.Sent-k, c.Delivered-others*k, k
				return c
			},
			doubts: []string{"errors", "fewer-sends"},
		},
		garbage("not-json", "a page of HTML", notJSON),
		garbage("half-json", "JSON that lacks its end", halfJSON),
		garbage("no-list", "a message instead of a list", noList),
		garbage("bad-cursor", "a cursor that is none", badCursor),
		{
			// That is what a server does that dies: its users come again, and miss nothing.
			Name: "cut-off", About: "ends the connection in the first answer to each user",
			make: gives(members, cutOff), polls: true, load: lasting(fours, 500*time.Millisecond),
			counts: func(c counts, k int) counts { c.Errors = k; return c }, doubts: []string{"errors", "rejoins"},
		},
	}
}

// Run runs the cases and hands over each line as it is known. It ends early, with an error, when
// a measurement could not be made or ctx ends; what it measured of that case is not judged.
func Run(ctx context.Context, o Options, emit func(Line)) error {
	cases, specs, err := o.selected()
	if err != nil {
		return err
	}
	trip, err := roundTrip(ctx)
	if err != nil {
		return fmt.Errorf("measuring the round trip: %w", err)
	}
	emit(told("round trip", "", figure("p50", "ms", ms(trip.Quantile(.5))), figure("p99", "ms", ms(trip.Quantile(.99)))))
	for _, spec := range specs {
		if users, limit, most := loadgen.Capacity(spec); limit != "" {
			emit(told("capacity", spec, figure("users", "", float64(users)), figure(limit, "", float64(most))))
		}
	}
	for i, c := range cases {
		if o.Progress != nil {
			o.Progress(Progress{c, i, len(cases), left(cases[i:], specs)})
		}
		late := result.NewHistogram()
		err := c.run(ctx, c.among(specs), func(m measurement) {
			emit(c.line(m, trip.Quantile(.5)))
			late.Merge(m.window.Late)
		})
		if err != nil {
			return fmt.Errorf("measuring %s: %w", c.Name, err)
		}
		if c.Name == "honest" {
			emit(told("lateness", "", figure("p50", "ms", ms(late.Quantile(.5))), figure("p99", "ms", ms(late.Quantile(.99)))))
		}
	}
	return nil
}

// Validate returns an error when o names what there isn't, or leaves nothing to test.
func (o Options) Validate() error {
	_, _, err := o.selected()
	return err
}

// selected returns what is to be tested: cases, and transports as a scenario names them.
func (o Options) selected() (cases []Case, specs []string, err error) {
	if cases, err = o.cases(); err != nil {
		return nil, nil, err
	}
	if specs, err = o.transports(); err != nil {
		return nil, nil, err
	}
	cases = slices.DeleteFunc(cases, func(c Case) bool { return len(c.among(specs)) == 0 })
	if len(cases) == 0 {
		return nil, nil, errors.New("nothing is left to test: answers to polls can be garbage only where users poll")
	}
	return cases, specs, nil
}

// cases returns the cases that are named, in their own order.
func (o Options) cases() ([]Case, error) {
	cases := Cases()
	if len(o.Cases) == 0 {
		return cases, nil
	}
	var names []string
	for _, c := range cases {
		names = append(names, c.Name)
	}
	for _, name := range o.Cases {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown case %q: use %s", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(cases, func(c Case) bool { return !slices.Contains(o.Cases, c.Name) }), nil
}

// transports returns the transports that are named as a scenario names them.
func (o Options) transports() ([]string, error) {
	names := all.Names()
	for _, name := range o.Transports {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown transport %q: use %s, without an interval", name, strings.Join(names, ", "))
		}
	}
	var specs []string
	for _, name := range names {
		if len(o.Transports) > 0 && !slices.Contains(o.Transports, name) {
			continue
		}
		if t, _ := all.New(name, transports.Limits{}); is[transports.Periodic](t) || is[transports.Scanning](t) {
			name += "@" + pollInterval.String()
		}
		specs = append(specs, name)
	}
	return specs, nil
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// among returns those of the transports that c is for.
func (c Case) among(specs []string) []string {
	if !c.polls {
		return specs
	}
	return slices.DeleteFunc(slices.Clone(specs), func(spec string) bool {
		t, _ := all.New(spec, transports.Limits{})
		return is[transports.Duplex](t) // it has no answers to spoil
	})
}

// left returns about how long cases take.
func left(cases []Case, specs []string) (sum time.Duration) {
	for _, c := range cases {
		once := c.load.Duration + 200*time.Millisecond
		if slices.Contains(c.doubts, "lost") {
			once += c.load.Drain // what is lost is waited for
		}
		if c.alone {
			once *= time.Duration(len(specs))
		}
		sum += once
	}
	return sum
}

// A measurement is one transport of a case.
type measurement struct {
	plan      *loadgen.Plan
	transport string
	window    *result.Window
	spoiled   int // how often the server has done wrong
}

// run measures the case on all given transports and hands each measurement over as it is made. It
// returns when it has stopped its servers.
func (c Case) run(ctx context.Context, specs []string, made func(measurement)) error {
	atOnce := len(specs)
	if c.alone {
		atOnce = 1
	}
	for batch := range slices.Chunk(specs, atOnce) {
		measured, errs := make([]measurement, len(batch)), make([]error, len(batch))
		var all sync.WaitGroup
		for i, spec := range batch {
			all.Go(func() { measured[i], errs[i] = c.measureCalmly(ctx, spec) })
		}
		all.Wait()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for _, m := range measured {
			made(m)
		}
	}
	return nil
}

// measureCalmly measures times again, twice at most, when the machine was too busy for the
// generator: such a window is not to be believed, as it says itself, and shows nothing.
func (c Case) measureCalmly(ctx context.Context, spec string) (measurement, error) {
	for try := 1; ; try++ {
		m, err := c.measure(ctx, spec)
		if err != nil || !c.alone || try == 3 || !slices.ContainsFunc(m.doubts(), busy) {
			return m, err
		}
	}
}

// busy says whether a doubt is about the generator, and so about the machine.
func busy(d result.Doubt) bool { return strings.HasPrefix(d.Code, "generator-") }

// doubts returns what the result itself says against the measurement.
func (m measurement) doubts() []result.Doubt {
	return result.Rows([]result.Window{*m.window})[0].Doubts
}

// measure measures the case on one transport, against a server of its own.
func (c Case) measure(ctx context.Context, spec string) (_ measurement, err error) {
	s := c.load
	s.Transports = []string{spec}
	m := measurement{plan: loadgen.NewPlan(s, 1), transport: spec}
	served := c.make(m.plan)
	base, stop, err := served.serve(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = cmp.Or(err, stop()) }()
	err = loadgen.Run(ctx, loadgen.Options{Scenario: s, Sides: []loadgen.Side{{Target: base}}}, func(_ int, w *result.Window) error {
		m.window = w
		return nil
	})
	if served.spoiled != nil {
		m.spoiled = served.spoiled()
	}
	return m, err
}

// roundTrip measures small exchanges with an honest server, on a connection that is kept.
func roundTrip(ctx context.Context) (_ *result.Histogram, err error) {
	const exchanges = 2000
	base, stop, err := subject{store: &memory.Store{}}.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, stop()) }()
	trip, left := result.NewHistogram(), exchanges
	return trip, loadgen.RoundTrips(ctx, base, trip, func() bool { left--; return left >= 0 })
}
