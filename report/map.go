package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A costMap shows which of several transports is the cheapest in a plane of two quantities. Costs are known at
// nodes, and their logarithms are interpolated between them. Its figure method makes it drawable.
type costMap struct {
	name, title, detail, doubt string // as in figure; detail is completed by figure
	x, y                       scale
	xs, ys                     []float64 // places of the nodes, ascending, at least two each
	layers                     []mapLayer
	marks                      []mapMark
	none                       string // why no layer can be chosen somewhere, like "none is in time"
}

// A mapLayer is a transport in a costMap. Its tables have a row for each of ys, with a value for each of xs.
type mapLayer struct {
	label string
	style style
	cost  [][]float64 // NaN: unknown
	slack [][]float64 // more than 0 where the transport is good enough to be chosen; nil: everywhere
}

// A mapMark is a point that was measured.
type mapMark struct {
	x, y   float64
	layer  int  // the cheapest; -1: none is good enough
	unsure bool // the next one may cost as much, or another is not to be believed: drawn hollow
}

// nowhere is the layer of points at which none can be chosen.
const nowhere = -1

// figure returns the map as a figure.
func (m costMap) figure() figure {
	f := figure{name: m.name, title: m.title, detail: m.detail, doubt: m.doubt}
	if len(m.marks) > 0 {
		f.detail += " Points: measured."
		if slices.ContainsFunc(m.marks, func(k mapMark) bool { return k.unsure }) {
			f.detail += " Hollow: not sure."
		}
	}
	for _, k := range m.marks {
		words := m.label(k.layer)
		if k.unsure {
			words += ", which is not sure"
		}
		f.values = append(f.values, "At "+m.x.tick(k.x)+" and "+m.y.tick(k.y)+": "+words+".")
	}
	entries := m.entries()
	f.height = chartHeight + 24 + m.legendHeight(entries, chartWidth)
	f.narrow = headHeight + 2*margin + 250 + m.legendHeight(entries, phoneWidth)
	f.plot = func(c draw.Canvas) {
		if len(m.layers) == 0 || len(m.xs) < 2 || len(m.ys) < 2 {
			say(c, "Too few points were measured.")
			return
		}
		below := m.legendHeight(entries, c.Max.X-c.Min.X+2*margin)
		m.drawLegend(c, entries)
		x, y := m.axes()
		if isNarrow(c) {
			y.label = ""
		}
		p := newPlot(x.axis, y.axis)
		p.X.Tick.Marker = plot.ConstantTicks(legible(x.axis, p.DataCanvas(c).Max.X-p.DataCanvas(c).Min.X))
		p.Add(mapPlotter{m, x, y})
		p.Draw(draw.Crop(c, 0, -6, below, 0))
	}
	return f
}

// axes returns axes that end at the first and last nodes.
func (m costMap) axes() (x, y curveAxis) {
	of := func(s scale, nodes []float64) curveAxis {
		low, high := nodes[0], nodes[len(nodes)-1]
		a := s.axis(low, high, low > 0 && high/low >= farApart)
		a.min, a.max = a.to(low), a.to(high)
		a.ticks = slices.DeleteFunc(slices.Clone(a.ticks), func(t plot.Tick) bool {
			const near = 1e-9
			return t.Value < a.min-near || t.Value > a.max+near
		})
		return a
	}
	x, y = of(m.x, m.xs), of(m.y, m.ys)
	for _, k := range m.marks {
		for _, end := range []struct {
			axis *curveAxis
			at   float64
		}{{&x, x.to(k.x)}, {&y, y.to(k.y)}} {
			room := .04 * (end.axis.max - end.axis.min) // so that no mark lies on the edge
			end.axis.min, end.axis.max = min(end.axis.min, end.at-room), max(end.axis.max, end.at+room)
		}
	}
	return x, y
}

// A surface finds the cheapest layer anywhere between the nodes. Places are in the units of its axes.
type surface struct {
	costMap
	us, vs []float64 // of the nodes
}

