package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// costing is a transport in a synthetic sweep, whose cost is known by construction.
type costing struct {
	model
	polls float64 // CPU of a poll, in µs
	each  float64 // CPU of a delivery, in µs
}

var costings = []costing{
	{model{transport: "short-poll", way: result.Way{Title: "short polling", EveryS: 1}, memory: 9_800}, 40, 10},
	{model{transport: "long-poll", way: result.Way{Title: "long polling", HoldS: 30}, latency: lognormal(.0007, .35), memory: 21_300}, 0, 90},
	{model{transport: "websocket", way: twoWay("WebSocket", ""), latency: lognormal(.0004, .3), memory: 16_900}, 0, 55},
}

// sweepOf returns a set of pairs, with a point for each combination of the axes. Keys are users, rate and interval. edit
// changes the windows of a point; nil: none.
func sweepOf(axes []result.Axis, edit func(p result.Point, w *result.Window)) report.Set {
	scenario := result.Scenario{
		Name: "pairs", About: "People who talk in pairs.", Users: 200, RoomSize: 2, Senders: 2, Rate: .5, Size: 200,
		Warmup: 2, Duration: 20, Drain: 10, Rounds: 3, Seed: 1, Transports: []string{"short-poll@1s", "long-poll", "websocket"},
	}
	index := result.Index{
		Schema: result.Schema, Kind: result.KindSweep, Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Command: "pushpull sweep pairs", Scenario: scenario, WithinS: 2.5, Axes: axes,
	}
	index.Points = []result.Point{{}}
	for _, axis := range axes {
		var more []result.Point
		for _, p := range index.Points {
			for _, value := range axis.Values {
				dir := strings.TrimPrefix(p.Dir+","+axis.Key+"="+value, ",")
				more = append(more, result.Point{Dir: dir, Values: append(slices.Clone(p.Values), value)})
			}
		}
		index.Points = more
	}
	var results []*result.Result
	for i, p := range index.Points {
		results = append(results, pointOf(scenario, axes, p, rand.New(rand.NewPCG(1, uint64(i))), edit))
	}
	return report.NewSet(index, results)
}

// pointOf returns the result of a point.
func pointOf(s result.Scenario, axes []result.Axis, p result.Point, random *rand.Rand, edit func(result.Point, *result.Window)) *result.Result {
	every, first := 1.0, true
	for i, axis := range axes {
		switch axis.Key {
		case "users":
			s.Users, _ = strconv.Atoi(p.Values[i])
		case "rate":
			s.Rate, _ = strconv.ParseFloat(p.Values[i], 64)
		case result.AxisInterval:
			d, _ := time.ParseDuration(p.Values[i])
			every, first = d.Seconds(), p.Values[i] == axis.Values[0]
		}
	}
	s.Transports = nil
	res := &result.Result{}
	for round := 1; round <= s.Rounds; round++ {
		for _, c := range costings {
			m := c.model
			if timer := m.way.EveryS > 0; timer {
				m.way.EveryS, m.latency = every, uniform(every)
				m.transport += "@" + result.Seconds(every).String()
			} else if !first {
				continue
			}
			if round == 1 {
				s.Transports = append(s.Transports, m.transport)
			}
			res.Windows = append(res.Windows, c.window(random, m, s, round))
			if edit != nil {
				edit(p, &res.Windows[len(res.Windows)-1])
			}
		}
	}
	res.Run = result.Run{
		Schema: result.Schema, Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Command: "pushpull sweep pairs", Scenario: s,
		Environment: result.Environment{CPU: "AMD EPYC 7B13", Cores: 2, MemoryBytes: 8 << 30, OS: "debian 12.5", Arch: "amd64", Go: "go1.26.0", Pushpull: "v0.1.0"},
	}
	return res
}

