package report

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// curves returns a chart with everything that a line can have.
func curves(panels int) curveChart {
	ms := func(v float64) string { return text.Duration(v, 2) }
	ch := curveChart{
		name: "curves", title: "Delivery latency (p99) by users", detail: "A chat in pairs.",
		x:      scale{label: "users", write: func(v float64) string { return text.Number(v, 3) }, at: []float64{250, 500, 1000, 2000, 4000}},
		y:      scale{label: "p99", write: ms},
		limits: []limit{{100, "at most 100 ms"}},
	}
	ways := []struct {
		name string
		way  result.Way
		base float64
	}{
		{"short-poll@1s", result.Way{EveryS: 1}, 990},
		{"long-poll", result.Way{HoldS: 30}, 2.1},
		{"websocket", result.Way{Stream: true, Duplex: true}, 1.4},
	}
	for panel := range panels {
		p := curvePanel{}
		if panels > 1 {
			p.title = []string{"rate 0.01 per s", "rate 0.1 per s", "rate 1 per s", "rate 10 per s"}[panel]
		}
		for i, w := range ways {
			line := curveLine{label: w.name, style: style{colour: colourOf(w.name, w.way), width: 1.8, mark: i}}
			for k, x := range ch.x.at {
				y := w.base * (1 + math.Pow(x/3000, 3)*float64(i)*float64(1+panel))
				point := curvePoint{x: x, y: y, low: y, high: y}
				if k > 1 {
					point.low, point.high = y*.8, y*1.4
				}
				point.doubted = k == 4 && i == 1
				line.points = append(line.points, point)
			}
			line.theory = plotter.XYs{{X: 250, Y: w.base * 1.1}, {X: 4000, Y: w.base * 1.1}}
			if i == 2 {
				line.fit = func(x float64) (float64, bool) { return w.base * (1 + x/1500), x < 3000 }
				line.marks = []limit{{1500, "the largest load that holds"}}
			}
			p.lines = append(p.lines, line)
		}
		ch.panels = append(ch.panels, p)
	}
	return ch
}

// TestCurveChart compares charts with goldens: one panel, several, and none with points.
func TestCurveChart(t *testing.T) {
	empty := curves(1)
	for i := range empty.panels[0].lines {
		empty.panels[0].lines[i].points = nil
	}
	linear := curves(1)
	linear.x.at, linear.limits = nil, nil
	linear.panels[0].lines = linear.panels[0].lines[1:]
	for name, ch := range map[string]curveChart{"one": curves(1), "several": curves(4), "linear": linear, "empty": empty} {
		t.Run(name, func(t *testing.T) { goldenFigure(t, "curves", name, ch.figure()) })
	}
	if said := strings.Join(curves(1).figure().values, " "); !strings.Contains(said, "websocket: 1.4 ms at 250") || !strings.Contains(said, "the largest load that holds at 1500") {
		t.Errorf("the chart says %s", said)
	}
}

// goldenFigure checks a figure at both widths, and compares the SVG with the golden. The PNG must be drawable.
func goldenFigure(t *testing.T, folder, name string, f figure) {
	t.Helper()
	png, err := f.png()
	if err != nil || len(png) == 0 {
		t.Fatalf("%d bytes of PNG, %v", len(png), err)
	}
	for file, svg := range map[string][]byte{name + ".svg": f.svg(), name + "-narrow.svg": f.phone()} {
		CheckSVG(t, svg)
		path := filepath.Join("../testdata/report/golden", folder, file)
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, svg, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(svg, want) {
			t.Errorf("%s differs (%v): go test ./report -update rewrites it; look at it", path, err)
		}
	}
}
