package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/cost"
)

// An effort is how much a choice measures.
type effort struct {
	rounds int // of each number of users
	extra  int // of the points that tell costs apart
}

// A choosing measures what it takes to choose: the load at several numbers of users, and variations that tell
// apart what a message costs and what happens without one.
type choosing struct {
	survey *survey
	base   loadgen.Scenario // one room of it
	wanted result.Wanted
	most   int // users; 0: what the machine can hold
	effort effort

	turns int // so far
}

const (
	firstUsers   = 250  // of the smallest point, unless less is wanted
	fewestUsers  = 40   // of the smallest point: fewer cost less than the server at rest
	mostUsers    = 4000 // of the largest point: more take longer to join than to measure
	spread       = 3    // the largest point has at least so many times the users of the smallest one
	busiest      = .6   // share of the cores that server and generator may use in the largest point
	quietMessage = 6    // messages in a window of the quiet point, at least
	fastest      = 4    // times the rate, in the fast point
)

// measure measures all points. If ctx ends, what was measured is kept.
func (c *choosing) measure(ctx context.Context) error {
	room := c.base.RoomSize
	fits, _, _ := loadgen.Most(c.base, loadgen.Layout{Calls: true, Against: c.survey.against.all()})
	most := mostUsers
	if c.most > 0 {
		most = c.most
	}
	most = min(most, fits)
	rooms := func(users int) int { return max(1, users/room) }
	small := rooms(min(firstUsers, max(fewestUsers, c.wanted.Users/4), max(1, most/spread)))
	if most < spread*room {
		return fmt.Errorf("rooms of %d need at least %d users to be measured, and this machine measures at most %d: ask for smaller rooms, or raise --most", room, spread*room, most)
	}
	index := &c.survey.index
	index.Scenario = c.scenario(small*room, c.base.Rate).Result()
	index.Scenario.Rounds = c.effort.rounds
	own := measuresOwn(c.base.Transports)
	if own {
		index.Scenario.Store = c.survey.store
	}
	c.survey.accessOf(c.base).describe(&index.Scenario, own)
	index.Axes = []result.Axis{}

	// The first turn also shows what the machine can hold.
	first := c.point(result.RoleSize, small*room, c.base.Rate)
	if err := c.turn(ctx, first, 1); err != nil {
		return err
	}
	if err := c.inTime(); err != nil {
		return err
	}
	each := c.coresPerUser()
	holds := int(busiest * float64(runtime.NumCPU()) / max(each, 1e-9))
	large := rooms(min(most, max(holds, spread*small*room)))
	if c.wanted.Users >= spread*small*room {
		large = min(large, rooms(c.wanted.Users))
	}
	if c.most > 0 {
		large = rooms(min(c.most, most))
	}
	if large < spread*small {
		large = spread * small
	}
	if each*float64(large*room) > 1.5*float64(runtime.NumCPU()) {
		return fmt.Errorf("this machine is too slow for it: %d users need %.1f of its %d cores: use --most %d, or a lower rate",
			large*room, each*float64(large*room), runtime.NumCPU(), max(8, holds))
	}
	middle := int(math.Round(math.Sqrt(float64(small) * float64(large))))
	second := c.point(result.RoleSize, middle*room, c.base.Rate)
	quiet := c.quiet(middle * room)
	fast := c.point(result.RoleFast, small*room, c.base.Rate*min(fastest, float64(large)/float64(small)))
	largest := c.point(result.RoleLargest, large*room, c.base.Rate)
	begun := time.Now()
	left := func() time.Duration {
		// A turn takes as long as its windows, and at last the two sides of a change are measured.
		turns := 3*c.effort.rounds + 2*c.effort.extra + 2*c.effort.rounds/2
		done := c.turns
		if done < 2 {
			return time.Duration(turns) * 12 * time.Second
		}
		return time.Since(begun) / time.Duration(done-1) * time.Duration(turns-done)
	}
	random := rand.New(rand.NewPCG(c.base.Seed, 1))
	for round := 1; round <= c.effort.rounds; round++ {
		due := []*choosePoint{first, second}
		if round == 1 {
			due = due[1:]
		}
		if round <= c.effort.extra {
			due = append(due, quiet, fast)
		}
		random.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
		// The largest load is the last one of each round, not of all: a machine that got slower meanwhile would
		// refute every prediction.
		for _, p := range append(due, largest) {
			p.left = left()
			if err := c.turn(ctx, p, round); err != nil {
				return err
			}
		}
	}
	return c.verify(ctx)
}

