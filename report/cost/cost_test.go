package cost_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/theory"
)

// A made server burns known times.
type made struct {
	transport string
	way       result.Way
	poll      float64 // us for a poll
	message   float64 // us for a message
	beat      float64 // us for a heartbeat
	exponent  float64 // of all of it, in seconds a second; 0: 1
	base      float64 // bytes of memory
	each      float64 // bytes of memory for a user
}

var (
	polls  = made{"short-poll@1s", result.Way{Title: "short polling", EveryS: 1}, 50, 10, 0, 0, 30e6, 6e3}
	pushes = made{"websocket", result.Way{Title: "WebSocket", Stream: true, Duplex: true, HeartbeatS: 15}, 0, 100, 20, 0, 35e6, 17e3}
)

const (
	warmup  = 1.
	seconds = 4.
)

// cores returns the CPU of the made server for a load, in seconds of each second.
func (m made) cores(users, rate float64) float64 {
	us := users * rate * m.message
	if m.way.EveryS > 0 {
		us += users / m.way.EveryS * m.poll
	} else {
		us += users / m.way.HeartbeatS * m.beat
	}
	if m.exponent > 0 {
		return math.Pow(us/1e6, m.exponent)
	}
	return us / 1e6
}

// window returns a window of pairs of users, as theory predicts it, but for the CPU, which has lognormal noise of that
// deviation.
func (m made) window(users int, rate float64, round int, noise float64, random *rand.Rand) result.Window {
	sent := int(math.Round(float64(users) * rate * seconds))
	w := result.Window{
		Transport: m.transport, Round: round, Way: m.way, Users: users, Cores: 2, DurationS: seconds,
		Planned: sent, Sent: sent, Expected: sent, Delivered: sent,
		Latency: filled(time.Millisecond), SendDelay: filled(10 * time.Microsecond), Accept: filled(300 * time.Microsecond), Late: filled(0),
		Calibration: &result.Calibration{
			Members: 2, RoundTrip: filled(100 * time.Microsecond), Delivery: filled(400 * time.Microsecond),
			Bytes: &result.Bytes{Send: 300, Empty: 350, Answer: 360, Message: 130},
		},
		Store: &result.Store{Appends: int64(sent)},
		Server: &result.Process{
			CPUS:     m.cores(float64(users), rate) * seconds * math.Exp(noise*random.NormFloat64()),
			RSSBytes: int64(m.base + m.each*float64(users)), RSSIdleBytes: int64(m.base),
		},
		Generator: result.Process{CPUS: .1},
		Traffic:   result.Traffic{Connections: int64(users)},
	}
	w.Latency = filled(time.Millisecond)
	if m.way.EveryS > 0 {
		w.Traffic.Requests = int64(float64(users) * seconds / m.way.EveryS)
		shares := theory.ShortPoll{Interval: m.way.EveryS, Rate: 2 * rate}
		w.Traffic.EmptyResponses = int64(float64(w.Traffic.Requests) * shares.EmptyShare())
		w.Traffic.Posts = int64(sent)
		w.Traffic.BytesIn = int64(350 * float64(w.Traffic.Requests))
		w.Store.Reads = w.Traffic.Requests
	} else {
		w.Traffic.BytesIn = int64(sent) * (300 + 2*130)
		w.Store.Reads = int64(sent)
	}
	return w
}

func filled(d time.Duration) *result.Histogram {
	h := result.NewHistogram()
	for range 400 {
		h.Record(d)
	}
	return h
}

// A load is a point of a choice.
type load struct {
	users int
	rate  float64
}

// sizes and variations are the points of a choice.
var (
	sizes      = []load{{250, .25}, {500, .25}, {1000, .25}}
	variations = append([]load{{500, .005}, {250, 1}}, sizes...)
)

// results returns the results of points at which all transports were measured.
func results(points []load, rounds int, noise float64, random *rand.Rand, all ...made) (rs []*result.Result) {
	for _, p := range points {
		r := &result.Result{Run: result.Run{Schema: 1, Scenario: result.Scenario{
			Name: "made", Users: p.users, RoomSize: 2, Senders: 2, Rate: p.rate, Size: 100, Warmup: warmup, Duration: seconds, Rounds: rounds,
		}, Environment: result.Environment{Cores: 2}}}
		for round := range rounds {
			for _, m := range all {
				r.Run.Scenario.Transports = append(r.Run.Scenario.Transports, m.transport)
				r.Windows = append(r.Windows, m.window(p.users, p.rate, round+1, noise, random))
			}
		}
		rs = append(rs, r)
	}
	return rs
}

func fit(t *testing.T, rs []*result.Result) []cost.Model {
	t.Helper()
	models, err := cost.Fit(rs...)
	if err != nil {
		t.Fatal(err)
	}
	return models
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if !(math.Abs(got/want-1) <= share) {
		t.Errorf("%s is %.4g, want %.4g within %.0f%%", what, got, want, 100*share)
	}
}