// window returns one of 20 s, in which a message has one receiver.
func (c costing) window(random *rand.Rand, m model, s result.Scenario, round int) result.Window {
	const seconds = 20
	messages := int64(math.Round(float64(s.Users) * s.Rate * seconds))
	m.requests, m.reads, m.bytes = 0, messages, messages*420
	switch {
	case m.way.EveryS > 0:
		m.requests = int64(float64(s.Users) * seconds / m.way.EveryS)
		m.empty = int64(float64(m.requests) * math.Exp(-s.Rate*m.way.EveryS))
		m.reads, m.emptyReads, m.bytes = m.requests, m.empty, m.empty*187+(m.requests-m.empty)*241+messages*479
	case m.way.HoldS > 0:
		m.requests, m.bytes = messages, messages*800
	default:
		m.requests, m.handshakes = int64(s.Users), int64(s.Users)
	}
	noise := math.Exp(.03 * random.NormFloat64())
	m.cpu = noise * (float64(m.requests)*c.polls + float64(messages)*c.each) / 1e6
	w := window(random, m, round)
	w.Users = s.Users
	w.Planned, w.Sent, w.Expected, w.Delivered = int(messages), int(messages), int(messages), int(messages)
	w.Traffic.Connections, w.Traffic.Posts = int64(s.Users), messages
	w.Store.Appends = messages
	for i := range w.Joining {
		w.Joining[i].Users = s.Users * i / (len(w.Joining) - 1)
		w.Joining[i].InUseBytes = 1_000_000 + int64(w.Joining[i].Users)*m.memory
	}
	return w
}

var (
	byUsers     = result.Axis{Key: "users", Values: []string{"200", "400", "800"}}
	byRate      = result.Axis{Key: "rate", Values: []string{"0.02", "0.2", "2"}}
	byIntervals = result.Axis{Key: result.AxisInterval, Values: []string{"1s", "5s"}}
)

func TestSetGolden(t *testing.T) {
	lost := func(p result.Point, w *result.Window) {
		if p.Dir == "rate=2,interval=1s" && w.Transport == "websocket" {
			w.Delivered, w.Lost = w.Delivered-1, 1
		}
	}
	partial := sweepOf([]result.Axis{byUsers}, nil)
	partial.Runs[1] = report.Run{Name: partial.Runs[1].Name}
	for name, c := range map[string]struct {
		set    report.Set
		charts []string // that are goldens
	}{
		"sweep-users":    {sweepOf([]result.Axis{byUsers, byRate}, nil), []string{"choice", "by-server-cores", "by-p99"}},
		"sweep-interval": {sweepOf([]result.Axis{byRate, byIntervals}, lost), []string{"cheapest", "by-server-cpu"}},
		"sweep-partial":  {partial, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := report.WriteSet(dir, c.set); err != nil {
				t.Fatal(err)
			}
			for _, chart := range report.SetCharts(c.set) {
				svg := read(t, filepath.Join(dir, chart.Name+".svg"))
				report.CheckSVG(t, svg)
				checkPNG(t, filepath.Join(dir, chart.Name+".png"))
				if slices.Contains(c.charts, chart.Name) {
					golden(t, filepath.Join(name, chart.Name+".svg"), svg)
				}
			}
			for _, chart := range c.charts {
				if !slices.ContainsFunc(report.SetCharts(c.set), func(c report.Chart) bool { return c.Name == chart }) {
					t.Errorf("there is no chart %s", chart)
				}
			}
			page := read(t, filepath.Join(dir, report.Page))
			checkPage(t, page)
			golden(t, filepath.Join(name, report.Page), bare(page))
			var table, markdown bytes.Buffer
			if err := report.SetTable(&table, text.Screen{UTF8: true}, c.set); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(name, "table.txt"), table.Bytes())
			if err := report.SetMarkdown(&markdown, c.set); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(name, "summary.md"), markdown.Bytes())
		})
	}
}

// TestSetTable checks that the table fits a terminal that shows ASCII alone, however many knobs are varied.
func TestSetTable(t *testing.T) {
	three := []result.Axis{byUsers, byRate, byIntervals}
	for i := range three {
		three[i].Values = three[i].Values[:2]
	}
	set := sweepOf(three, nil)
	for _, columns := range []int{80, 40} {
		var out bytes.Buffer
		if err := report.SetTable(&out, text.Screen{Columns: columns}, set); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if text.Width(line) > columns {
				t.Errorf("%d columns are too few for %q", columns, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
				t.Errorf("%q is not ASCII", line)
			}
		}
	}
}

