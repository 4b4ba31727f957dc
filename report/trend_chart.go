package report

import (
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// figures returns a chart for each metric of a trend. number is that of the trend in its History, from 0.
func (t Trend) figures(number int) []figure {
	var all []figure
	for _, m := range result.MetricsIn(result.InTrend) {
		all = append(all, t.figure(m, trendChart(m, number)))
	}
	return all
}

// trendChart returns the name of a chart's files: "trend-p50", or "trend-2-p50" in the second trend.
func trendChart(m result.Metric, number int) string {
	if number == 0 {
		return "trend-" + m.Key
	}
	return "trend-" + strconv.Itoa(number+1) + "-" + m.Key
}

// figure draws a panel for each transport, as a change within a transport would be too small to be seen
// on an axis that shows several. The runs stand at equal distances: runs come in bursts, and on an axis of
// time each burst would be one thick point.
func (t Trend) figure(m result.Metric, name string) figure {
	m = m.Typeset()
	f := figure{
		name:   name,
		title:  text.Upper(m.Heading(several(t.transports))) + " (" + m.Measure() + "), run by run",
		detail: "A point is a run.",
	}
	if m.Quantile > 0 {
		f.title = "Delivery latency " + m.Heading(false) + ", run by run"
	}
	panels := make([]trendPanel, 0, len(t.transports))
	ranged, doubtful := false, false
	for _, s := range t.transports {
		panel := trendPanel{series: s, metric: m, samples: t.samples(m, s.Transport)}
		for _, x := range panel.samples {
			ranged, doubtful = ranged || x.ranged, doubtful || !x.believed
		}
		panels = append(panels, panel)
		f.values = append(f.values, panel.spoken())
	}
	breaks := t.breaks()
	if ranged {
		f.detail = "A point is a run, with its 95% interval."
	}
	if m.Worse == result.Higher {
		f.detail += " Lower is better."
	}
	if doubtful {
		f.detail += " Hollow: not to be believed."
	}
	if slices.Contains(breaks, true) {
		f.detail += " Grey bar: another machine."
	}
	const panel = 130
	f.height = headHeight + 2*margin + panel*vg.Length(max(1, (len(panels)+1)/2))
	f.narrow = headHeight + 2*margin + panel*vg.Length(max(1, len(panels)))
	f.plot = func(c draw.Canvas) {
		if len(panels) == 0 {
			say(c, "Nothing was measured.")
			return
		}
		t.plot(c, panels, breaks)
	}
	return f
}

// breaks reports for each point whether it was measured on another machine than the one before it.
func (t Trend) breaks() []bool {
	all := make([]bool, len(t.Points))
	for i := 1; i < len(all); i++ {
		all[i] = t.Points[i].moved(t.Points[i-1]) != ""
	}
	return all
}

// A trendPanel is the trend of one transport.
type trendPanel struct {
	series
	metric  result.Metric
	samples []sample
}

// plot draws panels side by side where there is room for two.
func (t Trend) plot(c draw.Canvas, panels []trendPanel, breaks []bool) {
	const (
		axisRoom = 46 // left of a panel
		gap      = 14
		above    = 20 // for the name of the transport
	)
	columns := min(2, len(panels))
	if isNarrow(c) {
		columns = 1
	}
	rows := (len(panels) + columns - 1) / columns
	width := (c.Max.X - c.Min.X - gap*vg.Length(columns-1)) / vg.Length(columns)
	height := (c.Max.Y - c.Min.Y) / vg.Length(rows)
	for i, panel := range panels {
		left, top := c.Min.X+(width+gap)*vg.Length(i%columns), c.Max.Y-height*vg.Length(i/columns)
		at := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - height + gap/2}, Max: vg.Point{X: left + width, Y: top},
		}}
		name := bold(10, ink(panel.style.colour))
		c.FillText(name, vg.Point{X: left, Y: top - 8}, fit(name, width, panel.name)[0])
		y := panel.axis()
		p := newPlot(t.axis(), y)
		p.Add(trendPlotter{panel, breaks})
		// Each panel has numbers of its own, but all panels begin at the same distance from theirs.
		inset := axisRoom - (p.DataCanvas(at).Min.X - at.Min.X)
		p.Draw(draw.Crop(at, inset, 0, 0, -above))
	}
}

