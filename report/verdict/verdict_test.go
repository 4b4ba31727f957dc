package verdict_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report/verdict"
)

// A made transport has those figures, apart from noise.
type made struct {
	transport string
	way       result.Way
	ms        float64 // median latency
	cpu       float64 // us a message
	requests  int64   // a message
	bytes     int64   // a message
}

var (
	poll5     = made{"short-poll@5s", result.Way{Title: "short polling", EveryS: 5}, 2500, 300, 1, 700}
	poll1     = made{"short-poll@1s", result.Way{Title: "short polling", EveryS: 1}, 500, 700, 4, 1400}
	longPoll  = made{"long-poll", result.Way{Title: "long polling", HoldS: 30}, .42, 450, 2, 1100}
	webSocket = made{"websocket", result.Way{Title: "WebSocket", Stream: true, Duplex: true}, .3, 280, 0, 370}
)

const deliveries = 100 // of a window

// rows returns the rows of a run in which the latencies and the CPU of each round are multiplied by lognormal
// noise of that deviation, drawn anew for each.
func rows(random *rand.Rand, rounds int, noise float64, all ...made) []result.Row {
	var windows []result.Window
	for round := 1; round <= rounds; round++ {
		for _, m := range all {
			factor := func() float64 { return math.Exp(noise * random.NormFloat64()) }
			w := result.Window{
				Transport: m.transport, Way: m.way, Round: round, Users: 50, DurationS: 5,
				Planned: deliveries, Sent: deliveries, Expected: deliveries, Delivered: deliveries, Latency: result.NewHistogram(),
				Traffic: result.Traffic{Requests: m.requests * deliveries, BytesIn: m.bytes * deliveries},
				Server:  &result.Process{CPUS: m.cpu * deliveries / 1e6 * factor(), RSSIdleBytes: 1 << 20, RSSBytes: 2 << 20},
			}
			slow := factor()
			if rounds < 3 { // else they are not looked at
				for i := range 5 {
					w.Slices = append(w.Slices, result.Slice{AtS: float64(i), WidthS: 1, Latency: result.NewHistogram()})
				}
			}
			for i := range deliveries {
				d := time.Duration(m.ms * slow * math.Exp(.3*random.NormFloat64()) * float64(time.Millisecond))
				w.Latency.Record(d)
				if len(w.Slices) > 0 {
					w.Slices[i%len(w.Slices)].Latency.Record(d)
				}
			}
			windows = append(windows, w)
		}
	}
	rows := result.Rows(windows)
	verdict.Fill(rows, windows)
	return rows
}

func metric(t *testing.T, key string) result.Metric {
	t.Helper()
	m, ok := result.MetricOf(key)
	if !ok {
		t.Fatalf("no metric %s", key)
	}
	return m
}

// TestCoverage simulates runs with known figures and counts how often the interval holds them: 95% of the time,
// whatever the number of rounds, but for what chance and skewness explain.
func TestCoverage(t *testing.T) {
	const runs, noise = 200, .17 // the deviation recorded between rounds on a shared machine
	for _, rounds := range []int{3, 5, 10} {
		random := rand.New(rand.NewPCG(7, uint64(rounds)))
		held := map[string]int{}
		truth := map[string]float64{"p50": webSocket.ms, "server-cpu": webSocket.cpu * math.Exp(noise*noise/2)}
		for range runs {
			row := rows(random, rounds, noise, webSocket)[0]
			for key, x := range truth {
				if i, ok := row.Interval(key); ok && i.Low <= x && x <= i.High {
					held[key]++
				}
			}
		}
		for key := range truth {
			if share := float64(held[key]) / runs; share < .90 || share > .99 {
				t.Errorf("with %d rounds %.1f%% of the intervals of %s hold the true value, want 95%%", rounds, 100*share, key)
			}
		}
	}
}

