package report

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/report/text"
)

const (
	untold    = "the server does not tell"
	undefined = "nothing was delivered"
)

// A bar is one value, or the reason why there is none.
type bar struct {
	series
	value float64
	faint float64 // how much of value is drawn faint, at its end
	text  string  // beside the bar
	note  string  // beside that, in small print
	known bool
}

// noteGap is the room between a value and its note.
const noteGap = 5

func requestsFigure(all []series) figure {
	return barFigure(all, figure{
		name:   "requests",
		title:  "Requests it took to receive a message",
		detail: "Polls of all users, for each delivered message. Lower is better.",
	}, "requests per delivered message", func(s series) bar {
		if s.Delivered == 0 {
			return bar{note: undefined}
		}
		b := bar{value: s.RequestsPerDelivery, text: text.Number(s.RequestsPerDelivery, 3), known: true}
		if s.handshakesOnly() {
			b.note = "none after the handshake"
		}
		return b
	})
}

func storeReadsFigure(all []series) figure {
	detail := "What the servers asked of their store while they were measured. Lower is better."
	if slices.ContainsFunc(all, func(s series) bool { return s.Store != nil && s.Store.EmptyReads > 0 }) {
		detail = "What the servers asked of their store; the faint end of a bar is what found nothing. Lower is better."
	}
	return barFigure(all, figure{
		name:   "store-reads",
		title:  "Reads of the store in each second",
		detail: detail,
	}, "reads of the store per second", func(s series) bar {
		if s.StorePerSecond == nil {
			return bar{note: untold}
		}
		reads, empty := s.StorePerSecond.Reads, s.StorePerSecond.EmptyReads
		b := bar{value: reads, faint: empty, text: text.Number(reads, 3) + " /s", known: true}
		b.note = emptyNote(reads, empty)
		return b
	})
}

// emptyNote says how many of the reads were empty; next to none is not none, nor next to all all.
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

func cpuFigure(all []series) figure {
	detail := "User and system time of the server's process while it was measured. Lower is better."
	if several(all) {
		detail = "User and system time of all servers of a run together while they were measured. Lower is better."
	}
	return barFigure(all, figure{
		name:   "server-cpu",
		title:  "Server CPU for each delivered message",
		detail: detail,
	}, "microseconds of CPU per delivered message", func(s series) bar {
		switch {
		case s.Server == nil:
			return bar{note: untold}
		case s.Delivered == 0:
			return bar{note: undefined}
		}
		us := s.Server.CPUMicrosPerDelivery
		return bar{value: us, text: text.Number(us, 3) + " µs", known: true}
	})
}

func memoryFigure(all []series) figure {
	detail := "Resident memory above what the server held before the users joined. Lower is better."
	if several(all) {
		detail = "Resident memory of all servers of a run together, above what they held before the users joined. Lower is better."
	}
	return barFigure(all, figure{
		name:   "memory",
		title:  "Server memory for each user",
		detail: detail,
	}, "kilobytes per user", func(s series) bar {
		if s.Server == nil {
			return bar{note: untold}
		}
		kb := kilobytes(s.Server.RSSBytesPerUser)
		return bar{value: kb, text: text.Number(kb, 3) + " KB", known: true}
	})
}

// barFigure draws one bar for each series, from the top, those of a transport together.
func barFigure(all []series, f figure, unit string, of func(series) bar) figure {
	bars := make([]bar, 0, len(all))
	for _, s := range all {
		b := of(s)
		b.series = s
		bars = append(bars, b)
	}
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

// placeBars returns, from the top, which bar stands in which row: -1 is the heading of a
// transport that has several.
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
	// A label stands beside its bar: the room to the right is what the labels need beyond it.
	room := c.Max.X - c.Min.X - left
	for _, b := range bars {
		if !b.known {
			continue // its note starts at zero, where there is room
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
	left vg.Length // room for the names
}

var _ plot.Plotter = barPlotter{}

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	pitch := (c.Max.Y - c.Min.Y) / vg.Length(len(b.rows))
	zero := toX(0)
	for row, i := range b.rows {
		y := toY(float64(len(b.rows)-row) - .5)
		at := vg.Point{X: c.Min.X - b.left, Y: y}
		if i < 0 {
			first := b.bars[b.rows[row+1]]
			name := bold(10, ink(first.style.colour))
			c.FillText(name, vg.Point{X: at.X, Y: y - 1}, fit(name, first.name, b.left-8))
			continue
		}
		bar := b.bars[i]
		name, text := bold(10, ink(bar.style.colour)), bar.name
		if bar.run != "" {
			name, text = regular(9.5, grey), bar.run
			at.X += 10
		}
		c.FillText(name, at, fit(name, text, c.Min.X-8-at.X))
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

// hatches is how many ways there are to fill a bar.
const hatches = 5

func drawBar(c draw.Canvas, r vg.Rectangle, s style) {
	if r.Max.X-r.Min.X < .75 {
		r.Max.X = r.Min.X + .75 // a value that is almost nothing is not nothing
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

// drawFaintBar draws what counts for less than the same style's bar.
func drawFaintBar(c draw.Canvas, r vg.Rectangle, s style) {
	corners := cornersOf(r)
	c.FillPolygon(mix(s.colour, white, .85), corners)
	c.StrokeLines(draw.LineStyle{Color: mix(s.colour, white, .3), Width: .75}, corners)
}

// cornersOf returns those of r, the first also as the last.
func cornersOf(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min}
}
