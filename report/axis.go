package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/report/text"
)

// newPlot returns an empty plot with a light grid.
func newPlot(x, y axis) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the figure has one
	x.set(&p.X)
	y.set(&p.Y)
	p.Y.LineStyle.Width = 0
	p.Y.Tick.Length = 0
	p.X.LineStyle = draw.LineStyle{Color: grey, Width: .75}
	p.Add(grid{})
	return p
}

// A grid draws a light line at each tick, except on the bottom edge, where the axis is.
type grid struct{}

var _ plot.Plotter = grid{}

// Plot implements plot.Plotter.
func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	line := draw.LineStyle{Color: rule, Width: .75}
	toX, toY := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if x := toX(tick.Value); c.ContainsX(x) {
			c.StrokeLine2(line, x, c.Min.Y, x, c.Max.Y)
		}
	}
	for _, tick := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if y := toY(tick.Value); c.ContainsY(y) && y > c.Min.Y+1 {
			c.StrokeLine2(line, c.Min.X, y, c.Max.X, y)
		}
	}
}

// An axis is linear. For a logarithmic one the caller passes logarithms.
type axis struct {
	label    string
	min, max float64
	ticks    []plot.Tick
}

func (a axis) set(to *plot.Axis) {
	to.Min, to.Max = a.min, a.max
	to.Padding = 0
	to.Label.Text = a.label
	to.Label.Padding = 6
	to.Label.TextStyle.Font = regular(9.5, grey).Font
	to.Label.TextStyle.Color = grey
	to.Label.TextStyle.Handler = drawn
	to.Tick.Marker = plot.ConstantTicks(a.ticks)
	to.Tick.Label.Font = regular(9, grey).Font
	to.Tick.Label.Color = grey
	to.Tick.Label.Handler = drawn
	to.Tick.Length = 4
	to.Tick.LineStyle = draw.LineStyle{Color: grey, Width: .75}
}

// latencyAxis returns an axis of decimal logarithms of milliseconds. It spans low to high (both in
// milliseconds), extended to round numbers.
func latencyAxis(low, high float64) axis {
	const shortest = 1e-3 // 1 µs; the logarithm of 0 doesn't exist
	low, high = max(low, shortest), max(high, shortest)
	a := logAxis(low, high, func(ms float64) string { return text.Duration(ms, 1) })
	a.label = "delivery latency (log scale)"
	return a
}

// countAxis returns an axis from 0, or from low if it is negative, to high, with round steps.
func countAxis(label string, low, high float64) axis {
	if high <= 0 {
		high = max(1, -low)
	}
	step := math.Pow10(text.Magnitude(high))
	for _, factor := range []float64{.1, .2, .5, 1, 2} {
		if high/(step*factor) <= 6 {
			step *= factor
			break
		}
	}
	a := axis{label: label, min: min(low, 0), max: high}
	write := func(value float64) string { return fixed(value, max(0, -text.Magnitude(step))) }
	if high >= 1e7 || a.min <= -1e7 {
		write = func(value float64) string { return strconv.FormatFloat(value, 'g', 3, 64) }
	}
	for i := math.Ceil(a.min / step); i*step <= high*(1+1e-9); i++ {
		value := i*step + 0 // turns -0 into 0
		a.ticks = append(a.ticks, plot.Tick{Value: value, Label: write(value)})
	}
	return a
}

// spaced returns the ticks of a linear axis of that length without the labels that would touch one another.
// It keeps the labels of every second tick, every third, and so on, so that those kept are as regular as all.
func spaced(a axis, length vg.Length) []plot.Tick {
	const gap = 6
	widest := vg.Length(0)
	for _, tick := range a.ticks {
		widest = max(widest, regular(9, grey).Width(tick.Label))
	}
	step := 1
	if len(a.ticks) > 1 {
		apart := length * vg.Length((a.ticks[1].Value-a.ticks[0].Value)/(a.max-a.min))
		for step < len(a.ticks) && apart*vg.Length(step) < widest+gap {
			step++
		}
	}
	var kept []plot.Tick
	for i := 0; i < len(a.ticks); i += step {
		kept = append(kept, a.ticks[i])
	}
	return kept
}
