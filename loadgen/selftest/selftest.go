// Package selftest tests the load generator: it measures servers of known behaviour and compares the
// results with what is known, such as the exact number of lost messages or the full length of a stall.
//
// It starts its own servers, in this process and on loopback. It doesn't compare transports, and can't
// measure other servers.
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
	"pushpull/loadgen/relay"
	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
	"pushpull/transports/typo"
)

// Options are the options of Run. The zero value tests everything.
type Options struct {
	Cases      []string       // names; nil: all
	Transports []string       // names, without a setting; nil: all of package all
	Relay      []string       // arguments, beginning with argv[0], that run a relay; nil: the cases of networks are left out
	Progress   func(Progress) // called as each case begins; nil: no progress is reported
}

// Progress is the progress of a self-test.
type Progress struct {
	Case        Case // the case that begins
	Done, Cases int
	Left        time.Duration // estimate for the rest of the self-test
}

// A Case is a server of known behaviour, and the results that a correct measurement of it has.
type Case struct {
	Name  string
	About string // continues "a server that", as in "loses 1% of all messages"

	make   func(*loadgen.Plan) subject
	load   loadgen.Scenario
	alone  bool                               // transports are measured one after the other, as milliseconds are judged
	polls  bool                               // applies only to transports that poll
	counts func(c counts, spoiled int) counts // expected counts, given those of an honest server and how often this one was wrong
	doubts []string                           // codes of the expected doubts, sorted
	timing func(timing) timing                // the known timing, given that of an honest server; nil: times are not judged
	judge  []float64                          // the latency quantiles that are judged

	network func(context.Context, *relay.Relay) ([]Figure, error) // measures a network, without any transport; nil: what is above does
}

// pollInterval is the interval of polls and scans. It is short, so that waiting for them hides little.
const pollInterval = 10 * time.Millisecond

// Cases returns all cases, in the order in which they are run.
func Cases() []Case {
	// The loads are light, so that the server determines the results. With this seed the quantiles of
	// the stall are close to those of the long run and don't depend on a single message.
	pairs := loadgen.Scenario{
		Name: "pairs", Users: 40, RoomSize: 2, Rate: 5, Size: 100, Rounds: 1, Seed: 265,
		Duration: 2, Drain: 2,
	}
	// Rooms of four, as a fault must count once for each affected member.
	fours := loadgen.Scenario{
		Name: "fours", Users: 24, RoomSize: 4, Rate: 25, Size: 100, Rounds: 1, Seed: 1,
		Duration: 2, Drain: 2,
	}
	lasting := func(s loadgen.Scenario, d time.Duration) loadgen.Scenario {
		s.Duration = result.SecondsOf(d)
		return s
	}
	// A server may make a user wait for a second several times.
	patient := func(s loadgen.Scenario) loadgen.Scenario {
		s = lasting(s, 500*time.Millisecond)
		s.Drain = 10
		return s
	}
	same := func(c counts, _ int) counts { return c }
	// A user that gets garbage receives nothing and doesn't poll again.
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
	return append([]Case{
		{
			Name: "honest", About: "behaves correctly",
			make: honest, load: pairs, alone: true, counts: same,
		},
		{
			Name: "delay", About: fmt.Sprintf("delays every message by %v", delay),
			make: newDelayed, load: pairs, alone: true, counts: same,
			timing: func(t timing) timing { t.delay = delay; return t }, judge: []float64{.5},
		},
		{
			Name: "stall", About: fmt.Sprintf("stalls for %v in every %v (in the long run p90 %v, p99 %v)", stallLength, stallPeriod,
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
			Name: "reordered", About: "reorders 1% of all messages", make: spoils(swap), load: fours,
			counts: func(c counts, k int) counts { c.Reordered = others * k; return c },
			doubts: []string{"reordered"},
		},
		{
			Name: "misdelivered", About: "delivers 1% of all messages to another room", make: spoils(misplace), load: fours,
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
		garbage("half-json", "truncated JSON", halfJSON),
		garbage("no-list", "a message instead of a list", noList),
		garbage("bad-cursor", "an invalid cursor", badCursor),
		{
			// Like a server that dies: its users rejoin and miss nothing.
			Name: "cut-off", About: "cuts the connection within the first response to each user",
			make: gives(members, cutOff), polls: true, load: lasting(fours, 500*time.Millisecond),
			counts: func(c counts, k int) counts { c.Errors = k; return c }, doubts: []string{"errors", "rejoins"},
		},
		{
			// Its users wait where they are, ask again and miss nothing.
			Name: "limited", About: fmt.Sprintf("answers 1 of %d requests to receive with 429, up to %d in each room", limitedEvery, members),
			make: limits(members), load: patient(fours),
			counts: func(c counts, k int) counts { c.Limited = k; return c }, doubts: []string{"limited"},
		},
		{
			Name: "silent", About: "never answers a poll", make: silence, polls: true, load: lasting(fours, 500*time.Millisecond),
			counts: deaf, doubts: []string{"errors", "lost", "no-samples"},
		},
	}, networkCases()...)
}

// Run runs the cases and hands each line to emit as soon as it is known. If a measurement fails or
// ctx ends, it returns an error and doesn't judge the current case.
func Run(ctx context.Context, o Options, emit func(Line)) error {
	cases, specs, err := o.selected()
	if err != nil {
		return err
	}
	trip, err := roundTrip(ctx)
	if err != nil {
		return fmt.Errorf("measuring the round trip: %w", err)
	}
	emit(unjudged("round trip", "", figure("p50", "ms", ms(trip.Quantile(.5))), figure("p99", "ms", ms(trip.Quantile(.99)))))
	for _, spec := range specs {
		alone := loadgen.Scenario{Transports: []string{spec}}
		if users, resource, limit := loadgen.Most(alone, loadgen.Layout{Calls: true}); resource != "" {
			emit(unjudged("capacity", spec, figure("users", "", float64(users)), figure(resource, "", float64(limit))))
		}
	}
	for i, c := range cases {
		if o.Progress != nil {
			o.Progress(Progress{c, i, len(cases), left(cases[i:], specs)})
		}
		if c.network != nil {
			line, err := c.measureNetwork(ctx, o.Relay)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", c.Name, err)
			}
			emit(line)
			continue
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
			emit(unjudged("lateness", "", figure("p50", "ms", ms(late.Quantile(.5))), figure("p99", "ms", ms(late.Quantile(.99)))))
		}
	}
	return nil
}

// Validate returns an error if o has an unknown name or leaves nothing to test.
func (o Options) Validate() error {
	_, _, err := o.selected()
	return err
}

// selected returns the cases to run and the specs of the transports to test.
func (o Options) selected() (cases []Case, specs []string, err error) {
	if cases, err = o.cases(); err != nil {
		return nil, nil, err
	}
	if specs, err = o.transports(); err != nil {
		return nil, nil, err
	}
	cases = slices.DeleteFunc(cases, func(c Case) bool { return len(c.among(specs)) == 0 || c.network != nil && o.Relay == nil })
	if len(cases) == 0 {
		return nil, nil, errors.New("nothing is left to test: these cases need a transport that polls")
	}
	return cases, specs, nil
}

// cases returns the named cases, in the order of Cases.
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
			return nil, typo.Unknown("case", name, names)
		}
	}
	return slices.DeleteFunc(cases, func(c Case) bool { return !slices.Contains(o.Cases, c.Name) }), nil
}

