package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// TestStall compares the time for which messages are held back with a simulation of TCP: a lost message arrives after
// the timeout, or a round trip after the third later one that arrives, and all others after those before them.
func TestStall(t *testing.T) {
	for _, l := range []theory.Link{
		{Network: network.Profile{RTTS: .1, Loss: .01}, Rate: .5},
		{Network: network.Profile{RTTS: .1, Loss: .03}, Rate: 2},
		{Network: network.Profile{RTTS: .1, Loss: .01}, Rate: 200}, // fast retransmissions
		{Network: network.Profile{RTTS: .3, Loss: .02}, Rate: 20},
	} {
		t.Run(fmt.Sprintf("%v at %v", l.Network, l.Rate), func(t *testing.T) {
			const messages = 20_000
			all := simulate(func(random *rand.Rand) part {
				p := part{counts: map[string]float64{"messages": messages}}
				sent, lost, due := make([]float64, messages), make([]bool, messages), make([]float64, messages)
				at := 0.
				for i := range messages {
					at += random.ExpFloat64() / l.Rate
					sent[i], lost[i], due[i] = at, random.Float64() < l.Network.Loss, at
				}
				arrived := 0.
				for i := range messages {
					if lost[i] {
						due[i] += l.Network.Retransmissions(random.Float64)
						later := 0
						for k := i + 1; k < messages; k++ {
							if lost[k] {
								continue
							}
							if later++; later == network.Followers {
								if again := sent[k] + l.Network.RTTS; again < due[i] && random.Float64() >= l.Network.Loss {
									due[i] = again
								}
								break
							}
						}
					}
					arrived = max(arrived, due[i])
					p.waits = append(p.waits, arrived-sent[i])
					if arrived > sent[i] {
						p.counts["delayed"]++
					}
				}
				return p
			})
			stall := l.Stall()
			near := func(what string, got, want, off float64) {
				t.Helper()
				t.Logf("%s: %.4g in theory, %.4g simulated", what, got, want)
				if math.Abs(got-want) > off*want {
					t.Errorf("%s is %v in theory, but %v simulated", what, got, want)
				}
			}
			mean, _ := estimate(all, meanWait)
			near("the mean", stall.Mean(), mean, .05)
			delayed, _ := estimate(all, ratio("delayed", "messages"))
			late := 0.
			for q := .0005; q < 1; q += .001 {
				if stall.Quantile(q) > 1e-9 {
					late += .001
				}
			}
			near("the share of the delayed ones", late, delayed, .08)
			for _, q := range []float64{.985, .995} {
				want, _ := estimate(all, func(p part) float64 { return p.waits[int(q*messages)] })
				near(fmt.Sprintf("p%v", 100*q), stall.Quantile(q), want, .08)
			}
			if l.Rate < 1 { // the formulas of the documentation
				q, recovery := l.Network.Loss, l.Network.RTO()
				near("the formula of the share", 1-(1-q)*math.Exp(-l.Rate*q*recovery), delayed, .03)
				near("the formula of the mean", q*recovery*(1+l.Rate*recovery/2), mean, .05)
			}
		})
	}
}

// TestTransit checks the parts of the time on a link that have no chance in them.
func TestTransit(t *testing.T) {
	p := network.Profile{RTTS: .1, JitterS: .02, UpBPS: 1e6, DownBPS: 2e6}
	for up, bits := range map[bool]float64{true: .008, false: .004} {
		d := theory.Link{Network: p, Up: up, Bytes: 1000}.Transit()
		for q, want := range map[float64]float64{0: .04 + bits, .5: .05 + bits, 1: .06 + bits} {
			if got := d.Quantile(q); math.Abs(got-want) > 1e-6 {
				t.Errorf("p%v of the way up: %t is %v, want %v", 100*q, up, got, want)
			}
		}
	}
	if d := (theory.Link{}).Transit(); d.Quantile(1) != 0 {
		t.Errorf("without a network it takes %v", d.Quantile(1))
	}
}

// TestResidual compares the wait for the end of a gap with LongPoll, whose gaps are constant, and with the formula for
// a mean wait of f(G²+σ²)/2.
func TestResidual(t *testing.T) {
	l := theory.LongPoll{Gap: .1, Rate: 2, Hold: 30}
	d := theory.Residual(theory.Of(l.Gap), 1/l.Cycle())
	for _, q := range []float64{.3, .8, .9, .99, .999} {
		if got, want := d.Quantile(q), l.WaitQuantile(q); math.Abs(got-want) > 2e-4 {
			t.Errorf("p%v is %v, want %v", 100*q, got, want)
		}
	}
	gap := theory.Uniform(.1, .3)
	if got, want := theory.Residual(gap, 2).Mean(), (.04+.04/12)*2/2; math.Abs(got/want-1) > 2e-3 {
		t.Errorf("the mean wait is %v, want %v", got, want)
	}
}

