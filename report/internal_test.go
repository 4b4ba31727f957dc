package report

import (
	"cmp"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/plot/vg"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

func TestSpoken(t *testing.T) {
	for _, test := range []struct {
		way   result.Way
		exact bool
		want  string
	}{
		{result.Way{Title: "short polling", EveryS: 5}, false, "short polling every 5 s"},
		{result.Way{Title: "short polling", EveryS: 1}, false, "short polling every second"},
		{result.Way{Title: "short polling", EveryS: .25}, true, "short polling every 250 ms"},
		{result.Way{Title: "long polling", HoldS: 30}, false, "long polling"},
		{result.Way{Title: "long polling", HoldS: 30}, true, "long polling held for 30 s"},
		{result.Way{Title: "long polling with a scan", HoldS: 30, ScanS: .005}, false, "long polling with a scan"},
		{result.Way{Title: "long polling with a scan", HoldS: 30, ScanS: .005}, true, "long polling with a scan every 5 ms"},
		{result.Way{Title: "WebSocket", Stream: true, Duplex: true}, true, "WebSocket"},
		{result.Way{Title: "server-sent events", Stream: true}, false, "server-sent events"},
		{result.Way{Title: "evil\n", Stream: true}, false, "evil\ufffd"},
		{result.Way{}, false, "carrier-pigeon@1s"},
	} {
		if got := spoken("carrier-pigeon@1s", test.way, test.exact); got != test.want {
			t.Errorf("%+v is spoken %q, want %q", test.way, got, test.want)
		}
	}
}

// Transports with the same way and setting are distinguished by their names.
func TestCallsOf(t *testing.T) {
	socket := result.Way{Title: "WebSocket", Stream: true, Duplex: true}
	rows := []result.Row{
		{Way: socket, Transport: "websocket"},
		{Way: socket, Transport: "websocket-lean"},
		{Way: result.Way{Title: "long polling", HoldS: 30}, Transport: "long-poll"},
	}
	call := callsOf(rows)
	for i, want := range []string{"WebSocket (websocket)", "WebSocket (websocket-lean)", "long polling"} {
		if got := call(rows[i]); got != want {
			t.Errorf("%s is called %q, want %q", rows[i].Transport, got, want)
		}
	}
}

func TestSetups(t *testing.T) {
	run := func(name string, s result.Scenario, servers int) Run {
		windows := []result.Window{{Servers: servers, Server: &result.Process{}}}
		return Run{Name: name, Result: &result.Result{Run: result.Run{Scenario: s}, Windows: windows}}
	}
	older := run("older", result.Scenario{}, 0)
	memory := run("memory", result.Scenario{Servers: 1, Store: "memory"}, 1)
	foreign := run("foreign", result.Scenario{Target: "http://there"}, 0)
	sqlite := run("sqlite", result.Scenario{Store: "sqlite"}, 0)
	redis := run("redis", result.Scenario{Servers: 2, Store: "redis\n"}, 2)
	unmeasured := run("unmeasured", result.Scenario{Servers: 2, Store: "nats"}, 2)
	unmeasured.Windows[0].Server = nil
	rooms := run("rooms", result.Scenario{Servers: 4, Spread: result.SpreadRooms}, 4)
	several := run("several", result.Scenario{Target: "http://a, http://b", Spread: result.SpreadRooms}, 2)
	far := run("far", result.Scenario{Network: network.Profile{Name: "4g", RTTS: .17}}, 0)
	agents := run("agents", result.Scenario{}, 0)
	agents.Windows[0].Agents = []result.Agent{{Machine: "two\n", RoundTripS: .0012}, {Machine: "one"}}
	const together = " (CPU and memory are those of all servers together)"
	for _, test := range []struct {
		name string
		runs []Run
		want []string
	}{
		{"one in memory", []Run{older}, nil},
		{"someone else's", []Run{foreign}, nil},
		{"nothing worth mentioning", []Run{older, memory, foreign}, nil},
		{"a store", []Run{sqlite}, []string{"1 server, store sqlite"}},
		{"servers", []Run{redis}, []string{"2 servers, store redis[U+000A]" + together}},
		{"rooms on servers", []Run{rooms}, []string{"4 servers, each room on one of them, store memory" + together}},
		{"someone else's servers", []Run{several}, []string{"2 servers that someone else started, each room on one of them" + together}},
		{"servers without measured CPU", []Run{unmeasured}, []string{"2 servers, store nats"}},
		{"a network", []Run{far}, []string{"1 server, store memory, network 4g: 170ms round trip"}},
		{"agents", []Run{agents}, []string{"1 server, store memory, 2 agents on one, two[U+000A], which began at most 1.2 ms apart"}},
		{"the same", []Run{sqlite, sqlite}, []string{"1 server, store sqlite"}},
		{"different", []Run{older, redis, foreign}, []string{
			"older: 1 server, store memory",
			"redis: 2 servers, store redis[U+000A]" + together,
			"foreign: a server that someone else started",
		}},
	} {
		if got := setups(test.runs); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestEmptyNote(t *testing.T) {
	for _, test := range []struct {
		reads, empty float64
		want         string
	}{
		{0, 0, ""},
		{10, 0, ""},
		{10, 10, "all found nothing"},
		{1000, 1, "under 1 % found nothing"},
		{1000, 535, "54 % found nothing"},
		{1000, 999, "99 % found nothing"},
	} {
		if got := emptyNote(test.reads, test.empty); got != test.want {
			t.Errorf("%v of %v: %q, want %q", test.empty, test.reads, got, test.want)
		}
	}
}

func TestApart(t *testing.T) {
	const pitch, low, high = 10, 0, 200
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		heights := make([]vg.Length, 1+random.IntN(20))
		for i := range heights {
			heights[i] = vg.Length(high * random.Float64() * random.Float64())
		}
		before := slices.Clone(heights)
		apart(heights, pitch, low, high)
		for i := range heights {
			if heights[i] < low-1e-9 || heights[i] > high+1e-9 {
				t.Fatalf("%v: %v is outside", before, heights)
			}
			for k := range i {
				if gap := max(heights[i]-heights[k], heights[k]-heights[i]); gap < pitch-1e-9 {
					t.Fatalf("%v: %v are %v apart", before, heights, gap)
				}
				if (before[i]-before[k])*(heights[i]-heights[k]) < 0 {
					t.Fatalf("%v: %v are in another order", before, heights)
				}
			}
		}
	}
}

// Each class of ways has a hue of its own.
func TestHues(t *testing.T) {
	met := map[float64]string{}
	for _, class := range result.Classes() {
		h, known := hueOf(class)
		if !known {
			t.Errorf("the hue of %s is unknown", class)
		}
		for other, theirs := range met {
			if apart := math.Abs(math.Remainder(h.hue-other, 360)); apart < 30 {
				t.Errorf("%s and %s are %.0f degrees apart", class, theirs, apart)
			}
		}
		met[h.hue] = class
	}
}

// The colour of a transport depends on no other transport, and can be seen on any page.
func TestColours(t *testing.T) {
	measured := func(transports ...string) (all []series) {
		for _, transport := range transports {
			all = append(all, series{Row: result.Row{Transport: transport, Way: result.FormerWay(transport, 0)}})
		}
		return all
	}
	transports := []string{
		"short-poll@5s", "mine", "short-poll@1s", "short-poll@2s", "short-poll@50ms", "short-poll@10s", "long-poll", "long-poll@5s",
		"long-poll-scan@5ms", "long-poll-scan", "yours", "websocket",
	}
	styles := stylesOf(measured(transports...))
	lean := series{Row: result.Row{Transport: "websocket-lean", Way: result.Way{Stream: true, Duplex: true}}}
	styles[lean.Transport] = style{colour: colourOf(lean.Transport, lean.Way)}
	for name, style := range styles {
		if alone := stylesOf(append(measured(name), lean))[name]; name != lean.Transport && alone.colour != style.colour {
			t.Errorf("the colour of %s depends on the other transports", name)
		}
		for other, theirs := range styles {
			const step = 8 // a difference in one component of sRGB that can be seen
			if a, b := style.colour.light, theirs.colour.light; name != other && max(apartBy(a.R, b.R), apartBy(a.G, b.G), apartBy(a.B, b.B)) < step {
				t.Errorf("%s and %s have the colours %v and %v", name, other, a, b)
			}
		}
		for _, line := range []paint{style.colour, ink(style.colour)} {
			least := map[bool]float64{true: lineContrast, false: textContrast}[line == style.colour]
			if light, dark := contrast(line.light, paper.light), contrast(line.dark, paper.dark); min(light, dark) < least {
				t.Errorf("%s has a contrast of %.1f on light paper and of %.1f on dark, want %v", name, light, dark, least)
			}
		}
	}
	// The shorter the setting, the darker.
	for _, order := range [][]string{{"short-poll@50ms", "short-poll@1s", "short-poll@2s", "short-poll@5s", "short-poll@10s"}, {"long-poll@5s", "long-poll"}} {
		if !slices.IsSortedFunc(order, func(a, b string) int {
			return cmp.Compare(luminance(styles[a].colour.light), luminance(styles[b].colour.light))
		}) {
			t.Errorf("%q are not from dark to light", order)
		}
	}
	if a, b := styles["websocket"].inRun(0, 2), styles["websocket"].inRun(1, 2); a.colour != b.colour || a.mark == b.mark || a.width <= b.width || a.pale >= b.pale {
		t.Errorf("two runs look like %+v and %+v", a, b)
	}
}

// The transports of a class look different: by a step of lightness, and by another one of hue.
func TestSameClass(t *testing.T) {
	way := result.Way{Title: "WebSocket", Stream: true, Duplex: true}
	a, b := colourOf("websocket", way), colourOf("websocket-lean", way)
	for kind, pair := range map[string][2]color.RGBA{"light": {a.light, b.light}, "dark": {a.dark, b.dark}} {
		// 1.3 is a contrast that is seen on two areas that touch, though too small for text.
		if c := contrast(pair[0], pair[1]); c < 1.3 {
			t.Errorf("on %s paper the colours of two WebSocket transports, %s and %s, have a contrast of %.2f", kind, cssOf(pair[0]), cssOf(pair[1]), c)
		}
	}
}

// The rows of one way on pushpull's own server and on others look different: by a step in a colour, and by a mark.
func TestForeignColours(t *testing.T) {
	servers := []string{"", "nchan/", "nchan-2/", "centrifugo/", "socketio/", "faye/", "sockjs/", "mine/"}
	for kind, way := range map[string]result.Way{
		"short-poll@200ms": {EveryS: .2}, "short-poll@5s": {EveryS: 5}, "long-poll": {HoldS: 30}, "sse": {Stream: true}, "websocket": {Stream: true, Duplex: true},
	} {
		var all []series
		for _, server := range servers {
			of := way
			of.Title, of.Server = "way", server
			all = append(all, series{Row: result.Row{Transport: server + kind, Way: of}})
		}
		styles := stylesOf(all)
		for i, a := range all {
			for _, b := range all[:i] {
				x, y := styles[a.Transport], styles[b.Transport]
				const step = 8 // as in TestColours
				c, d := x.colour.light, y.colour.light
				if x.mark == y.mark && max(apartBy(c.R, d.R), apartBy(c.G, d.G), apartBy(c.B, d.B)) < step {
					t.Errorf("%s and %s look alike: %s with mark %d, %s with mark %d", a.Transport, b.Transport, cssOf(c), x.mark, cssOf(d), y.mark)
				}
			}
			own, other := styles[kind].colour.light, styles[a.Transport].colour.light
			if i > 0 && max(apartBy(own.R, other.R), apartBy(own.G, other.G), apartBy(own.B, other.B)) < 16 {
				t.Errorf("%s looks like pushpull's own: %s and %s", a.Transport, cssOf(other), cssOf(own))
			}
		}
	}
}

func apartBy(a, b uint8) uint8 { return max(a, b) - min(a, b) }

func TestAxes(t *testing.T) {
	a := latencyAxis(.23, 4900)
	if got := labels(a); !slices.Equal(got, []string{"1 ms", "10 ms", "100 ms", "1 s"}) {
		t.Errorf("a wide latency axis has %q", got)
	}
	if got := labels(latencyAxis(.37, 4)); !slices.Equal(got, []string{"200 µs", "500 µs", "1 ms", "2 ms", "5 ms"}) {
		t.Errorf("a narrow latency axis has %q", got)
	}
	for _, high := range []float64{0, .0003, 1, 9.99, 10, 57, 12345} {
		if n := len(labels(countAxis("", 0, high))); n < 3 || n > 7 {
			t.Errorf("a count axis up to %v has %d ticks", high, n)
		}
	}
	if got := labels(shareAxis(2, false)); !slices.Equal(got, []string{"0 %", "50 %", "75 %", "90 %", "95 %", "99 %"}) {
		t.Errorf("shares of a hundred samples are marked %q", got)
	}
}

// labels returns the labels of the ticks within the axis.
func labels(a axis) []string {
	var all []string
	for _, tick := range a.ticks {
		if tick.Value >= a.min-1e-9 && tick.Value <= a.max+1e-9 {
			all = append(all, tick.Label)
		}
	}
	return all
}