// TestGrowth checks that a figure which depends on the number of users is found, and others are not.
func TestGrowth(t *testing.T) {
	axes := []result.Axis{byUsers, byRate}
	axes[1].Values = axes[1].Values[:2]
	flat := sweepOf(axes, nil)
	if found, compared := flat.Growth(); len(found) > 0 || !compared {
		t.Errorf("costs that don't grow: %v, compared %t", found, compared)
	}
	grown := func(share float64) report.Set {
		return sweepOf(axes, func(p result.Point, w *result.Window) {
			if w.Transport == "long-poll" && p.Dir == "users=800,rate=0.2" {
				w.Traffic.BytesIn = int64(float64(w.Traffic.BytesIn+w.Traffic.BytesOut)*(1+share)) - w.Traffic.BytesOut
			}
		})
	}
	if found, _ := grown(.08).Growth(); len(found) > 0 {
		t.Errorf("8%% more bytes are found: %v", found)
	}
	found, _ := grown(.15).Growth()
	const want = "long-poll: bytes at rate=0.2 changes from 800 B/message with 200 users to 920 B/message with 800, and should not depend on them"
	if len(found) != 1 || found[0].Text != want {
		t.Errorf("15%% more bytes: %+v, want %s", found, want)
	}
	var out bytes.Buffer
	if err := report.SetTable(&out, text.Screen{}, grown(.15)); err != nil || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
		t.Errorf("the table lacks it: %v\n%s", err, out.String())
	}
	same := grown(.15)
	same.Index.DeliveriesPerS = 500
	if found, compared := same.Growth(); len(found) > 0 || compared {
		t.Errorf("with as many deliveries for more users each has more polls for one, and yet these are compared: %v", found)
	}
	if _, compared := sweepOf([]result.Axis{byRate}, nil).Growth(); compared {
		t.Error("without several numbers of users there is nothing to compare")
	}
}