// over puts a network of 100 ms between the users and the servers of made, over which a delivery takes as long as theory says.
func over(way result.Way) *result.Result {
	r := made(way)
	r.Run.Scenario.RoomSize = 2
	r.Run.Scenario.Network = network.Profile{RTTS: .1}
	for i := range r.Windows {
		w := &r.Windows[i]
		w.Delivered, w.Expected = 400, 400
		w.Accept, w.Latency = of(400, 102*time.Millisecond), of(400, 104*time.Millisecond)
		w.Calibration.RoundTrip, w.Calibration.Direct, w.Calibration.NetworkS = of(9, 101*time.Millisecond), of(9, time.Millisecond), .1
	}
	return r
}

// TestOverNetwork checks the prediction over a network, and how far from it a latency may be.
func TestOverNetwork(t *testing.T) {
	for way, want := range map[result.Way][2]float64{
		stream: {104, 104}, both: {104, 104},
		held: {104, 104 + 101*(.99-1+.101*theoryRate(held))/(.101*theoryRate(held))},
	} {
		row := theory.Rows(over(way))[0]
		if row.Theory == nil || row.Theory.P50 == nil {
			t.Errorf("%s: no prediction", way.Title)
			continue
		}
		if p50, p99 := *row.Theory.P50, *row.Theory.P99; math.Abs(p50-want[0]) > .2 || math.Abs(p99-want[1]) > .5 {
			t.Errorf("%s: p50 is %v and p99 %v in theory, want %v", way.Title, p50, p99, want)
		}
	}
	for latency, want := range map[time.Duration]bool{
		98 * time.Millisecond: true, 103 * time.Millisecond: false, 107 * time.Millisecond: false, 112 * time.Millisecond: true,
	} {
		r := over(stream)
		for i := range r.Windows {
			r.Windows[i].Latency = of(400, latency)
		}
		doubted := slices.ContainsFunc(doubtsOf(r), func(d string) bool { return strings.HasPrefix(d, "p50 is ") })
		if doubted != want {
			t.Errorf("a p50 of %v is doubted: %t, want %t", latency, doubted, want)
		}
	}
}

// TestSlowPolls has a round trip longer than the poll interval: users poll when the timer fires next.
func TestSlowPolls(t *testing.T) {
	for every, want := range map[float64]float64{.03: .12, .11: .11, .2: .2} {
		r := over(result.Way{Title: "on a timer", EveryS: every})
		row := theory.Rows(r)[0]
		if got := row.Theory.Requests; math.Abs(got*want/(40*40)-1) > 1e-6 {
			t.Errorf("%v requests at %v s, want one in %v s", got, every, want)
		}
	}
}

// theoryRate returns the requests per second of a user of over.
func theoryRate(way result.Way) float64 {
	l := theory.LongPoll{Gap: .101, Rate: 400 * 2. / 40 / 20, Hold: way.HoldS, Wake: .001}
	return l.RequestsPerSecond()
}

// TestOffNetwork checks how far the round trip may be from that of the network.
func TestOffNetwork(t *testing.T) {
	for _, c := range []struct {
		want, through time.Duration
		doubt         string
	}{
		{100 * time.Millisecond, 103900 * time.Microsecond, ""},
		{100 * time.Millisecond, 98200 * time.Microsecond, ""},
		{100 * time.Millisecond, 105 * time.Millisecond, "a round trip over the network took 104 ms, where it should take 100 ms: the machine may be too busy for the relay"},
		{10 * time.Millisecond, 11900 * time.Microsecond, ""},
		{10 * time.Millisecond, 12200 * time.Microsecond, "a round trip over the network took 11.2 ms"},
		{10 * time.Millisecond, 9 * time.Millisecond, "a round trip over the network took 8 ms"},
	} {
		r := over(onTimer)
		for i := range r.Windows {
			r.Windows[i].Calibration.RoundTrip, r.Windows[i].Calibration.NetworkS = of(9, c.through), c.want.Seconds()
		}
		var found []string
		for _, d := range theory.Rows(r)[0].Doubts {
			if d.Code == "network" {
				found = append(found, d.Text)
			}
		}
		if len(found) > 1 || (len(found) > 0) != (c.doubt != "") || c.doubt != "" && !strings.HasPrefix(found[0], c.doubt) {
			t.Errorf("%v where %v should come out: %q, want %q", c.through, c.want, found, c.doubt)
		}
	}
}
