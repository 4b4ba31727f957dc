package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// recoveryGrid is the time between two points of a line, in seconds.
const recoveryGrid = .1

// A recoveryPanel is a quantity over time.
type recoveryPanel struct {
	title string
	of    func(result.RecoveryStep) float64
	lasts bool // a window that has ended stays where it was
}

func recoveryPanels() []recoveryPanel {
	return []recoveryPanel{
		{"Users that messages can reach", func(s result.RecoveryStep) float64 { return float64(s.Reached) }, true},
		{"Requests a second", func(s result.RecoveryStep) float64 { return float64(s.Requests) / s.WidthS }, false},
		{"Server CPU, % of one core", func(s result.RecoveryStep) float64 { return 100 * s.CPUS / s.WidthS }, false},
	}
}

// over returns the median of a quantity over time, from the beginning of the fault. The windows begin and end at
// different times.
func (l recoveryLine) over(p recoveryPanel) plotter.XYs {
	var all plotter.XYs
	first, last := math.Inf(-1), math.Inf(-1)
	for _, w := range l.windows {
		if n := len(w.Steps); n > 0 {
			first, last = max(first, w.Steps[0].AtS), max(last, w.Steps[n-1].AtS)
		}
	}
	if math.IsInf(first, -1) {
		return nil
	}
	for i := math.Ceil(first / recoveryGrid); i*recoveryGrid <= last; i++ {
		var values []float64
		for _, w := range l.windows {
			at, _ := slices.BinarySearchFunc(w.Steps, i*recoveryGrid, func(s result.RecoveryStep, x float64) int { return cmp.Compare(s.AtS, x) })
			switch {
			case at < len(w.Steps):
				values = append(values, p.of(w.Steps[at]))
			case p.lasts && at > 0:
				values = append(values, p.of(w.Steps[at-1]))
			}
		}
		if len(values) > 0 {
			all = append(all, plotter.XY{X: i * recoveryGrid, Y: median(values)})
		}
	}
	return all
}

// figure draws the recovery on all transports over time. number is part of its name; 0: there is one.
func (r recovery) figure(number int) figure {
	f := figure{name: "recovery", title: text.Upper(r.title()), detail: "Medians over the windows. Shaded: the fault. Seconds since it began."}
	if number > 0 {
		f.name = fmt.Sprintf("recovery-%d", number)
	}
	var legend []curve
	lasts := 0.
	for _, l := range r.lines {
		lasts = max(lasts, l.lasts)
		m := l.merged()
		words := fmt.Sprintf("%s: %s, ", l.name, text.Plural(m.Cut, "user was cut off", "users were cut off"))
		if all := l.all(); math.IsInf(all, 1) {
			words += "not all of whom came back"
		} else {
			words += fmt.Sprintf("half were back after %s, all after %s", text.Duration(1e3*l.half(), 2), text.Duration(1e3*all, 2))
		}
		f.values = append(f.values, words+fmt.Sprintf(", with %d requests.", m.Requests))
		legend = append(legend, curve{series: series{name: l.name, style: l.style}})
	}
	panels := recoveryPanels()
	f.height = headHeight + 2*margin + 150*vg.Length(len(panels)) + 24 + legendPitch*vg.Length(len(legend)+1)
	f.narrow = f.height
	f.plot = func(c draw.Canvas) { r.plot(c, panels, legend, lasts) }
	return f
}

// plot draws the panels, one above the other, and the legend below.
func (r recovery) plot(c draw.Canvas, panels []recoveryPanel, legend []curve, lasts float64) {
	columns := legendColumns(legend, c.Max.X-c.Min.X+2*margin)
	drawLegendBelow(c, legend)
	c.Min.Y += 8 + legendPitch*vg.Length((len(legend)+columns-1)/columns)
	low, high := 0., 0.
	for _, l := range r.lines {
		for _, w := range l.windows {
			for _, s := range w.Steps {
				low, high = min(low, s.AtS), max(high, s.AtS)
			}
		}
	}
	const above, label = 17, 14
	height := (c.Max.Y - c.Min.Y - label) / vg.Length(len(panels))
	width := vg.Length(0) // of the widest y axis
	var axes []axis
	for _, p := range panels {
		most := 0.
		for _, l := range r.lines {
			for _, xy := range l.over(p) {
				most = max(most, xy.Y)
			}
		}
		y := countAxis("", 0, 1.05*most)
		axes = append(axes, y)
		width = max(width, newPlot(axis{}, y).DataCanvas(c).Min.X-c.Min.X)
	}
	x := countAxis("", 0, high)
	x.min = low
	x.ticks = spaced(x, c.Max.X-c.Min.X-width)
	for i, p := range panels {
		panelX := x
		at := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: c.Min.X + width, Y: c.Max.Y - height*vg.Length(i+1)}, Max: vg.Point{X: c.Max.X, Y: c.Max.Y - height*vg.Length(i)},
		}}
		if i == len(panels)-1 {
			panelX.label = "seconds since the fault began"
			at.Min.Y -= label
		}
		c.FillText(bold(10, black), vg.Point{X: at.Min.X, Y: at.Max.Y - 6}, fit(bold(10, black), at.Max.X-at.Min.X, p.title)[0])
		drawn := newPlot(panelX, axes[i])
		drawn.Add(shadePlotter(lasts))
		for _, l := range r.lines {
			drawn.Add(recoveryPlotter{l.style, l.over(p)})
		}
		at = draw.Crop(at, 0, -4, 0, -above)
		inset := drawn.DataCanvas(at).Min.X - at.Min.X
		drawn.Draw(draw.Crop(at, -inset, 0, 0, 0))
	}
}

// A shadePlotter shades the time from 0 to a number of seconds.
type shadePlotter float64

var _ plot.Plotter = shadePlotter(0)

// Plot implements plot.Plotter.
func (s shadePlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, _ := p.Transforms(&c)
	from, to := max(c.Min.X, toX(0)), min(c.Max.X, max(toX(float64(s)), toX(0)+1.5))
	c.FillPolygon(pale(alarm, .85), cornersOf(vg.Rectangle{Min: vg.Point{X: from, Y: c.Min.Y}, Max: vg.Point{X: to, Y: c.Max.Y}}))
}

// A recoveryPlotter draws the line of a transport.
type recoveryPlotter struct {
	style  style
	points plotter.XYs
}

var _ plot.Plotter = recoveryPlotter{}

// Plot implements plot.Plotter.
func (r recoveryPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	var points []vg.Point
	for _, xy := range r.points {
		points = append(points, vg.Point{X: toX(xy.X), Y: toY(xy.Y)})
	}
	c.StrokeLines(draw.LineStyle{Color: r.style.colour, Width: r.style.width}, c.ClipLinesXY(points)...)
}