// A choosePoint is a point and how it is measured.
type choosePoint struct {
	result.Point
	scenario loadgen.Scenario
	left     time.Duration
}

// scenario returns the load with that many users and that rate.
func (c *choosing) scenario(users int, rate float64) loadgen.Scenario {
	s := c.base
	s.Name, s.About, s.Transports = "choose", "", slices.Clone(c.base.Transports)
	s.Users, s.Rate = users, rate
	// A round trip is measured while users warm up: over a network, to connect takes three or four, and each exchange one.
	const trips = 8
	s.Warmup, s.Duration = .4+trips*result.Seconds(s.Network.RTTS), secondsFor(s)
	s.Rounds = c.effort.rounds
	return s
}

// point returns the point of a load.
func (c *choosing) point(role string, users int, rate float64) *choosePoint {
	name := fmt.Sprintf("users=%d", users)
	if rate != c.base.Rate {
		name = fmt.Sprintf("users=%d,rate=%.4g", users, rate)
	}
	if role == result.RoleBelow || role == result.RoleAbove {
		name = role
	}
	return &choosePoint{Point: result.Point{Dir: name, Values: []string{}, Role: role}, scenario: c.scenario(users, rate)}
}

// quiet returns the point at which hardly anything but heartbeats, empty answers and the ends of held requests
// happens. Requests are held for a second, as windows are shorter than the usual time.
func (c *choosing) quiet(users int) *choosePoint {
	const held = result.Seconds(1)
	s := c.scenario(users, c.base.Rate)
	senders := float64(users*sendersOf(result.Scenario(s))) / float64(s.RoomSize)
	rate := min(c.base.Rate, max(c.base.Rate/50, quietMessage/float64(s.Duration)/senders))
	p := c.point(result.RoleQuiet, users, rate)
	p.Dir = "quiet"
	p.scenario.Warmup, p.scenario.Duration = max(held, p.scenario.Warmup), max(s.Duration, 2)
	for i, spec := range p.scenario.Transports {
		if way := c.survey.against.way(spec); way.Server == "" && way.Hold > 0 && way.Scan == 0 {
			p.scenario.Transports[i] = result.Kind(spec) + "@" + held.String()
		}
	}
	return p
}

// turn measures a point once.
func (c *choosing) turn(ctx context.Context, p *choosePoint, round int) error {
	index := &c.survey.index
	if !slices.ContainsFunc(index.Points, func(known result.Point) bool { return known.Dir == p.Dir }) {
		index.Points = append(index.Points, p.Point)
		if err := result.WriteIndex(c.survey.dir, *index); err != nil {
			return err
		}
	}
	c.turns++
	return c.survey.measure(ctx, turn{point: p.Point, scenario: p.scenario, round: round, left: p.left})
}

// inTime returns an error if the time that is allowed is shorter than a round trip on this machine.
func (c *choosing) inTime() error {
	shortest := math.Inf(1)
	for _, r := range c.survey.measured() {
		for _, w := range r.Windows {
			if w.Calibration != nil && w.Calibration.RoundTrip.Count() > 0 {
				shortest = min(shortest, w.Calibration.RoundTrip.Quantile(.5).Seconds())
			}
		}
	}
	if math.IsInf(shortest, 1) || float64(c.wanted.WithinS) >= shortest {
		return nil
	}
	return usageError(fmt.Errorf("--within %v is shorter than a round trip on this machine, which takes %v: allow more", c.wanted.WithinS,
		time.Duration(shortest*1e9).Round(time.Microsecond)))
}