func newSurface(m costMap, x, y curveAxis) surface {
	f := surface{costMap: m}
	for _, at := range m.xs {
		f.us = append(f.us, x.to(at))
	}
	for _, at := range m.ys {
		f.vs = append(f.vs, y.to(at))
	}
	return f
}

// cell returns the interval of nodes that holds at, and the share of the way through it.
func cell(nodes []float64, at float64) (i int, share float64) {
	for i < len(nodes)-2 && at > nodes[i+1] {
		i++
	}
	return i, max(0, min(1, (at-nodes[i])/(nodes[i+1]-nodes[i])))
}

// between interpolates a table.
func (f *surface) between(table [][]float64, u, v float64, of func(float64) float64) float64 {
	i, right := cell(f.us, u)
	k, up := cell(f.vs, v)
	sum := 0.0
	for _, corner := range []struct{ value, weight float64 }{
		{table[k][i], (1 - right) * (1 - up)},
		{table[k][i+1], right * (1 - up)},
		{table[k+1][i], (1 - right) * up},
		{table[k+1][i+1], right * up},
	} {
		if corner.weight > 0 { // else it may be unknown
			sum += corner.weight * of(corner.value)
		}
	}
	return sum
}

// cheapest returns the cheapest layer at a place.
func (f *surface) cheapest(u, v float64) int {
	best, least := nowhere, math.Inf(1)
	for i, l := range f.layers {
		if l.slack != nil && f.between(l.slack, u, v, func(x float64) float64 { return x }) < 0 {
			continue
		}
		if cost := f.between(l.cost, u, v, math.Log); cost < least {
			best, least = i, cost
		}
	}
	return best
}

// label returns the name of a layer.
func (m costMap) label(layer int) string {
	if layer == nowhere {
		return m.none
	}
	return m.layers[layer].label
}

// A mapPlotter draws the regions of a map, the lines where two transports cost the same, and the marks.
type mapPlotter struct {
	costMap
	x, y curveAxis
}

var _ plot.Plotter = mapPlotter{}

// A corner of a cell of the raster.
type corner struct {
	at    vg.Point
	layer int
}

// Plot implements plot.Plotter.
func (mp mapPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	const step = 5 // points between corners
	toX, toY := p.Transforms(&c)
	width, height := c.Max.X-c.Min.X, c.Max.Y-c.Min.Y
	columns, rows := max(8, int(width/step)), max(8, int(height/step))
	f := newSurface(mp.costMap, mp.x, mp.y)
	place := func(at vg.Point) (u, v float64) {
		return mp.x.min + (mp.x.max-mp.x.min)*float64((at.X-c.Min.X)/width), mp.y.min + (mp.y.max-mp.y.min)*float64((at.Y-c.Min.Y)/height)
	}
	layerAt := func(at vg.Point) int { return f.cheapest(place(at)) }
	raster := make([][]corner, rows+1)
	for k := range raster {
		for i := range columns + 1 {
			at := vg.Point{
				X: c.Min.X + width*vg.Length(i)/vg.Length(columns),
				Y: c.Min.Y + height*vg.Length(k)/vg.Length(rows),
			}
			raster[k] = append(raster[k], corner{at, layerAt(at)})
		}
	}
	fills := make(map[int]vg.Path)
	var lines vg.Path
	for k := range rows {
		mp.fillRow(raster[k], raster[k+1], layerAt, fills, &lines)
	}
	for layer := nowhere; layer < len(mp.layers); layer++ {
		if path := fills[layer]; len(path) > 0 {
			c.SetColor(mp.ground(layer))
			c.Fill(path)
		}
	}
	var marked []vg.Point
	for _, k := range mp.marks {
		marked = append(marked, vg.Point{X: toX(mp.x.to(k.x)), Y: toY(mp.y.to(k.y))})
	}
	names := mp.names(raster, marked, isNarrow(c))
	mp.pattern(c, layerAt, names)
	c.SetLineStyle(draw.LineStyle{Color: black, Width: 1.1})
	c.Stroke(lines)
	for _, name := range names {
		c.FillText(name.style, name.at, name.text)
	}
	for i, k := range mp.marks {
		mp.mark(c, k, marked[i])
	}
}

