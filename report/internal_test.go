package report

import (
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/plot/vg"

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
		{"servers without measured CPU", []Run{unmeasured}, []string{"2 servers, store nats"}},
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
	met := map[color.RGBA]string{}
	for _, class := range result.Classes() {
		hue, known := hueOf(class)
		if !known || met[hue] != "" || slices.Contains(spareHues, hue) {
			t.Errorf("the hue of %s is %v (known: %t), which is also that of %q or a spare one", class, hue, known, met[hue])
		}
		met[hue] = class
	}
}

func TestColoursStay(t *testing.T) {
	measured := func(transports ...string) (all []series) {
		for _, transport := range transports {
			all = append(all, series{Row: result.Row{Transport: transport, Way: result.FormerWay(transport, 0)}})
		}
		return all
	}
	alone := stylesOf(measured("websocket"))["websocket"]
	styles := stylesOf(measured("short-poll@5s", "mine", "short-poll@1s", "short-poll@2s", "short-poll@3s", "long-poll", "yours", "websocket"))
	if styles["websocket"].colour != alone.colour {
		t.Error("the colour of a transport depends on the other transports")
	}
	if other := alone.inRun(1, 2); other.colour != alone.colour || other.hatch == alone.hatch || slices.Equal(other.dashes, alone.dashes) {
		t.Errorf("a second run looks like %+v", other)
	}
	seen := map[color.RGBA]string{}
	for transport, style := range styles {
		if other := seen[style.colour]; other != "" {
			t.Errorf("%s and %s have the same colour", transport, other)
		}
		seen[style.colour] = transport
		if contrast := 1.05 / (luminance(ink(style.colour)) + .05); contrast < 4.5 {
			t.Errorf("the name %s has a contrast of %.1f on white", transport, contrast)
		}
	}
}

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
	if got := labels(shareAxis(2)); !slices.Equal(got, []string{"0 %", "50 %", "75 %", "90 %", "95 %", "99 %"}) {
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
