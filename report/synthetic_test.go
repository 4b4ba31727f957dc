package report_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
)

// A model describes how a transport behaves in a synthetic result.
type model struct {
	transport  string
	interval   float64                  // seconds, as for result.FormerWay
	way        result.Way               // zero: result.FormerWay
	latency    func(*rand.Rand) float64 // seconds
	requests   int64                    // of a window, like all fields below
	empty      int64
	handshakes int64
	reads      int64 // from the store
	emptyReads int64
	bytes      int64
	cpu        float64 // seconds
	memory     int64   // bytes for each user
}

func uniform(most float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return .0003 + most*r.Float64() }
}

// lognormal has that median in seconds. One message in a hundred takes 4 to 10 times as long.
func lognormal(median, sigma float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 {
		x := median * math.Exp(sigma*r.NormFloat64())
		if r.Float64() < .01 {
			x *= 4 + 6*r.Float64()
		}
		return x
	}
}

var (
	poll5     = model{transport: "short-poll@5s", interval: 5, latency: uniform(5), requests: 800, empty: 430, reads: 800, emptyReads: 430, bytes: 262_000, cpu: .061, memory: 9_400}
	poll1     = model{transport: "short-poll@1s", interval: 1, latency: uniform(1), requests: 4000, empty: 3530, reads: 4000, emptyReads: 3530, bytes: 865_000, cpu: .284, memory: 9_800}
	longPoll  = model{transport: "long-poll", interval: 30, latency: lognormal(.0007, .35), requests: 500, reads: 100, bytes: 216_000, cpu: .047, memory: 21_300}
	stream    = model{transport: "sse", way: result.Way{Title: "server-sent events", Stream: true, HeartbeatS: 15}, latency: lognormal(.00043, .3), requests: 200, handshakes: 200, reads: 100, bytes: 100_000, cpu: .024, memory: 12_200}
	webSocket = model{transport: "websocket", latency: lognormal(.0004, .3), requests: 200, handshakes: 200, reads: 100, bytes: 73_000, cpu: .022, memory: 16_900}

	four  = []model{poll5, poll1, longPoll, webSocket}
	eight = []model{
		poll5, poll1,
		{transport: "short-poll@250ms", latency: uniform(.25), requests: 16_000, empty: 15_600, reads: 16_000, emptyReads: 15_600, bytes: 5_600_000, cpu: 1.1, memory: 10_100},
		longPoll,
		{transport: "long-poll@10s", latency: lognormal(.00075, .35), requests: 810, empty: 400, reads: 100, bytes: 240_000, cpu: .051, memory: 21_100},
		{transport: "long-poll-scan@5ms", latency: uniform(.005), requests: 412, empty: 12, reads: 120_000, emptyReads: 119_600, bytes: 210_000, cpu: 4.2, memory: 22_300},
		webSocket,
		stream,
	}

	six = []model{
		poll1,
		{transport: "long-poll-scan@50ms", way: result.Way{Title: "long polling with a scan", HoldS: 30, ScanS: .05}, latency: uniform(.05), requests: 500, reads: 80_000, emptyReads: 79_600, bytes: 213_000, cpu: 2.1, memory: 22_300},
		longPoll, stream,
		{transport: "websocket", way: twoWay("WebSocket", "nhooyr.io/websocket"), latency: lognormal(.00042, .3), requests: 200, handshakes: 200, reads: 100, bytes: 74_000, cpu: .025, memory: 17_600},
		{transport: "websocket-lean", way: twoWay("WebSocket (lean)", "this project's own frames"), latency: lognormal(.0004, .3), requests: 200, handshakes: 200, reads: 100, bytes: 74_000, cpu: .021, memory: 6_400},
	}
)

func twoWay(title, engine string) result.Way {
	return result.Way{Title: title, Engine: engine, Stream: true, Duplex: true, HeartbeatS: 15}
}