// spoken says what the panel shows, for people who can't see it.
func (p trendPanel) spoken() string {
	if len(p.samples) == 0 {
		return p.name + ": " + unmeasured + "."
	}
	value := func(s sample) string {
		if p.metric.Unit == "ms" {
			return text.Duration(s.value, 3)
		}
		return text.Quantity(p.metric, s.value)
	}
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	return p.name + ": " + value(first) + " in the first run, " + value(last) + " in the last one."
}

// axis returns an axis from 0 that shows all values and intervals.
func (p trendPanel) axis() axis {
	high := 0.0
	for _, s := range p.samples {
		high = max(high, s.interval.High, s.value)
	}
	a := countAxis("", 0, high*1.08)
	if p.metric.Unit == "ms" {
		for i, tick := range a.ticks {
			a.ticks[i].Label = "0"
			if tick.Value > 0 {
				a.ticks[i].Label = text.Duration(tick.Value, 2)
			}
		}
	}
	return a
}

// axis returns an axis of the runs, with some of their dates.
func (t Trend) axis() axis {
	const most = 4 // dates
	last := len(t.Points) - 1
	first, end := t.Points[0].Started, t.Points[last].Started
	layout := "2 Jan 06"
	switch {
	case first.Format(time.DateOnly) == end.Format(time.DateOnly):
		layout = "15:04"
	case end.Sub(first) < 5*24*time.Hour:
		layout = "2 Jan 15:04"
	case first.Year() == end.Year():
		layout = "2 Jan"
	}
	a := axis{min: -.5, max: float64(last) + .5}
	for i := range min(most, len(t.Points)) {
		at := i
		if last >= most {
			at = i * last / (most - 1)
		}
		tick := plot.Tick{Value: float64(at), Label: "unknown"}
		if started := t.Points[at].Started; !started.IsZero() {
			tick.Label = started.Format(layout)
		}
		a.ticks = append(a.ticks, tick)
	}
	return a
}

// A trendPlotter draws the samples of a panel. A line connects them where no run between them is missing.
type trendPlotter struct {
	trendPanel
	breaks []bool
}

var _ plot.Plotter = trendPlotter{}

// Plot implements plot.Plotter.
func (p trendPlotter) Plot(c draw.Canvas, plt *plot.Plot) {
	toX, toY := plt.Transforms(&c)
	for i, moved := range p.breaks {
		if x := toX(float64(i) - .5); moved {
			c.StrokeLine2(draw.LineStyle{Color: pale(grey, .6), Width: 3}, x, c.Min.Y, x, c.Max.Y)
		}
	}
	if len(p.samples) == 0 {
		note(unmeasured).Plot(c, plt)
		return
	}
	whisker := draw.LineStyle{Color: pale(p.style.colour, .45), Width: 1.2}
	line := draw.LineStyle{Color: p.style.colour, Width: 1.2}
	pitch := (c.Max.X - c.Min.X) / vg.Length(len(p.breaks))
	radius := vg.Length(math.Min(2.6, math.Max(.8, float64(pitch)/4)))
	var stretch []vg.Point
	for i, s := range p.samples {
		at := vg.Point{X: toX(float64(s.run)), Y: toY(s.value)}
		if s.ranged {
			c.StrokeLine2(whisker, at.X, toY(max(0, s.interval.Low)), at.X, toY(s.interval.High))
		}
		if i > 0 && (p.samples[i-1].run < s.run-1 || p.breaks[s.run]) {
			c.StrokeLines(line, stretch)
			stretch = nil
		}
		stretch = append(stretch, at)
	}
	c.StrokeLines(line, stretch)
	for _, s := range p.samples {
		at := vg.Point{X: toX(float64(s.run)), Y: toY(s.value)}
		c.DrawGlyph(draw.GlyphStyle{Color: p.style.colour, Radius: radius, Shape: draw.CircleGlyph{}}, at)
		if !s.believed {
			c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: radius * .55, Shape: draw.CircleGlyph{}}, at)
		}
	}
}