// TestCompare counts how often two transports differ.
func TestCompare(t *testing.T) {
	const runs = 100
	cpu := metric(t, "server-cpu")
	for _, test := range []struct {
		name        string
		ratio       float64
		least, most float64 // share of the runs
	}{
		{"equal", 1, 0, .08},
		{"5% apart is none", 1.04, 0, .12},
		{"twice as much", 2, .97, 1},
	} {
		other := longPoll
		other.cpu = webSocket.cpu * test.ratio
		random := rand.New(rand.NewPCG(3, 4))
		told := 0
		for range runs {
			all := rows(random, 5, .17, webSocket, other)
			d := verdict.Compare(cpu, all[1], all[0])
			if !d.Known || d.Ratio <= 0 {
				t.Fatalf("%s: %+v", test.name, d)
			}
			if d.Differs {
				told++
			}
		}
		if share := float64(told) / runs; share < test.least || share > test.most {
			t.Errorf("%s: told apart in %.1f%% of the runs", test.name, 100*share)
		}
	}
}

// TestAcross compares rows of two runs that are the same but for their noise.
func TestAcross(t *testing.T) {
	cpu := metric(t, "server-cpu")
	random := rand.New(rand.NewPCG(5, 6))
	told := 0
	const runs = 100
	for range runs {
		a, b := rows(random, 5, .17, webSocket)[0], rows(random, 5, .17, webSocket)[0]
		if verdict.Across(cpu, a, b).Differs {
			told++
		}
	}
	if share := float64(told) / runs; share > .08 {
		t.Errorf("equal runs are told apart in %.1f%% of the cases", 100*share)
	}
}

// TestFewRounds has too few rounds for an interval of the CPU, so only large differences count.
func TestFewRounds(t *testing.T) {
	other := longPoll
	for rounds, from := range map[int]string{1: "5 slices", 2: "10 slices"} {
		for ratio, differs := range map[float64]bool{1.3: false, 1.7: true} {
			other.cpu = webSocket.cpu * ratio
			all := rows(rand.New(rand.NewPCG(1, 2)), rounds, 0, webSocket, other)
			row := all[0]
			if row.IntervalsFrom != from {
				t.Errorf("the intervals of %d rounds are from %q", rounds, row.IntervalsFrom)
			}
			if _, ok := row.Interval("p50"); !ok {
				t.Errorf("the latency of %d rounds has no interval", rounds)
			}
			if i, ok := row.Interval("server-cpu"); ok {
				t.Errorf("the CPU of %d rounds has the interval %v", rounds, i)
			}
			if d := verdict.Compare(metric(t, "server-cpu"), all[1], all[0]); d.Differs != differs {
				t.Errorf("%v times as much CPU in %d rounds: %+v", ratio, rounds, d)
			}
			if d := verdict.Compare(metric(t, "bytes"), all[1], all[0]); !d.Differs {
				t.Errorf("the bytes have no noise: %+v", d)
			}
		}
	}
}

// TestSame fills in the same intervals each time.
func TestSame(t *testing.T) {
	again := func() result.Interval {
		i, _ := new(rows(rand.New(rand.NewPCG(1, 2)), 4, .1, webSocket)[0]).Interval("p99")
		return i
	}
	if a, b := again(), again(); a != b || a.Low <= 0 || a.Low >= a.High {
		t.Errorf("the interval is %v, then %v", a, b)
	}
}

func TestPlaces(t *testing.T) {
	all := rows(rand.New(rand.NewPCG(1, 2)), 5, .005, poll5, poll1, longPoll, webSocket)
	for _, test := range []struct {
		key  string
		want []verdict.Place
	}{
		{"p50", []verdict.Place{verdict.Worst, verdict.Between, verdict.Between, verdict.Best}},
		{"server-cpu", []verdict.Place{verdict.Between, verdict.Worst, verdict.Between, verdict.Best}},
		{"requests", []verdict.Place{verdict.Between, verdict.Worst, verdict.Between, verdict.Best}},
		{"generator-cpu", make([]verdict.Place, 4)}, // it describes, and isn't judged
		{"lost", make([]verdict.Place, 4)},          // nothing was lost
	} {
		if got := verdict.Places(metric(t, test.key), all); !slices.Equal(got, test.want) {
			t.Errorf("the places in %s are %v, want %v", test.key, got, test.want)
		}
	}
	all[3].Doubts = append(all[3].Doubts, result.Doubt{Fatal: true})
	if got := verdict.Places(metric(t, "p50"), all); got[3] != verdict.Between || got[2] != verdict.Best {
		t.Errorf("with a doubt about the best the places are %v", got)
	}
	if got := verdict.Order(all); !slices.Equal(got, []int{2, 1, 0, 3}) {
		t.Errorf("with a doubt about the best the order is %v", got)
	}
	if got := verdict.Places(metric(t, "p50"), all[:1]); got[0] != verdict.Between {
		t.Errorf("alone a row is %v", got)
	}
}