// TestKnownCosts recovers what polls, messages and users cost from windows with noise.
func TestKnownCosts(t *testing.T) {
	models := fit(t, results(variations, 5, .02, rand.New(rand.NewPCG(1, 2)), polls, pushes))
	if len(models) != 2 || models[0].Transport != "short-poll" || models[1].Transport != "websocket" {
		t.Fatalf("the models are %v", models)
	}
	for i, m := range []made{polls, pushes} {
		for _, at := range []struct{ users, rate, every float64 }{{4000, .25, 1}, {20000, .25, 1}, {4000, .025, 1}, {1000, 2, 1}, {4000, .25, 3}} {
			f, ok := models[i].At(cost.Load{Users: at.users, Rate: at.rate, EveryS: at.every})
			if !ok || f.Cores == nil || f.MemoryBytes == nil || f.Reads == nil {
				t.Fatalf("%s at %v: %+v, %v", m.transport, at, f, ok)
			}
			way := m
			share := .05
			if way.way.EveryS > 0 {
				way.way.EveryS = at.every
			}
			if at.users > 4000 || at.rate != .25 || at.every != 1 {
				share = .12 // further away, the noise counts for more
			}
			near(t, m.transport+" cores", f.Cores.Value, way.cores(at.users, at.rate), share)
			near(t, m.transport+" memory", f.MemoryBytes.Value, m.base+m.each*at.users, .01)
			if m.way.EveryS > 0 {
				near(t, "requests", f.Requests.Value, at.users/at.every+at.users*at.rate, .01)
				near(t, "reads", f.Reads.Value, at.users/at.every, .01)
			} else {
				near(t, "reads", f.Reads.Value, at.users*at.rate, .01)
				near(t, "connections", f.Connections.Value, at.users, .001)
			}
		}
		if _, linear := models[i].Linear(); !linear {
			t.Errorf("%s is not linear", m.transport)
		}
	}
}

// TestPower finds that a message costs less the more there are.
func TestPower(t *testing.T) {
	sub := pushes
	sub.exponent = .8
	models := fit(t, results(variations, 5, .05, rand.New(rand.NewPCG(3, 4)), sub))
	if exponent, linear := models[0].Linear(); linear || math.Abs(exponent-.8) > .05 {
		t.Errorf("the exponent is %v, linear %v, want .8", exponent, linear)
	}
	f, _ := models[0].At(cost.Load{Users: 4000, Rate: .25})
	near(t, "cores", f.Cores.Value, sub.cores(4000, .25), .08)
}

// TestOutlier has a window that a neighbour made three times as expensive.
func TestOutlier(t *testing.T) {
	rs := results(variations, 4, .03, rand.New(rand.NewPCG(5, 6)), pushes)
	rs[4].Windows[1].Server.CPUS *= 3
	f, _ := fit(t, rs)[0].At(cost.Load{Users: 4000, Rate: .25})
	near(t, "cores", f.Cores.Value, pushes.cores(4000, .25), .10)
}

// TestCoverage simulates choices with known costs: the 95% intervals of a forecast hold the truth about 95 of 100
// times, rather a little more often, as no part of a cost is negative.
func TestCoverage(t *testing.T) {
	const runs = 150
	for _, rounds := range []int{2, 3} {
		random := rand.New(rand.NewPCG(7, uint64(rounds)))
		held := 0
		for range runs {
			f, ok := fit(t, results(variations, rounds, .17, random, pushes))[0].At(cost.Load{Users: 4000, Rate: .25})
			if truth := pushes.cores(4000, .25); ok && f.Cores.Low <= truth && truth <= f.Cores.High {
				held++
			}
		}
		if share := float64(held) / runs; share < .92 || share > .995 {
			t.Errorf("with %d rounds %.1f%% of the intervals hold the true value, want 95%%", rounds, 100*share)
		}
	}
}

// TestCross finds where polling gets cheaper.
func TestCross(t *testing.T) {
	models := fit(t, results(variations, 6, .03, rand.New(rand.NewPCG(1, 2)), polls, pushes))
	l := cost.Load{Users: 1000, Rate: .25, EveryS: 1}
	cores := func(f cost.Forecast) cost.Estimate { return *f.Cores }
	// 50 + 10 r = 100 r + 20/15
	found := cost.Cross(&models[0], &models[1], l, cost.Rate, .001, 100, cores)
	if len(found) != 1 {
		t.Fatalf("the crossings in the rate are %+v", found)
	}
	near(t, "the rate", found[0].At.Value, (50-20./15)/90, .1)
	if c := found[0]; c.Below < 1 || c.Above > 1 || c.At.Low > c.At.Value || c.At.High < c.At.Value {
		t.Errorf("the crossing is %+v: below it polling costs more", c)
	}
	// 50/T + 2.5 = 25 + 20/15
	found = cost.Cross(&models[0], &models[1], l, cost.Interval, .1, 100, cores)
	if len(found) != 1 {
		t.Fatalf("the crossings in the interval are %+v", found)
	}
	near(t, "the interval", found[0].At.Value, 50/(22.5+20./15), .1)
	if found := cost.Cross(&models[0], &models[1], l, cost.Users, 100, 1e5, cores); len(found) > 0 {
		t.Errorf("both are proportional to the users, but cross at %+v", found)
	}
}

