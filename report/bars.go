package report

import (
	"fmt"
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
	value    float64
	faint    float64 // the part of value that is drawn faint, at the end of the bar
	interval *result.Interval
	text     string // next to the bar
	note     string // after the text, in small print
	known    bool
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
	if slices.ContainsFunc(bars, func(b bar) bool { return b.interval != nil }) {
		detail += " Whiskers: 95\u00a0% interval."
	}
	switch m.Worse {
	case result.Higher:
		detail += " Lower is better."
	case result.Lower:
		detail += " Higher is better."
	}
	f := figure{name: chart.Name, title: chart.Title, detail: detail}
	for _, b := range bars {
		f.values = append(f.values, b.spoken(m))
	}
	return barFigure(bars, f, axisLabel(m, m.Heading(several(all))))
}

// axisLabel returns the name of a metric with its measure in words: "server CPU, µs per message".
func axisLabel(m result.Metric, heading string) string {
	measure := m.Unit
	switch m.Per {
	case "":
	case "s":
		measure += " per second"
	default:
		measure += " per " + m.Per
	}
	if m.Unit == "" {
		return heading + measure
	}
	return heading + ", " + measure
}

// spoken returns what the bar shows as a sentence.
func (b bar) spoken(m result.Metric) string {
	words := b.label() + ": " + b.text
	if b.interval != nil {
		words += fmt.Sprintf(" (95 %% interval: %s to %s)", text.Value(m, b.interval.Low), text.Value(m, b.interval.High))
	}
	switch {
	case !b.known:
		words += b.note
	case b.note != "":
		words += ", " + b.note
	}
	return words + "."
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
	if interval, ok := s.Interval(m.Key); ok && interval.Low < interval.High {
		b.interval = &interval
	}
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
	const around = headHeight + 75 // the head, the axis and the margins
	f.height = max(2.3*vg.Inch, around+heightOf(placeBars(bars, false)))
	f.narrow = max(1.5*vg.Inch, around+heightOf(placeBars(bars, true)))
	f.plot = func(c draw.Canvas) {
		if len(bars) == 0 {
			say(c, "Nothing was measured.")
			return
		}
		plotBars(c, bars, unit)
	}
	return f
}

// A barRow is a bar, or the heading of a transport that has a bar for each run.
type barRow struct {
	bar     int // index of the bar; of a heading, of the first one below it
	heading bool
	height  vg.Length
	thick   vg.Length // of the bar
}

func heightOf(rows []barRow) vg.Length {
	sum := vg.Length(0)
	for _, row := range rows {
		sum += row.height
	}
	return sum
}

// placeBars returns the rows from the top. Names stand beside their bars, but above them on a phone.
func placeBars(bars []bar, narrow bool) []barRow {
	pitch, thick := max(24, 46-3*vg.Length(len(bars))), vg.Length(24)
	switch {
	case narrow:
		pitch, thick = 34, 12
	case len(bars) > 0 && bars[0].run != "":
		pitch = 17
	}
	thick = min(thick, .66*pitch)
	var rows []barRow
	for i, b := range bars {
		if b.run != "" && (i == 0 || bars[i-1].row != b.row) {
			rows = append(rows, barRow{bar: i, heading: true, height: 17})
		}
		rows = append(rows, barRow{bar: i, height: pitch, thick: thick})
	}
	return rows
}

func plotBars(c draw.Canvas, bars []bar, unit string) {
	plotter := barPlotter{bars: bars, whole: c.Max.X - c.Min.X, narrow: isNarrow(c)}
	plotter.rows = placeBars(bars, plotter.narrow)
	var low, high float64
	value, small := bold(10, black), regular(9.5, grey)
	for _, b := range bars {
		name := bold(10, black).Width(b.name)
		if b.run != "" {
			name = max(name, small.Width(b.run)+indent)
		}
		plotter.left = max(plotter.left, name)
		if b.known {
			low, high = min(low, b.value, b.low()), max(high, b.high())
		}
	}
	x := countAxis(unit, low, high)
	if !slices.ContainsFunc(bars, func(b bar) bool { return b.known }) {
		x.ticks = nil
	}
	plotter.left = min(plotter.left, .32*plotter.whole) + 10
	if plotter.narrow {
		plotter.left = 0
	}
	// Labels follow their bars, so the longest ones need space to the right of the plot.
	room, right := plotter.whole-plotter.left, vg.Length(0)
	for _, b := range bars {
		if !b.known {
			continue // its note starts at zero and fits
		}
		label := value.Width(b.text) + 10
		if !plotter.narrow {
			label += noteGap + small.Width(b.note)
		}
		share := vg.Length((max(b.high(), 0) - x.min) / (x.max - x.min))
		if need := share*room + label - room; need > 0 && share > 0 {
			right = max(right, need/share)
		}
	}
	right = min(right, room/2)
	x.ticks = spaced(x, room-right)
	p := newPlot(x, axis{max: float64(heightOf(plotter.rows))})
	p.HideY()
	p.Add(plotter)
	p.Draw(draw.Crop(c, plotter.left, -right, 0, 0))
}

// low and high are the ends of what the bar takes on its axis, whiskers included.
func (b bar) low() float64 {
	if b.interval == nil {
		return b.value
	}
	return min(b.value, b.interval.Low)
}