// ground returns the colour of a region.
func (m costMap) ground(layer int) paint {
	if layer == nowhere {
		return pale(grey, .88)
	}
	return pale(m.layers[layer].style.colour, .72)
}

// fillRow adds the cells between two rows of corners to the regions, and the lines between regions.
func (mp mapPlotter) fillRow(low, high []corner, layerAt func(vg.Point) int, fills map[int]vg.Path, lines *vg.Path) {
	const overlap = .3 // so that no gap shows between rows
	polygon := func(layer int, points ...vg.Point) {
		path := fills[layer]
		for i, at := range points {
			if i == 0 {
				path.Move(at)
			} else {
				path.Line(at)
			}
		}
		path.Close()
		fills[layer] = path
	}
	begun := -1 // the first cell of a stretch that lies in one region
	for i := range len(low) - 1 {
		around := []corner{low[i], low[i+1], high[i+1], high[i]}
		whole := !slices.ContainsFunc(around, func(k corner) bool { return k.layer != around[0].layer })
		if whole && begun < 0 {
			begun = i
		}
		ends := whole && (i == len(low)-2 || low[i+2].layer != low[i+1].layer || high[i+2].layer != low[i+1].layer)
		if ends {
			from, to := low[begun].at, high[i+1].at
			polygon(around[0].layer, vg.Point{X: from.X - overlap, Y: from.Y - overlap}, vg.Point{X: to.X + overlap, Y: from.Y - overlap},
				vg.Point{X: to.X + overlap, Y: to.Y + overlap}, vg.Point{X: from.X - overlap, Y: to.Y + overlap})
			begun = -1
		}
		if !whole {
			mp.part(around, layerAt, polygon, lines)
		}
	}
}

// part parts a cell with corners in several regions.
func (mp mapPlotter) part(around []corner, layerAt func(vg.Point) int, polygon func(int, ...vg.Point), lines *vg.Path) {
	crossings := make([]*vg.Point, len(around)) // on the edge from each corner to the next
	var found []vg.Point
	for i, from := range around {
		to := around[(i+1)%len(around)]
		if from.layer == to.layer {
			continue
		}
		at := crossing(from, to, layerAt)
		crossings[i] = &at
		found = append(found, at)
	}
	middle := vg.Point{}
	for _, at := range found {
		middle = middle.Add(at.Scale(1 / vg.Length(len(found))))
	}
	if len(found) == 2 {
		lines.Move(found[0])
		lines.Line(found[1])
	} else {
		for _, at := range found {
			lines.Move(at)
			lines.Line(middle)
		}
	}
	for i := range around {
		if crossings[(i+len(around)-1)%len(around)] == nil {
			continue // this corner is not the first one of its region
		}
		points := []vg.Point{*crossings[(i+len(around)-1)%len(around)]}
		for k := i; ; k = (k + 1) % len(around) {
			points = append(points, around[k].at)
			if crossings[k] != nil {
				points = append(points, *crossings[k])
				break
			}
		}
		if len(found) > 2 {
			points = append(points, middle)
		}
		polygon(around[i].layer, points...)
	}
}

// crossing returns where the region of one corner ends on the way to another.
func crossing(from, to corner, layerAt func(vg.Point) int) vg.Point {
	low, high := from.at, to.at
	for range 7 {
		middle := low.Add(high).Scale(.5)
		if layerAt(middle) == from.layer {
			low = middle
		} else {
			high = middle
		}
	}
	return low.Add(high).Scale(.5)
}