// TestCostsByUsers checks what the table says of CPU and memory with the users varied alone, and where it shows the
// generator.
func TestCostsByUsers(t *testing.T) {
	table := func(set report.Set) string {
		var out bytes.Buffer
		if err := report.SetTable(&out, text.Screen{}, set); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	const said = "websocket, from 200 to 800 users: server CPU 54.7 to 109 us/message, server memory 16.9 to 16.9 KB/user, " +
		"generator CPU 20.0 to 5.00 us/message, generator memory 50.0 to 12.5 KB/user."
	dearer := func(p result.Point, w *result.Window) {
		if w.Transport == "websocket" && w.Users == 800 {
			w.Server.CPUS *= 2
		}
	}
	if got := table(sweepOf([]result.Axis{byUsers}, dearer)); !strings.Contains(got, said) || strings.Contains(got, "not to be believed") {
		t.Errorf("want %q in %s", said, got)
	}
	doubted := table(sweepOf([]result.Axis{byUsers}, func(p result.Point, w *result.Window) {
		if w.Users == 800 {
			w.Lost++
		}
	}))
	if want := "websocket, from 200 to 400 users: "; !strings.Contains(doubted, want) {
		t.Errorf("a point that is not to be believed is compared: want %q in %s", want, doubted)
	}
	if got := table(sweepOf([]result.Axis{byUsers, byRate}, nil)); strings.Contains(got, " users: server CPU") || !strings.Contains(got, "generator memory") {
		t.Errorf("with two knobs: %s", got)
	}
	if got := table(sweepOf([]result.Axis{byRate}, nil)); strings.Contains(got, "generator memory") {
		t.Errorf("without the users varied: %s", got)
	}
	for _, axes := range [][]result.Axis{{byUsers}, {byRate}} {
		var names []string
		for _, chart := range report.SetCharts(sweepOf(axes, nil)) {
			names = append(names, chart.Name)
		}
		if got, want := slices.Contains(names, "by-generator-cpu"), axes[0].Key == "users"; got != want {
			t.Errorf("with %s varied the charts are %v", axes[0].Key, names)
		}
	}
}

// TestSetSetup checks that a set says which deliveries and agents its points share.
func TestSetSetup(t *testing.T) {
	for agents, want := range map[string]string{
		"":     "15,000 deliveries per second in all",
		"auto": "15,000 deliveries per second in all, as many agents and servers as it takes",
		"1":    "15,000 deliveries per second in all, 1 agent",
		"6":    "15,000 deliveries per second in all, 6 agents",
	} {
		set := sweepOf([]result.Axis{byUsers}, nil)
		set.Index.DeliveriesPerS, set.Index.Agents = 15_000, agents
		var table, page bytes.Buffer
		if err := report.SetTable(&table, text.Screen{}, set); err != nil || !strings.Contains(table.String(), "\n"+want+"\n") {
			t.Errorf("%v, want %q in %s", err, want, table.String())
		}
		if err := report.SetHTML(&page, report.Link{}, set); err != nil || !strings.Contains(page.String(), want+".") ||
			!strings.Contains(page.String(), `deliveries in all, per second</th><td>15,000</td>`) {
			t.Errorf("the page lacks %q: %v", want, err)
		}
	}
}

// TestSetFitsNoDeliveries checks that no fit is drawn where the rate follows from the users.
func TestSetFitsNoDeliveries(t *testing.T) {
	set := sweepOf([]result.Axis{byUsers}, nil)
	var results []*result.Result
	for _, run := range set.Runs {
		results = append(results, run.Result)
	}
	for deliveries, fits := range map[float64]bool{0: true, 1500: false} {
		index := set.Index
		index.DeliveriesPerS = deliveries
		var chart bytes.Buffer
		if err := report.SetSVG(&chart, "by-server-cpu", report.NewSet(index, results)); err != nil || strings.Contains(chart.String(), "Thin: fit.") != fits {
			t.Errorf("%v deliveries: %v, want a fit: %t", deliveries, err, fits)
		}
	}
}

// TestSetJSON checks the rows of each point and what is said of them. A transport without a timer is measured at the first
// interval and counts for all.
func TestSetJSON(t *testing.T) {
	set := sweepOf([]result.Axis{byRate, byIntervals}, nil)
	var out bytes.Buffer
	if err := report.SetJSON(&out, set); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema int
		Index  result.Index
		Points []struct {
			Dir        string
			Cheapest   []string
			Transports []result.Row
		}
		Growth []report.Growth
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != result.Schema || len(got.Points) != 6 || got.Growth == nil || len(got.Index.Points) != 6 {
		t.Fatalf("schema %d, %d points", got.Schema, len(got.Points))
	}
	// A poll each second costs 40 µs a user, and with one in 5 s nothing is delivered within 2.5 s. At a rate of 0.02 a
	// WebSocket costs 1.1 µs, at 2 it costs 110 µs, and polling 60 µs.
	for i, want := range []string{"[websocket long-poll short-poll]", "[websocket long-poll]", "[websocket long-poll short-poll]", "[websocket long-poll]", "[short-poll websocket long-poll]", "[websocket long-poll]"} {
		p := got.Points[i]
		if fmt.Sprint(p.Cheapest) != want {
			t.Errorf("%s: the cheapest are %v, want %s", p.Dir, p.Cheapest, want)
		}
		if n := len(p.Transports); n != []int{3, 1}[i%2] {
			t.Errorf("%s has %d rows", p.Dir, n)
		}
	}
}

// TestHostileSet draws indexes that no sweep has made.
func TestHostileSet(t *testing.T) {
	set := sweepOf([]result.Axis{{Key: "interval", Values: []string{"1s", "2s"}}, {Key: "rate", Values: []string{"0.2", "2"}}}, nil)
	hostile := func(edit func(*result.Index)) report.Set {
		index := set.Index
		index.Axes, index.Points = slices.Clone(index.Axes), slices.Clone(index.Points)
		edit(&index)
		var results []*result.Result
		for _, run := range set.Runs {
			results = append(results, run.Result)
		}
		return report.NewSet(index, results)
	}
	for name, set := range map[string]report.Set{
		"names": hostile(func(x *result.Index) {
			x.Axes[0] = result.Axis{Key: "<script>alert(1)</script>\x1b", Values: []string{"<b>x</b>", "\x00"}}
			x.Note, x.Command = "<img src=x onerror=alert(2)>", "</pre><script>"
			x.Points[0].Values = []string{"<b>x</b>", "\u202e"}
		}),
		"numbers":   hostile(func(x *result.Index) { x.Axes[0].Values = []string{"NaN", "1e999"} }),
		"same":      hostile(func(x *result.Index) { x.Axes[0].Values = []string{"1", "1"} }),
		"no axes":   hostile(func(x *result.Index) { x.Axes, x.Points = nil, []result.Point{{Dir: "a"}} }),
		"no values": hostile(func(x *result.Index) { x.Axes[0].Values, x.Axes[1].Values = nil, nil }),
		"interval":  hostile(func(x *result.Index) { x.Axes[1] = result.Axis{Key: "interval", Values: []string{"soon"}} }),
		"negative":  hostile(func(x *result.Index) { x.Axes[0].Values = []string{"-5", "0"} }),
	} {
		var page bytes.Buffer // with the charts, but no PNGs, which take long
		if err := report.SetHTML(&page, report.Link{}, set); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkPage(t, page.Bytes())
		for _, svg := range inlineSVG.FindAll(page.Bytes(), -1) {
			report.CheckSVG(t, svg)
		}
		var out bytes.Buffer
		if err := report.SetTable(&out, text.Screen{}, set); err != nil || strings.ContainsAny(out.String(), "\x1b\x00") {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
	}
	if err := report.WriteSet(t.TempDir(), report.NewSet(result.Index{}, nil)); err == nil {
		t.Error("a set without a result is drawn")
	}
}