// synthetic returns a run with two rounds of windows of 20 seconds, 200 users and 400 deliveries.
func synthetic(name string, seed uint64, models ...model) report.Run {
	res := &result.Result{Run: result.Run{
		Schema:  result.Schema,
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Command: "pushpull run chat --seed 1",
		Scenario: result.Scenario{
			Name: "chat", About: "Rooms of five people, of whom one talks now and then.",
			Users: 200, RoomSize: 5, Senders: 1, Rate: .125, Size: 64,
			Warmup: 2, Duration: 20, Drain: 10, Rounds: 2, Seed: 1,
		},
		Environment: result.Environment{
			CPU: "AMD EPYC 7B13", Cores: 2, MemoryBytes: 8 << 30, OS: "debian 12.5", Kernel: "6.1.0", Arch: "amd64",
			Go: "go1.26.0", Pushpull: "v0.1.0", Modules: map[string]string{"nhooyr.io/websocket": "v1.8.17"},
		},
	}}
	for _, m := range models {
		res.Run.Scenario.Transports = append(res.Run.Scenario.Transports, m.transport)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for round := 1; round <= 2; round++ {
		for _, m := range models {
			res.Windows = append(res.Windows, window(random, m, round))
		}
	}
	return report.NewRun(name, res)
}

func window(random *rand.Rand, m model, round int) result.Window {
	const seconds, deliveries = 20, 400
	w := result.Window{
		Transport: m.transport, Round: round, Users: 200, Cores: 2, DurationS: seconds, DrainedS: 1,
		Planned: 100, Sent: 100, Expected: deliveries, Delivered: deliveries,
		Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram(),
		Traffic: result.Traffic{
			Connections: 200, Requests: m.requests, Handshakes: m.handshakes, EmptyResponses: m.empty,
			Posts: 100, BytesIn: m.bytes * 2 / 3, BytesOut: m.bytes / 3,
		},
		Store:  &result.Store{Appends: 100, Reads: m.reads, EmptyReads: m.emptyReads},
		Server: &result.Process{CPUS: m.cpu, RSSBytes: 14_000_000 + 200*m.memory, RSSIdleBytes: 14_000_000},
		Joining: []result.MemorySample{
			{Users: 0, InUseBytes: 1_000_000, RSSBytes: 14_000_000},
			{Users: 100, InUseBytes: 1_000_000 + 100*m.memory, RSSBytes: 15_600_000 + 100*m.memory},
			{Users: 200, InUseBytes: 1_000_000 + 200*m.memory, RSSBytes: 15_600_000 + 200*m.memory},
		},
		Generator: result.Process{CPUS: .04, RSSBytes: 30_000_000, RSSIdleBytes: 20_000_000},
	}
	if w.Way = m.way; !w.Way.Known() {
		w.Way = result.FormerWay(m.transport, m.interval)
	}
	w.Calibration = &result.Calibration{
		RoundTrip: result.NewHistogram(), Delivery: result.NewHistogram(),
		Bytes: &result.Bytes{Send: 358, Empty: 187, Answer: 241, Message: 121},
	}
	if w.Way.Duplex {
		w.Calibration.Bytes = &result.Bytes{Send: 131, Message: 121}
	}
	for range 100 {
		w.Calibration.RoundTrip.Record(time.Duration(200e3 * math.Exp(.2*random.NormFloat64())))
		w.Calibration.Delivery.Record(time.Duration(400e3 * math.Exp(.25*random.NormFloat64())))
	}
	for at := range seconds {
		slice := result.Slice{AtS: float64(at), WidthS: 1, Latency: result.NewHistogram()}
		for range deliveries / seconds {
			latency := time.Duration(m.latency(random) * float64(time.Second))
			slice.Latency.Record(latency)
			w.Latency.Record(latency)
			w.SendDelay.Record(40 * time.Microsecond)
			w.Accept.Record(200 * time.Microsecond)
			w.Late.Record(60 * time.Microsecond)
		}
		w.Slices = append(w.Slices, slice)
	}
	return w
}

// onServers changes a run to n servers, each of which reads the store for its own users.
func onServers(run *report.Run, n int, store string) {
	run.Run.Scenario.Servers, run.Run.Scenario.Store = n, store
	for i, w := range run.Windows {
		w.Servers = n
		if w.Way.EveryS == 0 { // short polls don't depend on the number of servers
			w.Store.Reads *= int64(n)
		}
		w.Server.CPUS *= 1.7
		run.Windows[i] = w
	}
}

// cases returns the runs of the goldens, among them ones that a chart may stumble over.
func cases() map[string][]report.Run { return maps.Clone(allCases()) }

// allCases makes the cases once, as their intervals take a while.
var allCases = sync.OnceValue(func() map[string][]report.Run {
	silent := synthetic("", 1, four...)
	for i, w := range silent.Windows {
		w.Delivered, w.Lost = 0, w.Expected
		w.Latency, w.Slices = result.NewHistogram(), nil
		silent.Windows[i] = w
	}
	foreign := synthetic("", 1, four...)
	foreign.Run.Scenario.Target = "http://chat.example:8080"
	for i := range foreign.Windows {
		foreign.Windows[i].Server, foreign.Windows[i].Store = nil, nil
	}
	interrupted := synthetic("", 1, four...)
	interrupted.Windows = interrupted.Windows[:3]
	last := &interrupted.Windows[2]
	last.Interrupted, last.DurationS, last.Slices = true, 7.4, last.Slices[:7]
	hostile := synthetic("", 1, four...)
	hostile.Run.Scenario.Name = "</title><script>alert(1)</script>"
	hostile.Run.Scenario.About = "\x1b[31m<img src=x onerror=alert(2)>"
	hostile.Run.Command = "pushpull run '</pre><script>alert(3)</script>'"
	hostile.Run.Note = "</td><script>alert(7)</script>\x1b[31m\n\u202e"
	hostile.Run.Tags = map[string]string{"commit": "<img src=x onerror=alert(8)>"}
	hostile.Run.Environment.Modules["<b>x</b>"] = "]]><svg onload=alert(4)>"
	for i, w := range hostile.Windows {
		if w.Transport == "long-poll" {
			hostile.Windows[i].Transport = "<img src=x onerror=alert(5)>\x1b[2J\"'&"
			hostile.Windows[i].Errors = []result.Failure{{Text: "<script>alert(6)</script>\x00", Count: 2}}
		}
	}
	lost := synthetic("", 1, four...)
	for i, w := range lost.Windows {
		if w.Transport == "long-poll" {
			w.Delivered -= 3
			w.Lost, w.Reordered = 3, 1
			lost.Windows[i] = w
		}
	}
	long := synthetic("", 1,
		model{transport: "a-transport-that-someone-gave-a-very-long-name-for-no-good-reason@1500ms", latency: uniform(1.5), requests: 9000, bytes: 9000, cpu: 2, memory: 30_000},
		model{transport: "another-kind", latency: lognormal(.0002, .2), requests: 1, bytes: 9000, cpu: .0001, memory: -40},
		webSocket)
	short := synthetic("", 1, poll5, webSocket)
	for i, w := range short.Windows {
		w.Slices = w.Slices[9:10]
		w.Latency = w.Slices[0].Latency
		w.Planned, w.Sent, w.Expected, w.Delivered = 5, 5, 20, 20
		short.Windows[i] = w
	}
	elsewhere := synthetic("after the change", 2, four...)
	elsewhere.Run.Environment.Kernel = "6.9.1"
	elsewhere.Run.Scenario.Users = 300
	inMemory, inPostgres := synthetic("memory", 1, four...), synthetic("postgres", 2, four...)
	onServers(&inPostgres, 3, "postgres")
	servers := synthetic("", 1, four...)
	onServers(&servers, 3, "postgres")
	servers.Windows[2].Rejoins = 4
	const longRun = "measurements/2026-03-01-on-the-machine-in-the-cellar/%s/with-three-servers-and-a-warm-cache"
	names := []report.Run{
		synthetic("日本", 1, poll5, webSocket),
		synthetic("中国 \u202e👩", 2, poll5, webSocket),
		synthetic("שלום", 3, poll5, webSocket),
		synthetic(fmt.Sprintf(longRun, "before"), 4, poll5, webSocket),
		synthetic(fmt.Sprintf(longRun, "after"), 5, poll5, webSocket),
	}
	all := map[string][]report.Run{
		"chat":              {synthetic("", 1, four...)},
		"two-runs":          {synthetic("before", 1, four...), elsewhere},
		"stores":            {inMemory, inPostgres},
		"servers":           {servers},
		"nothing-delivered": {silent},
		"foreign-server":    {foreign},
		"interrupted":       {interrupted},
		"no-window":         {{Result: &result.Result{Run: silent.Run}}},
		"hostile":           {hostile},
		"lost":              {lost},
		"long-names":        {long},
		"names":             names,
		"few":               {short},
		"one-transport":     {synthetic("", 1, webSocket)},
		"eight-transports":  {synthetic("", 1, eight...)},
		"two-engines":       {synthetic("", 1, six...)},
	}
	for _, runs := range all {
		for i, run := range runs {
			runs[i] = report.NewRun(run.Name, run.Result) // the windows have changed since
		}
	}
	return all
})
