package report

import (
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

const (
	unreported = "not reported by the server"
	undefined  = "nothing was delivered"
	unmeasured = "not measured"
)

// A bar is one value, or the reason why it is missing.
type bar struct {
	series
	value float64
	faint float64 // the part of value that is drawn faint, at the end of the bar
	text  string  // next to the bar
	note  string  // after the text, in small print
	known bool
}

// noteGap is the space between a value and its note.
const noteGap = 5

// barsFigure returns the bar chart of a metric, whose Chart must not be nil.
func barsFigure(m result.Metric, all []series) figure {
	m = m.Typeset()
	chart := m.Chart
	detail := chart.Detail
	if chart.Together != "" && several(all) {
		detail = chart.Together
	}
	bars := make([]bar, 0, len(all))
	for _, s := range all {
		bars = append(bars, barOf(m, s))
	}
	if slices.ContainsFunc(bars, func(b bar) bool { return b.faint > 0 }) {
		detail += " The faint end of a bar found nothing."
	}
	switch m.Worse {
	case result.Higher:
		detail += " Lower is better."
	case result.Lower:
		detail += " Higher is better."
	}
	return barFigure(bars, figure{name: chart.Name, title: chart.Title, detail: detail}, m.Labelled(m.Heading(several(all))))
}

func barOf(m result.Metric, s series) bar {
	value, ok := m.Value(s.Row)
	switch {
	case !s.Measured():
		return bar{series: s, note: unmeasured}
	case !ok && s.Delivered == 0 && m.Per == "message":
		return bar{series: s, note: undefined}
	case !ok:
		return bar{series: s, note: unreported}
	}
	// The axis names what the value is per, so the bar shows only the unit.
	b := bar{series: s, value: value, text: strings.TrimSpace(text.Value(m, value) + " " + m.Unit), known: true}
	if m.Chart.Vain != nil {
		b.faint = m.Chart.Vain(s.Row)
		b.note = emptyNote(value, b.faint)
	}
	if value == 0 {
		b.note = m.Chart.Zero
	}
	return b
}

// emptyNote returns the percentage of reads that were empty. It is rounded, but never to none or all
// unless that is exact.
func emptyNote(reads, empty float64) string {
	switch percent := 100 * empty / reads; {
	case empty == 0:
		return ""
	case empty == reads:
		return "all found nothing"
	case percent < 1:
		return "under 1 % found nothing"
	default:
		return fixed(min(percent, 99), 0) + " % found nothing"
	}
}

// barFigure completes f with one bar for each series, from the top, grouped by transport.
func barFigure(bars []bar, f figure, unit string) figure {
	rows := placeBars(bars)
	height := vg.Length(headHeight + 75)
	if n := len(rows); n > 0 {
		height += vg.Length(n) * rowPitch(bars)
	}
	f.height = max(2.6*vg.Inch, height)
	f.plot = func(c draw.Canvas) {
		if len(bars) == 0 {
			say(c, "Nothing was measured.")
			return
		}
		plotBars(c, bars, rows, unit)
	}
	return f
}

func rowPitch(bars []bar) vg.Length {
	if bars[0].run != "" {
		return 17
	}
	return max(24, 46-3*vg.Length(len(bars)))
}

// placeBars returns the index of the bar in each row, from the top; -1 is the heading of a transport
// with a bar for each run.
func placeBars(bars []bar) []int {
	var rows []int
	for i, b := range bars {
		if b.run != "" && (i == 0 || bars[i-1].row != b.row) {
			rows = append(rows, -1)
		}
		rows = append(rows, i)
	}
	return rows
}

func plotBars(c draw.Canvas, bars []bar, rows []int, unit string) {
	var low, high float64
	var left, right vg.Length
	value, small := bold(10, black), regular(9.5, grey)
	for _, b := range bars {
		name := bold(10, black).Width(b.name)
		if b.run != "" {
			name = max(name, regular(9.5, grey).Width(b.run)+10)
		}
		left = max(left, name)
		if b.known {
			low, high = min(low, b.value), max(high, b.value)
		}
	}
	x := countAxis(unit, low, high)
	if !slices.ContainsFunc(bars, func(b bar) bool { return b.known }) {
		x.ticks = nil
	}
	left = min(left, .32*(c.Max.X-c.Min.X)) + 10
	// Labels follow their bars, so the longest ones need space to the right of the plot.
	room := c.Max.X - c.Min.X - left
	for _, b := range bars {
		if !b.known {
			continue // its note starts at zero and fits
		}
		share := vg.Length((max(b.value, 0) - x.min) / (x.max - x.min))
		if need := share*room + value.Width(b.text) + noteGap + small.Width(b.note) + 10 - room; need > 0 && share > 0 {
			right = max(right, need/share)
		}
	}
	p := newPlot(x, axis{max: float64(len(rows))})
	p.HideY()
	p.Add(barPlotter{bars, rows, left})
	p.Draw(draw.Crop(c, left, -min(right, room/2), 0, 0))
}

type barPlotter struct {
	bars []bar
	rows []int
	left vg.Length // width of the names
}

var _ plot.Plotter = barPlotter{}

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	pitch := (c.Max.Y - c.Min.Y) / vg.Length(len(b.rows))
	zero := toX(0)
	var transports, runs []string
	for _, bar := range b.bars {
		transports, runs = append(transports, bar.name), append(runs, bar.run)
	}
	const indent = 10 // of the runs below their transport
	transports = fit(bold(10, black), b.left-8, transports...)
	runs = fit(regular(9.5, grey), b.left-8-indent, runs...)
	for row, i := range b.rows {
		y := toY(float64(len(b.rows)-row) - .5)
		at := vg.Point{X: c.Min.X - b.left, Y: y}
		if i < 0 {
			first := b.rows[row+1]
			name := bold(10, ink(b.bars[first].style.colour))
			c.FillText(name, vg.Point{X: at.X, Y: y - 1}, transports[first])
			continue
		}
		bar := b.bars[i]
		name, text := bold(10, ink(bar.style.colour)), transports[i]
		if bar.run != "" {
			name, text = regular(9.5, grey), runs[i]
			at.X += indent
		}
		c.FillText(name, at, text)
		value, small := bold(10, black), regular(9.5, grey)
		if !bar.known {
			c.FillText(small, vg.Point{X: zero + 6, Y: y}, bar.note)
			continue
		}
		thick := min(.66*pitch, 24)
		end := toX(bar.value)
		whole := vg.Rectangle{
			Min: vg.Point{X: min(zero, end), Y: y - thick/2},
			Max: vg.Point{X: max(zero, end), Y: y + thick/2},
		}
		if bar.faint > 0 {
			drawFaintBar(c, whole, bar.style)
			whole.Max.X = toX(bar.value - bar.faint)
		}
		if bar.faint < bar.value || bar.faint == 0 {
			drawBar(c, whole, bar.style)
		}
		beside := vg.Point{X: max(zero, end) + 6, Y: y}
		c.FillText(value, beside, bar.text)
		beside.X += value.Width(bar.text) + noteGap
		c.FillText(small, beside, bar.note)
	}
	c.StrokeLine2(draw.LineStyle{Color: grey, Width: .75}, zero, c.Min.Y, zero, c.Max.Y)
}

