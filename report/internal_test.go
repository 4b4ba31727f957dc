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
		transport string
		exact     bool
		want      string
	}{
		{"short-poll", false, "polling"},
		{"short-poll@5s", false, "polling every 5 s"},
		{"short-poll@1s", false, "polling every second"},
		{"short-poll@250ms", true, "polling every 250 ms"},
		{"short-poll@1m30s", true, "polling every 1m30s"},
		{"long-poll", true, "long polling"},
		{"long-poll@30s", false, "long polling"},
		{"long-poll@30s", true, "long polling held for 30 s"},
		{"long-poll@1s", true, "long polling held for 1 s"},
		{"long-poll-scan@5ms", true, "long polling with a scan every 5 ms"},
		{"websocket", false, "WebSocket"},
		{"sse", false, "server-sent events"},
		{"carrier-pigeon@1s", false, "carrier-pigeon@1s"},
	} {
		if got := spoken(test.transport, test.exact); got != test.want {
			t.Errorf("%s is spoken %q, want %q", test.transport, got, test.want)
		}
	}
}

func TestSetups(t *testing.T) {
	run := func(name string, s result.Scenario, servers int) Run {
		windows := []result.Window{{Servers: servers, Server: &result.Process{}}}
		return Run{name, &result.Result{Run: result.Run{Scenario: s}, Windows: windows}}
	}
	older := run("older", result.Scenario{}, 0)
	memory := run("memory", result.Scenario{Servers: 1, Store: "memory"}, 1)
	foreign := run("foreign", result.Scenario{Target: "http://there"}, 0)
	sqlite := run("sqlite", result.Scenario{Store: "sqlite"}, 0)
	redis := run("redis", result.Scenario{Servers: 2, Store: "redis\n"}, 2)
	untelling := run("untelling", result.Scenario{Servers: 2, Store: "nats"}, 2)
	untelling.Windows[0].Server = nil
	const together = " (CPU and memory are those of all servers together)"
	for _, test := range []struct {
		name string
		runs []Run
		want []string
	}{
		{"one in memory", []Run{older}, nil},
		{"someone else's", []Run{foreign}, nil},
		{"nothing to tell apart", []Run{older, memory, foreign}, nil},
		{"a store", []Run{sqlite}, []string{"1 server, store sqlite"}},
		{"servers", []Run{redis}, []string{"2 servers, store redis\uFFFD" + together}},
		{"servers that tell nothing", []Run{untelling}, []string{"2 servers, store nats"}},
		{"the same", []Run{sqlite, sqlite}, []string{"1 server, store sqlite"}},
		{"different", []Run{older, redis, foreign}, []string{
			"older: 1 server, store memory",
			"redis: 2 servers, store redis\uFFFD" + together,
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
		places := make([]vg.Length, 1+random.IntN(20))
		for i := range places {
			places[i] = vg.Length(high * random.Float64() * random.Float64())
		}
		before := slices.Clone(places)
		apart(places, pitch, low, high)
		for i := range places {
			if places[i] < low-1e-9 || places[i] > high+1e-9 {
				t.Fatalf("%v: %v is outside", before, places)
			}
			for k := range i {
				if gap := max(places[i]-places[k], places[k]-places[i]); gap < pitch-1e-9 {
					t.Fatalf("%v: %v are %v apart", before, places, gap)
				}
				if (before[i]-before[k])*(places[i]-places[k]) < 0 {
					t.Fatalf("%v: %v have changed places", before, places)
				}
			}
		}
	}
}

func TestColoursStay(t *testing.T) {
	alone := stylesOf([]string{"websocket"})["websocket"]
	styles := stylesOf([]string{"short-poll@5s", "mine", "short-poll@1s", "short-poll@2s", "short-poll@3s", "long-poll", "yours", "websocket"})
	if styles["websocket"].colour != alone.colour {
		t.Error("a transport changes its colour in company")
	}
	if other := alone.inRun(1, 2); other.colour != alone.colour || other.hatch == alone.hatch || slices.Equal(other.dashes, alone.dashes) {
		t.Errorf("a second run looks like %+v", other)
	}
	seen := map[color.RGBA]string{}
	for transport, style := range styles {
		if other := seen[style.colour]; other != "" {
			t.Errorf("%s and %s have one colour", transport, other)
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

// labels returns those of the ticks within the axis.
func labels(a axis) []string {
	var all []string
	for _, tick := range a.ticks {
		if tick.Value >= a.min-1e-9 && tick.Value <= a.max+1e-9 {
			all = append(all, tick.Label)
		}
	}
	return all
}