func TestChoose(t *testing.T) {
	quiet := func(all ...made) []result.Row { return rows(rand.New(rand.NewPCG(1, 2)), 5, .02, all...) }
	cheapPoll := poll5
	cheapPoll.cpu = 200
	twin := webSocket
	twin.transport = "websocket-lean"
	doubted := quiet(poll5, webSocket)
	doubted[1].Doubts = append(doubted[1].Doubts, result.Doubt{Fatal: true})
	unknown := quiet(poll5, longPoll, webSocket)
	for i := range unknown {
		unknown[i].Server = nil
	}
	for _, test := range []struct {
		name   string
		rows   []result.Row
		front  []int
		either []int
		beaten []verdict.Beaten
	}{
		{"push is fastest and cheapest", quiet(poll5, poll1, longPoll, webSocket), []int{3}, nil, []verdict.Beaten{{2, 3}, {1, 3}, {0, 3}}},
		{"polling is cheaper", quiet(cheapPoll, longPoll, webSocket), []int{2, 0}, nil, []verdict.Beaten{{1, 2}}},
		{"two equal ones", quiet(twin, webSocket), nil, nil, nil}, // either of the two is the first
		{"the fastest is doubted", doubted, []int{0}, nil, nil},
		{"without CPU bytes decide", unknown, []int{2}, nil, []verdict.Beaten{{1, 2}, {0, 2}}},
		{"none", nil, nil, nil, nil},
	} {
		c := verdict.Choose(test.rows)
		if test.name == "two equal ones" {
			if len(c.Front) != 1 || len(c.Either) != 1 || c.Front[0] == c.Either[0] {
				t.Errorf("%s: the front is %v, as good is %v", test.name, c.Front, c.Either)
			}
			continue
		}
		if !slices.Equal(c.Front, test.front) || !slices.Equal(c.Either, test.either) || !slices.Equal(c.Beaten, test.beaten) {
			t.Errorf("%s: the front is %v, as good are %v, beaten are %v", test.name, c.Front, c.Either, c.Beaten)
		}
	}
}

// TestNoneIsFaster holds that no row is shown to be faster than the one that is chosen for its speed, in all results
// of this repository. Among rows as fast as the fastest one, the cheapest may still be slower than a third.
func TestNoneIsFaster(t *testing.T) {
	p50 := metric(t, "p50")
	for _, pattern := range []string{"../../results/*/result.jsonl", "../../results/*/*/result.jsonl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			res, err := result.Open(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			rows := res.Rows()
			verdict.Fill(rows, res.Windows)
			c := verdict.Choose(rows)
			for _, i := range c.Ranked {
				if d := verdict.Compare(p50, rows[c.Front[0]], rows[i]); d.Differs && d.Ratio > 1 {
					t.Errorf("%s: %s is chosen as the fastest, but %s is faster", path, rows[c.Front[0]].Transport, rows[i].Transport)
				}
			}
		}
	}
}

// TestBreak has polls that cost 200 us a message and 400 us more for each poll a second, and a push that costs 280.
func TestBreak(t *testing.T) {
	one, five := poll1, poll5
	one.cpu, five.cpu = 200+400, 200+400/5.
	random := rand.New(rand.NewPCG(1, 2))
	b := verdict.Choose(rows(random, 10, .02, one, five, webSocket)).Break
	if b == nil || math.Abs(b.EveryS-5) > .5 || b.Between.Low > 5 || b.Between.High < 5 || b.Longest != 5 {
		t.Errorf("the break is %+v, want 5 s", b)
	}
	one.cpu, five.cpu = 300+400, 300+400/5.
	if b := verdict.Choose(rows(random, 10, .02, one, five, webSocket)).Break; b == nil || !math.IsInf(b.EveryS, 1) {
		t.Errorf("the break is %+v, but polls cost more however rare", b)
	}
	if b := verdict.Choose(rows(random, 10, .02, one, webSocket)).Break; b != nil {
		t.Errorf("one interval gives the break %+v", b)
	}
}