func (b bar) high() float64 {
	if b.interval == nil {
		return b.value
	}
	return max(b.value, b.interval.High)
}

// indent is that of the runs below their transport.
const indent = 10

type barPlotter struct {
	bars   []bar
	rows   []barRow
	left   vg.Length // width of the names beside the bars
	whole  vg.Length // width of names, bars and labels
	narrow bool      // names are above the bars
}

var _ plot.Plotter = barPlotter{}

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	zero := toX(0)
	names := b.names()
	top := heightOf(b.rows)
	for i, row := range b.rows {
		bar := b.bars[row.bar]
		middle := toY(float64(top - row.height/2))
		top -= row.height
		name := vg.Point{X: c.Min.X - b.left, Y: middle}
		if b.narrow && !row.heading {
			name.Y += row.thick/2 + 2
			middle -= row.thick / 2
		}
		switch {
		case row.heading:
			name.Y--
			c.FillText(bold(10, ink(bar.style.colour)), name, names[i])
		case bar.run != "":
			name.X += indent
			c.FillText(regular(9.5, grey), name, names[i])
		default:
			c.FillText(bold(10, ink(bar.style.colour)), name, names[i])
		}
		if !row.heading {
			b.draw(c, bar, zero, toX, middle, row.thick)
		}
		if small := regular(9.5, grey); b.narrow && bar.known && !row.heading {
			small.XAlign = draw.XRight
			c.FillText(small, vg.Point{X: c.Min.X + b.whole, Y: name.Y}, bar.note)
		}
	}
	if !b.narrow { // it would strike through names above the bars
		c.StrokeLine2(draw.LineStyle{Color: grey, Width: .75}, zero, c.Min.Y, zero, c.Max.Y)
	}
}

// names returns the text of each row, shortened to the space it has.
func (b barPlotter) names() []string {
	room := b.left - 8
	var transports, runs []string
	for _, bar := range b.bars {
		transports, runs = append(transports, bar.name), append(runs, bar.run)
	}
	if b.narrow {
		longest := vg.Length(0)
		for _, bar := range b.bars {
			longest = max(longest, regular(9.5, grey).Width(bar.note))
		}
		room = b.whole - longest - 10
	}
	transports = fit(bold(10, black), room, transports...)
	runs = fit(regular(9.5, grey), room-indent, runs...)
	names := make([]string, len(b.rows))
	for i, row := range b.rows {
		names[i] = transports[row.bar]
		if b.bars[row.bar].run != "" && !row.heading {
			names[i] = runs[row.bar]
		}
	}
	return names
}

// draw draws a bar around the height y, and what stands beside it.
func (b barPlotter) draw(c draw.Canvas, bar bar, zero vg.Length, toX func(float64) vg.Length, y, thick vg.Length) {
	value, small := bold(10, black), regular(9.5, grey)
	if !bar.known {
		c.FillText(small, vg.Point{X: zero + 6, Y: y}, bar.note)
		return
	}
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
	if bar.interval != nil {
		// Its edge of paper makes it visible on any colour.
		drawWhisker(c, vg.Point{X: toX(bar.low()), Y: y}, vg.Point{X: toX(bar.high()), Y: y},
			draw.LineStyle{Color: paper, Width: 2.6}, draw.LineStyle{Color: black, Width: 1})
	}
	beside := vg.Point{X: max(zero, toX(bar.high())) + 6, Y: y}
	c.FillText(value, beside, bar.text)
	if !b.narrow {
		beside.X += value.Width(bar.text) + noteGap
		c.FillText(small, beside, bar.note)
	}
}

func drawBar(c draw.Canvas, r vg.Rectangle, s style) {
	if r.Max.X-r.Min.X < .75 {
		r.Max.X = r.Min.X + .75 // a tiny value must still be visible
	}
	corners := cornersOf(r)
	c.FillPolygon(pale(s.colour, s.pale), corners)
	if s.pale > 0 {
		c.StrokeLines(draw.LineStyle{Color: s.colour, Width: .75}, corners)
	}
}

// drawFaintBar draws a pale bar in the same style.
func drawFaintBar(c draw.Canvas, r vg.Rectangle, s style) {
	corners := cornersOf(r)
	c.FillPolygon(pale(s.colour, .85), corners)
	c.StrokeLines(draw.LineStyle{Color: pale(s.colour, .3), Width: .75}, corners)
}

// drawWhisker draws a line with a bar across each end, once in each style.
func drawWhisker(c draw.Canvas, from, to vg.Point, styles ...draw.LineStyle) {
	const half = 3 // of the bars across
	across := vg.Point{Y: half}
	if from.X == to.X {
		across = vg.Point{X: half}
	}
	for _, line := range styles {
		for _, end := range []vg.Point{from, to} {
			a, b := end.Sub(across), end.Add(across)
			c.StrokeLine2(line, a.X, a.Y, b.X, b.Y)
		}
		c.StrokeLine2(line, from.X, from.Y, to.X, to.Y)
	}
}

// cornersOf returns the corners of r as a closed path: the first one is repeated at the end.
func cornersOf(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min}
}