// TestChoose answers a question from known costs.
func TestChoose(t *testing.T) {
	models := fit(t, results(variations, 6, .03, rand.New(rand.NewPCG(1, 2)), polls, pushes))
	q := cost.Question{Users: 10000, Rate: .25, WithinS: 2, Busy: .6, Processors: 2}
	c := cost.Choose(models, q)
	if !c.Chosen() || len(c.Options) != 2 || c.Options[0].Model.Transport != "websocket" {
		t.Fatalf("the choice is %+v", c)
	}
	if poll := c.Options[1]; poll.Load.EveryS < 1.9 || poll.Load.EveryS > 2.02 || !poll.Meets || poll.P99 > 2 {
		t.Errorf("polls are every %v s with p99 %v s, want about 2 s", poll.Load.EveryS, poll.P99)
	}
	if n := c.Options[0].Servers; n != 1 {
		t.Errorf("%v servers, want 1", n)
	}
	q.WithinS = 60
	if c := cost.Choose(models, q); c.Options[0].Model.Transport != "short-poll" {
		t.Errorf("with a minute of time the choice is %s", c.Options[0].Model.Transport)
	}
	q.WithinS = 1e-6
	if c := cost.Choose(models, q); c.Chosen() {
		t.Errorf("nothing takes a microsecond, but the choice is %+v", c.Options[0])
	}
	q.WithinS = 2
	q.Price = &cost.Price{MillionMessages: 1, GBHour: 1}
	c = cost.Choose(models, q)
	month := 730 * 3600 * 5000. / 1e6
	near(t, "the price", c.Options[0].Price.Value, month+730*(35e6+17e3*1e4)/1e9, .01)
	if c := cost.Choose(models, cost.Question{Users: 1e6, Rate: 1, WithinS: 2, Busy: .6, Processors: 2}); c.Options[0].Servers < 2 || c.Options[0].Busy > .6 {
		t.Errorf("a million users need %v servers, busy for %v", c.Options[0].Servers, c.Options[0].Busy)
	}
}

// TestHoldOut predicts a result that the models don't know.
func TestHoldOut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	models := fit(t, results(variations, 4, .03, random, polls, pushes))
	large := results([]load{{4000, .25}}, 4, .03, random, polls, pushes)[0]
	held := cost.HoldOut(models, large)
	if len(held) != 2 || len(held[0].Figures) < 4 {
		t.Fatalf("held out: %+v", held)
	}
	for _, h := range held {
		for _, f := range h.Figures {
			if f.Refuted || math.Abs(f.Off) > .1 {
				t.Errorf("%s of %s: %+v", f.Name, h.Transport, f)
			}
		}
	}
	for i := range large.Windows {
		large.Windows[i].Server.CPUS *= 1.6
	}
	if h := cost.HoldOut(models, large)[0]; h.Figures[0].Name != "server CPU" || !h.Figures[0].Refuted {
		t.Errorf("with 1.6 times the CPU: %+v", h.Figures[0])
	}
}

func TestSideOf(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	models := fit(t, results(variations, 4, .03, random, polls, pushes))
	side := results([]load{{500, 2}}, 4, .03, random, polls, pushes)[0]
	s, ok := cost.SideOf(models, side)
	if !ok || s.Want > 1 || !s.Verified || s.Refuted {
		t.Errorf("polls are cheaper at 2 messages a second: %+v, %v", s, ok)
	}
	for i, w := range side.Windows {
		if w.Transport == "websocket" {
			side.Windows[i].Server.CPUS /= 10
		}
	}
	if s, _ := cost.SideOf(models, side); !s.Refuted || s.Verified {
		t.Errorf("the order is the other one: %+v", s)
	}
}

// TestUnfit has results that no model can be fitted to.
func TestUnfit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	other := results(sizes[1:2], 2, 0, random, polls)
	other[0].Run.Scenario.RoomSize = 10
	for name, rs := range map[string][]*result.Result{
		"two numbers of users": results(sizes[:1], 5, 0, random, polls),
		"rooms of 2":           append(results(sizes[:1], 2, 0, random, polls), other...),
	} {
		if _, err := cost.Fit(rs...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error about %s, got %v", name, err)
		}
	}
	// Sizes alone don't tell polls from messages.
	m := fit(t, results(sizes, 5, .03, random, polls))[0]
	if _, ok := m.At(cost.Load{Users: 4000, Rate: .25, EveryS: 1}); !ok {
		t.Error("the same rate and interval are unknown")
	}
	if _, ok := m.At(cost.Load{Users: 4000, Rate: 2, EveryS: 1}); ok {
		t.Error("another rate is known")
	}
}