// coresPerUser returns what a user costs server and generator together on the transport that costs most.
func (c *choosing) coresPerUser() (each float64) {
	for _, r := range c.survey.measured() {
		for _, row := range r.Rows() {
			if row.Server != nil && row.DurationS > 0 {
				each = max(each, (row.Server.CPUS+row.Generator.CPUS)/row.DurationS/float64(row.Users))
			}
		}
	}
	return each
}

// verify measures both sides of the nearest change of the answer that this machine can measure.
func (c *choosing) verify(ctx context.Context) error {
	models, err := cost.Fit(c.survey.measured()...)
	if err != nil {
		return nil //nolint:nilerr // there is no answer to verify, and the report says why
	}
	question := report.QuestionOf(c.wanted)
	choice := cost.Choose(models, question)
	if !choice.Chosen() {
		return nil
	}
	for _, change := range choice.Changes {
		below, above, ok := c.sides(choice, change)
		if !ok {
			continue
		}
		for round := 1; round <= c.effort.rounds; round++ {
			for _, p := range []*choosePoint{below, above} {
				if err := c.turn(ctx, p, round); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return nil
}

// sides returns the points on both sides of a change, at the middle number of users; false if this machine can't
// measure them.
func (c *choosing) sides(choice cost.Choice, change cost.Change) (below, above *choosePoint, ok bool) {
	first, other := choice.Options[0], choice.Options[change.Other]
	users, messages := 0., 0.
	for _, p := range c.survey.index.Points {
		if rec := c.survey.recorders[p.Dir]; rec != nil {
			s := rec.result.Run.Scenario
			if p.Role == result.RoleSize {
				users = max(users, float64(s.Users))
			}
			messages = max(messages, s.Rate*float64(s.Users*sendersOf(s))/float64(s.RoomSize))
		}
	}
	load := first.Load
	if other.Load.EveryS > 0 {
		load.EveryS = other.Load.EveryS
	}
	if change.Knob == cost.Users {
		return nil, nil, false
	}
	// As many users as can send as many messages as were measured, above the change too.
	const factor, most, limit = 2.5, 2, 10
	load.Users = users
	if change.Knob == cost.Rate {
		sent := first.Model.Messages(change.Knob.With(load, change.At.Value*factor))
		load.Users = math.Floor(min(users, users*most*messages/sent)/float64(c.base.RoomSize)) * float64(c.base.RoomSize)
	}
	if load.Users < fewestUsers {
		return nil, nil, false
	}
	here := cost.Cross(first.Model, other.Model, load, change.Knob, change.At.Value/limit, change.At.Value*limit, choice.Question.Cost)
	if len(here) == 0 {
		return nil, nil, false
	}
	at := here[0].At
	made := func(role string, x float64) (*choosePoint, bool) {
		l := change.Knob.With(load, x)
		if first.Model.Messages(l) > 2*most*messages || l.EveryS > 4*longestMeasured.Seconds() {
			return nil, false
		}
		p := c.point(role, int(load.Users), l.Rate)
		p.scenario.Transports = nil
		for _, o := range []cost.Option{first, other} {
			spec := ""
			for _, known := range c.base.Transports {
				if known == o.Model.Transport || result.Kind(known) == o.Model.Transport {
					spec = known
				}
			}
			if o.Load.EveryS > 0 {
				spec = strings.Split(spec, "@")[0] + "@" + result.Seconds(math.Round(l.EveryS*1e3)/1e3).String()
			}
			p.scenario.Transports = append(p.scenario.Transports, spec)
		}
		return p, true
	}
	below, okBelow := made(result.RoleBelow, at.Value/factor)
	above, okAbove := made(result.RoleAbove, at.Value*factor)
	return below, above, okBelow && okAbove
}