// transports returns the specs of the named transports, as they stand in a scenario.
func (o Options) transports() ([]string, error) {
	names := all.Names()
	for _, name := range o.Transports {
		if !slices.Contains(names, name) {
			return nil, typo.Unknown("transport", name, names)
		}
	}
	var specs []string
	for _, name := range names {
		if len(o.Transports) > 0 && !slices.Contains(o.Transports, name) {
			continue
		}
		if wayOf(name).Timer() > 0 {
			name += "@" + pollInterval.String()
		}
		specs = append(specs, name)
	}
	return specs, nil
}

// wayOf returns the Way of a transport with a valid spec.
func wayOf(spec string) transports.Way {
	client, err := all.Client(spec)
	if err != nil {
		panic(err)
	}
	return client.Way()
}

// among returns the transports to which c applies.
func (c Case) among(specs []string) []string {
	if !c.polls {
		return specs
	}
	return slices.DeleteFunc(slices.Clone(specs), func(spec string) bool {
		return !wayOf(spec).Polls() // there are no responses to spoil
	})
}

// left estimates how long cases take.
func left(cases []Case, specs []string) (sum time.Duration) {
	for _, c := range cases {
		if c.network != nil {
			sum += 3 * time.Second
			continue
		}
		once := c.load.Duration.Duration() + 200*time.Millisecond
		if slices.Contains(c.doubts, "lost") {
			once += c.load.Drain.Duration() // the generator waits for the lost messages
		}
		if c.alone {
			once *= time.Duration(len(specs))
		}
		sum += once
	}
	return sum
}

// A measurement is the measurement of one case on one transport.
type measurement struct {
	plan      *loadgen.Plan
	transport string
	window    *result.Window
	spoiled   int // how often the server was wrong
}

// run measures the case on the given transports and hands each measurement to made. Its servers have
// stopped when it returns.
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

// measureCalmly repeats a measurement of times, at most twice, if the machine was too busy for the
// generator. The result of such a window is doubtful, so it shows nothing about the case.
func (c Case) measureCalmly(ctx context.Context, spec string) (measurement, error) {
	for try := 1; ; try++ {
		m, err := c.measure(ctx, spec)
		if err != nil || !c.alone || try == 3 || !slices.ContainsFunc(m.doubts(), busy) {
			return m, err
		}
	}
}

// busy reports whether a doubt is about the generator.
func busy(d result.Doubt) bool { return strings.HasPrefix(d.Code, "generator-") }

// doubts returns the doubts of the measurement's result.
func (m measurement) doubts() []result.Doubt {
	return result.Rows([]result.Window{*m.window})[0].Doubts
}

// measure measures the case on one transport, with a server of its own.
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
	err = loadgen.Run(ctx, loadgen.Options{Scenario: s, Sides: []loadgen.Side{{Target: base, NoStats: true}}}, func(_ int, w *result.Window) error {
		m.window = w
		return nil
	})
	if served.spoiled != nil {
		m.spoiled = served.spoiled()
	}
	return m, err
}

// roundTrip measures small exchanges with an honest server, on a kept connection.
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