// pattern draws the mark of each region all over it, for people who can't tell the colours apart.
func (mp mapPlotter) pattern(c draw.Canvas, layerAt func(vg.Point) int, names []regionName) {
	const apart, free = 24, 5
	odd := false
	for y := c.Min.Y + apart/2; y < c.Max.Y-free; y += apart {
		odd = !odd
		x := c.Min.X + apart/2
		if odd {
			x += apart / 2
		}
		for ; x < c.Max.X-free; x += apart {
			layer := layerAt(vg.Point{X: x, Y: y})
			inside := layer != nowhere
			for _, near := range []vg.Point{{X: x - free, Y: y}, {X: x + free, Y: y}, {X: x, Y: y - free}, {X: x, Y: y + free}} {
				inside = inside && layerAt(near) == layer
			}
			hides := slices.ContainsFunc(names, func(n regionName) bool {
				return math.Abs(float64(x-n.at.X)) < float64(n.style.Width(n.text)/2+free) && math.Abs(float64(y-n.at.Y)) < 9
			})
			if !inside || hides {
				continue
			}
			glyph := mp.layers[layer].style.glyph()
			glyph.Color, glyph.Radius = pale(mp.layers[layer].style.colour, .45), 1.7
			if h, ok := glyph.Shape.(hollow); ok {
				glyph.Radius = 2
				glyph.Shape = hollowOn{h.GlyphDrawer, mp.ground(layer)}
			}
			c.DrawGlyph(glyph, vg.Point{X: x, Y: y})
		}
	}
}

// A hollowOn glyph is a hollow one on another ground than paper.
type hollowOn struct {
	draw.GlyphDrawer
	ground paint
}

// DrawGlyph implements draw.GlyphDrawer.
func (h hollowOn) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	h.GlyphDrawer.DrawGlyph(c, sty, at)
	c.SetColor(h.ground)
	sty.Radius -= .8
	h.GlyphDrawer.DrawGlyph(c, sty, at)
}

// mark draws a point that was measured.
func (mp mapPlotter) mark(c draw.Canvas, k mapMark, at vg.Point) {
	colour := grey
	if k.layer != nowhere {
		colour = mp.layers[k.layer].style.colour
	}
	rings := []draw.GlyphStyle{{Color: paper, Radius: 6}, {Color: ink(colour), Radius: 4.6}}
	if k.unsure {
		rings = append(rings, draw.GlyphStyle{Color: paper, Radius: 3})
	}
	for _, ring := range rings {
		ring.Shape = draw.CircleGlyph{}
		c.DrawGlyphNoClip(ring, at) // half of it may lie outside
	}
}

// A regionName is the name of a region, and its middle.
type regionName struct {
	text  string
	style draw.TextStyle
	at    vg.Point
}

// names returns the names of the regions that have room for theirs, apart from the points that are marked.
func (mp mapPlotter) names(raster [][]corner, marked []vg.Point, narrow bool) []regionName {
	sty := bold(11, black)
	if narrow {
		sty = bold(9, black)
	}
	sty.XAlign = draw.XCenter
	var all []regionName
	for layer := nowhere; layer < len(mp.layers); layer++ {
		name := regionName{text: mp.label(layer), style: sty}
		width := sty.Width(name.text) + 14
		for _, height := range []vg.Length{140, 80, 40, 18} { // in the middle of a high region rather than at its edge
			at, ok := room(raster, layer, marked, width, height)
			if ok {
				name.at = at
				all = append(all, name)
				break
			}
		}
	}
	return all
}

