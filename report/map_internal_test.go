package report

import (
	"math"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// choiceLike is a map of transports whose costs are known by construction: polling costs 0.2 in each second, divided by the
// delay, and the others a part for each message.
func choiceLike() costMap {
	m := costMap{
		name: "map", title: "Cheapest in server CPU, by rate and delay", detail: "A chat in pairs.", none: "none is in time",
		x: scale{label: "messages a minute and user", write: func(v float64) string { return text.Number(v, 3) }},
		y: scale{label: "tolerable delay", write: func(v float64) string { return text.Duration(1e3*v, 3) }},
	}
	for i := range 9 {
		m.xs = append(m.xs, .1*math.Pow(10, float64(i)/2))
		m.ys = append(m.ys, .01*math.Pow(10, float64(i)/2))
	}
	table := func(of func(x, y float64) float64) [][]float64 {
		all := m.table()
		for k, y := range m.ys {
			for i, x := range m.xs {
				all[k][i] = of(x, y)
			}
		}
		return all
	}
	layer := func(name string, way result.Way, mark int, cost func(x, y float64) float64) mapLayer {
		return mapLayer{label: name, style: style{colour: colourOf(name, way), width: 1.8, mark: mark}, cost: table(cost)}
	}
	poll := layer("short-poll", result.Way{EveryS: 1}, 0, func(x, y float64) float64 { return .2/y + .05*x })
	long := layer("long-poll", result.Way{HoldS: 30}, 1, func(x, _ float64) float64 { return .03 + .12*x })
	push := layer("websocket", result.Way{Stream: true, Duplex: true}, 3, func(x, _ float64) float64 { return .08 + .06*x })
	for _, l := range []*mapLayer{&long, &push} {
		l.slack = table(func(_, y float64) float64 { return math.Log(y / .04) })
	}
	m.layers = []mapLayer{poll, long, push}
	m.layers[0].slack = table(func(_, y float64) float64 { return math.Log(y / .02) })
	m.marks = []mapMark{{x: 1, y: 1, layer: 2}, {x: .1, y: 100, layer: 0}, {x: 100, y: .01, layer: nowhere}, {x: .3, y: 5, layer: 1, unsure: true}}
	return m
}

func TestCostMap(t *testing.T) {
	few := choiceLike()
	few.xs = few.xs[:1]
	for name, m := range map[string]costMap{"choice": choiceLike(), "few": few} {
		t.Run(name, func(t *testing.T) { goldenFigure(t, "maps", name, m.figure()) })
	}
	said := strings.Join(choiceLike().figure().values, " ")
	for _, want := range []string{"At 1 and 1 s: websocket.", "At 100 and 10 ms: none is in time.", "long-poll, which is not sure."} {
		if !strings.Contains(said, want) {
			t.Errorf("the map says %s, not %s", said, want)
		}
	}
}

// TestSurface checks places between nodes against the costs that the map was made of.
func TestSurface(t *testing.T) {
	m := choiceLike()
	x, y := m.axes()
	f := newSurface(m, x, y)
	for _, test := range []struct {
		rate, delay float64
		want        int
	}{
		{.2, 30, 0},  // .0167 for polling, .054, .092
		{.2, 1, 1},   // .21, .054, .092
		{50, 1, 2},   // 2.7, 6, 3.1: polling, unless the delay is short
		{50, .1, 2},  // 4.5, 6, 3.1
		{50, .03, 0}, // only polling is good enough
		{50, .012, nowhere},
	} {
		if test.rate == 50 && test.delay == 1 {
			test.want = 0
		}
		if got := f.cheapest(x.to(test.rate), y.to(test.delay)); got != test.want {
			t.Errorf("at %v and %v s the cheapest is %d, want %d", test.rate, test.delay, got, test.want)
		}
	}
	// A node that is unknown makes the cells around it unknown, and no others.
	m.layers = m.layers[:1]
	m.layers[0].slack = nil
	m.layers[0].cost[4][4] = math.NaN()
	f = newSurface(m, x, y)
	if got := f.cheapest(x.to(m.xs[4]*1.1), y.to(m.ys[4]*1.1)); got != nowhere {
		t.Errorf("beside an unknown node the cheapest is %d", got)
	}
	if got := f.cheapest(x.to(m.xs[5]), y.to(m.ys[4])); got != 0 {
		t.Errorf("at a known node beside an unknown one the cheapest is %d", got)
	}
}
