package report

import (
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Sizes of the chart of a matrix, in points.
const (
	faultRow  = 30 // height of a line
	faultHead = 30 // of the names of the transports
	faultGap  = 1.5
)

// figures returns a chart for each matrix.
func (f Faults) figures() []figure {
	var all []figure
	for i, m := range f.matrices {
		fig := figure{name: "faults", title: "What becomes of messages when something breaks", detail: faultsCaption}
		if len(f.matrices) > 1 {
			fig.name, fig.title = fmt.Sprintf("faults-%d", i+1), fig.title+": "+drawable(m.name)
		}
		for k, row := range m.cells {
			for n, c := range row {
				said := c.leftOut
				if c.windows > 0 {
					said = FaultWords(&c.Aftermath)
				} else if c.failed != "" {
					said = c.failed
				}
				fig.values = append(fig.values, text.Clean(m.faults[k].Name+", "+m.transports[n].name+": "+said+"."))
			}
		}
		fig.height = headHeight + 2*margin + faultHead + vg.Length(len(m.faults))*faultRow
		fig.narrow = fig.height
		fig.plot = m.plot
		all = append(all, fig)
	}
	return append(all, f.recoveryFigures()...)
}

// colour returns the ground of a cell: the worse, the darker.
func (c faultCell) colour() paint {
	if c.windows == 0 {
		return pale(grey, .9)
	}
	good, told := hue{shade{.57, .13, 172}, 0}.paint(), hue{shade{.68, .145, 80}, 0}.paint()
	switch worst := c.Worst(); {
	case worst.Bad:
		return alarm
	case worst.Name == result.Outcomes()[0].Name:
		return pale(good, .75)
	case c.Told+c.Refused+c.Unconfirmed+c.Doubled > 0:
		return pale(told, .6)
	}
	return pale(good, .5)
}

// plot draws the matrix.
func (m faultMatrix) plot(c draw.Canvas) {
	if len(m.transports) == 0 {
		say(c, "Nothing was measured.")
		return
	}
	size, names := vg.Length(9.5), vg.Length(84)
	if isNarrow(c) {
		size, names = 6, 52
	}
	width := (c.Max.X - c.Min.X - names) / vg.Length(len(m.transports))
	centred := func(sty draw.TextStyle) draw.TextStyle {
		sty.XAlign = draw.XCenter
		return sty
	}
	for k, s := range m.transports {
		x := c.Min.X + names + width*(vg.Length(k)+.5)
		lines := wrap(bold(size, black), width-2*faultGap, breakable(drawable(s.name)))
		for i, line := range lines {
			c.FillText(centred(bold(size, black)), vg.Point{X: x, Y: c.Max.Y - faultHead + (size+2)*(vg.Length(len(lines)-i)-.3)}, line)
		}
	}
	for i, row := range m.cells {
		top := c.Max.Y - faultHead - vg.Length(i)*faultRow
		middle := top - faultRow/2
		c.FillText(regular(size, black), vg.Point{X: c.Min.X, Y: middle}, fit(regular(size, black), names-4, drawable(m.faults[i].Name))[0])
		for k, cell := range row {
			left := c.Min.X + names + width*vg.Length(k)
			c.FillPolygon(cell.colour(), cornersOf(vg.Rectangle{
				Min: vg.Point{X: left + faultGap, Y: top - faultRow + faultGap}, Max: vg.Point{X: left + width - faultGap, Y: top - faultGap},
			}))
			outcome, recovered := cell.words()
			on := black
			if cell.windows > 0 && cell.Worst().Bad {
				on = paper
			}
			at := vg.Point{X: left + width/2, Y: middle}
			if recovered == "" {
				c.FillText(centred(regular(size, on)), at, fit(regular(size, on), width-2*faultGap, outcome)[0])
				continue
			}
			at.Y += size*.6 + .5
			c.FillText(centred(regular(size, on)), at, fit(regular(size, on), width-2*faultGap, outcome)[0])
			at.Y -= size*1.2 + 1
			c.FillText(centred(regular(size, on)), at, fit(regular(size, on), width-2*faultGap, recovered)[0])
		}
	}
}

// breakable returns the name of a transport so that it can be broken before its setting.
func breakable(name string) string {
	for i, r := range name {
		if r == '@' {
			return name[:i] + " " + name[i:]
		}
	}
	return name
}