// room returns the middle of the widest place of a region for something of that size, and false if there is none.
// It keeps away from the points that are marked.
func room(raster [][]corner, layer int, marked []vg.Point, width, height vg.Length) (middle vg.Point, ok bool) {
	const around = 9 // of a mark
	free := make([][]bool, len(raster))
	for k, row := range raster {
		for _, at := range row {
			near := slices.ContainsFunc(marked, func(m vg.Point) bool {
				return math.Abs(float64(m.X-at.at.X)) < around && math.Abs(float64(m.Y-at.at.Y)) < around
			})
			free[k] = append(free[k], at.layer == layer && !near)
		}
	}
	tall := int(math.Ceil(float64(height / (raster[1][0].at.Y - raster[0][0].at.Y))))
	widest := width
	for k := 0; k+tall < len(raster); k++ {
		from := 0
		for i := range raster[k] {
			for up := range tall + 1 {
				if !free[k+up][i] {
					from = i + 1
				}
			}
			if from > i {
				continue
			}
			if w := raster[k][i].at.X - raster[k][from].at.X; w > widest {
				widest, ok = w+1e-6, true
				middle = raster[k][from].at.Add(raster[k+tall][i].at).Scale(.5)
			}
		}
	}
	return middle, ok
}

// entries returns the layers that a legend explains: those that are the cheapest anywhere.
func (m costMap) entries() []int {
	if len(m.layers) == 0 || len(m.xs) < 2 || len(m.ys) < 2 {
		return nil
	}
	x, y := m.axes()
	f := newSurface(m, x, y)
	wins := make([]bool, len(m.layers)+1) // the last one: nowhere
	const steps = 40
	for k := range steps + 1 {
		for i := range steps + 1 {
			share := func(a curveAxis, n int) float64 { return a.min + (a.max-a.min)*float64(n)/steps }
			layer := f.cheapest(share(x, i), share(y, k))
			wins[(layer+len(wins))%len(wins)] = true
		}
	}
	for _, k := range m.marks {
		wins[(k.layer+len(wins))%len(wins)] = true
	}
	var all []int
	for i, win := range wins {
		switch {
		case win && i < len(m.layers):
			all = append(all, i)
		case win:
			all = append(all, nowhere)
		}
	}
	return all
}

const (
	swatchWidth  = 22
	swatchHeight = 12
)

// legendColumns returns in how many columns the legend stands.
func (m costMap) legendColumns(entries []int, width vg.Length) int {
	widest := vg.Length(1)
	for _, i := range entries {
		widest = max(widest, bold(10, black).Width(m.label(i))+swatchWidth+24)
	}
	return max(1, min(max(1, len(entries)), int((width-2*margin)/widest)))
}

func (m costMap) legendHeight(entries []int, width vg.Length) vg.Length {
	columns := m.legendColumns(entries, width)
	return 10 + 18*vg.Length((len(entries)+columns-1)/columns)
}

// drawLegend writes the legend at the bottom of c.
func (m costMap) drawLegend(c draw.Canvas, entries []int) {
	columns := m.legendColumns(entries, c.Max.X-c.Min.X+2*margin)
	rows := (len(entries) + columns - 1) / columns
	width := (c.Max.X - c.Min.X) / vg.Length(columns)
	labels := make([]string, len(entries))
	for n, i := range entries {
		labels[n] = m.label(i)
	}
	labels = fit(bold(10, black), width-swatchWidth-12, labels...)
	for n, i := range entries {
		at := vg.Point{X: c.Min.X + width*vg.Length(n%columns), Y: c.Min.Y + 18*vg.Length(rows-1-n/columns)}
		box := vg.Rectangle{Min: at, Max: at.Add(vg.Point{X: swatchWidth, Y: swatchHeight})}
		c.FillPolygon(m.ground(i), cornersOf(box))
		words := bold(10, grey)
		if i != nowhere {
			s := m.layers[i].style
			words = bold(10, ink(s.colour))
			glyph := s.glyph()
			if h, ok := glyph.Shape.(hollow); ok {
				glyph.Shape = hollowOn{h.GlyphDrawer, m.ground(i)}
			}
			c.DrawGlyphNoClip(glyph, box.Min.Add(box.Max).Scale(.5))
		}
		c.FillText(words, vg.Point{X: box.Max.X + 6, Y: at.Y + swatchHeight/2}, labels[n])
	}
}