// hatches is the number of patterns that fill a bar, plain colour included.
const hatches = 5

func drawBar(c draw.Canvas, r vg.Rectangle, s style) {
	if r.Max.X-r.Min.X < .75 {
		r.Max.X = r.Min.X + .75 // a tiny value must still be visible
	}
	corners := cornersOf(r)
	if s.hatch == 0 {
		c.FillPolygon(s.colour, corners)
		return
	}
	c.FillPolygon(mix(s.colour, white, .8), corners)
	inside := draw.Canvas{Canvas: c.Canvas, Rectangle: r}
	line := draw.LineStyle{Color: s.colour, Width: .9}
	height, pitch := r.Max.Y-r.Min.Y, vg.Length(5)
	for x := r.Min.X - height; x < r.Max.X; x += pitch {
		rising := []vg.Point{{X: x, Y: r.Min.Y}, {X: x + height, Y: r.Max.Y}}
		falling := []vg.Point{{X: x, Y: r.Max.Y}, {X: x + height, Y: r.Min.Y}}
		upright := []vg.Point{{X: x, Y: r.Min.Y}, {X: x, Y: r.Max.Y}}
		for _, way := range [hatches][][]vg.Point{nil, {rising}, {falling}, {rising, falling}, {upright}}[s.hatch] {
			inside.StrokeLines(line, inside.ClipLinesXY(way)...)
		}
	}
	c.StrokeLines(draw.LineStyle{Color: s.colour, Width: 1}, corners)
}

// drawFaintBar draws a pale bar in the same style.
func drawFaintBar(c draw.Canvas, r vg.Rectangle, s style) {
	corners := cornersOf(r)
	c.FillPolygon(mix(s.colour, white, .85), corners)
	c.StrokeLines(draw.LineStyle{Color: mix(s.colour, white, .3), Width: .75}, corners)
}

// cornersOf returns the corners of r as a closed path: the first one is repeated at the end.
func cornersOf(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min}
}
