package report

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// endLabels writes the label of each curve to the right of its end, in its colour, and what the curve has
// to say below it unless there are many. Labels don't overlap.
type endLabels struct {
	curves []curve // in the order in which they end, from the top
	width  vg.Length
	pitch  vg.Length
	notes  bool
}

func newEndLabels(curves []curve) endLabels {
	l := endLabels{curves: curves, pitch: 27, notes: true}
	if len(curves) > 7 {
		l.pitch, l.notes = 13, false
	}
	for _, curve := range curves {
		l.width = max(l.width, bold(10, black).Width(curve.series.label())+26)
		if l.notes {
			l.width = max(l.width, regular(8.5, grey).Width(curve.note)+26)
		}
	}
	return l
}

var _ plot.Plotter = endLabels{}

// Plot implements plot.Plotter.
func (l endLabels) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	ends := make([]vg.Point, len(l.curves))
	heights := make([]vg.Length, len(l.curves))
	for i, curve := range l.curves {
		last := curve.last()
		ends[i] = vg.Point{X: toX(last.X), Y: toY(last.Y)}
		heights[i] = ends[i].Y
	}
	apart(heights, l.pitch, c.Min.Y+l.pitch/2, c.Max.Y)
	var all []series
	for _, curve := range l.curves {
		all = append(all, curve.series)
	}
	labels := fitLabels(bold(10, black), l.width-20, all)
	for i, curve := range l.curves {
		colour := curve.series.style.colour
		thin := draw.LineStyle{Color: colour, Width: .6}
		c.StrokeLines(thin, []vg.Point{
			{X: ends[i].X + 2, Y: ends[i].Y},
			{X: c.Max.X + 6, Y: ends[i].Y},
			{X: c.Max.X + 14, Y: heights[i]},
			{X: c.Max.X + 17, Y: heights[i]},
		})
		name := bold(10, ink(colour))
		at := vg.Point{X: c.Max.X + 20, Y: heights[i]}
		c.FillText(name, at, labels[i])
		if l.notes {
			c.FillText(regular(8.5, grey), at.Add(vg.Point{Y: -11}), curve.note)
		}
	}
}

// legendPitch is the height of a line of a legend.
const legendPitch = 15

// drawLegend writes the labels as a list at the bottom of c, as a narrow plot has no room for them beside it.
func (l endLabels) drawLegend(c draw.Canvas) {
	const sample, gap = 18, 6
	note, small := regular(8.5, grey), vg.Length(0)
	note.XAlign = draw.XRight
	var all []series
	for _, curve := range l.curves {
		all = append(all, curve.series)
		if l.notes {
			small = max(small, note.Width(curve.note))
		}
	}
	names := fitLabels(bold(10, black), c.Max.X-c.Min.X-sample-small-2*gap, all)
	for i, curve := range l.curves {
		s := curve.series.style
		y := c.Min.Y + legendPitch*(vg.Length(len(l.curves)-i)-.5)
		c.StrokeLine2(draw.LineStyle{Color: s.colour, Width: s.width}, c.Min.X, y, c.Min.X+sample, y)
		c.DrawGlyphNoClip(s.glyph(), vg.Point{X: c.Min.X + sample/2, Y: y})
		c.FillText(bold(10, ink(s.colour)), vg.Point{X: c.Min.X + sample + gap, Y: y}, names[i])
		if l.notes {
			c.FillText(note, vg.Point{X: c.Max.X, Y: y}, curve.note)
		}
	}
}

// apart moves the heights as little as possible, so that any two are at least pitch apart. They stay
// between low and high if there is room. Their order is kept.
func apart(heights []vg.Length, pitch, low, high vg.Length) {
	order := make([]int, len(heights))
	for i := range order {
		order[i] = i
	}
	// Labels are read from the top, so of two equal heights the first goes above the second.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(heights[a], heights[b]), cmp.Compare(b, a))
	})

	// Labels that would overlap form a group, which is centred on the mean of their wanted heights.
	type group struct {
		members []int
		want    vg.Length // sum over the members of where each would put the first one
	}
	first := func(g group) vg.Length {
		at := g.want / vg.Length(len(g.members))
		return max(low, min(at, high-pitch*vg.Length(len(g.members)-1)))
	}
	var groups []group
	for _, i := range order {
		groups = append(groups, group{[]int{i}, heights[i]})
		for len(groups) > 1 {
			below, above := groups[len(groups)-2], groups[len(groups)-1]
			if first(below)+pitch*vg.Length(len(below.members)) <= first(above) {
				break
			}
			shift := pitch * vg.Length(len(below.members)*len(above.members))
			groups = append(groups[:len(groups)-2], group{
				append(below.members, above.members...), below.want + above.want - shift,
			})
		}
	}
	for _, g := range groups {
		for k, i := range g.members {
			heights[i] = first(g) + pitch*vg.Length(k)
		}
	}
}
