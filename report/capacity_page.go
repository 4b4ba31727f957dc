package report

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// figures returns the charts of a capacity: p99, which decides, and p50 against the load.
func (c Capacity) figures() []figure {
	limitMS := 1e3 * c.of.P99S
	draw := func(name, of string, quantile func(result.Quantiles) float64) figure {
		ch := curveChart{
			name: name, title: "Delivery latency " + of + " by load", detail: "Lower is better. A ring marks the largest load that holds.",
			x: scale{label: c.set.axes[0].label(), write: loadNumber},
			y: scale{label: of + " of delivery", write: func(ms float64) string { return text.Duration(ms, 3) }},
		}
		if of == "p99" {
			ch.limits = []limit{{limitMS, "at most " + text.Duration(limitMS, 3)}}
		}
		var panel curvePanel
		for _, l := range c.all {
			line := curveLine{label: l.name, style: l.style}
			for _, m := range l.loads {
				if m.row.Delivered == 0 {
					continue
				}
				y := quantile(m.row.Latency)
				line.points = append(line.points, curvePoint{x: m.load, y: y, low: y, high: y, doubted: result.Fatal([]result.Row{m.row})})
			}
			if l.Holds > 0 {
				line.note = "holds " + loadNumber(l.Holds)
				if l.AtLeast {
					line.note = "holds at least " + loadNumber(l.Holds)
				}
				line.marks = []limit{{l.Holds, "the largest load that holds"}}
			}
			if len(line.points) > 0 {
				panel.lines = append(panel.lines, line)
			}
		}
		ch.panels = []curvePanel{panel}
		return ch.figure()
	}
	return []figure{
		draw("capacity-p99", "p99", func(q result.Quantiles) float64 { return q.P99 }),
		draw("capacity-p50", "p50", func(q result.Quantiles) float64 { return q.P50 }),
	}
}

// capacityPage is the data of the page of a capacity.
type capacityPage struct {
	frame
	Answers []string
	Numbers table
	Figures []pageFigure
	Tables  []trendTable
	Remarks []Remark
	Command string
	Facts   []facts
}

// Write draws the capacity into dir, which must exist: report.html, and the charts capacity-p99 and capacity-p50
// as .svg and .png. Each file is replaced atomically. At least one load must have been measured.
func (c Capacity) Write(dir string) error {
	if c.set.measured() == 0 {
		return errors.New("drawing a report: nothing was measured")
	}
	drawings := drawingsOf(c.figures())
	page, err := c.page(Link{}, drawings)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}

// HTML writes the page that Write saves as report.html, with the link back at the top unless it is zero.
func (c Capacity) HTML(w io.Writer, back Link) error {
	page, err := c.page(back, drawingsOf(c.figures()))
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

func (c Capacity) page(back Link, drawings []drawing) ([]byte, error) {
	x := c.set.Index
	p := capacityPage{
		frame: frame{Back: back, Title: isolated(c.Title())}, Command: text.Clean(x.Command), Figures: figuresOf(drawings), Remarks: c.remarks(),
	}
	if about := text.Clean(x.Scenario.About); about != "" {
		p.Lede = append(p.Lede, about)
	}
	began := c.setup()
	if !x.Started.IsZero() {
		began += " Begun on " + x.Started.UTC().Format(Moment) + "."
	}
	p.Lede = append(p.Lede, began)
	if note, tags := text.Clean(x.Note), tagsOf(result.Run{Tags: x.Tags}); note != "" || tags != nil {
		p.Notes = append(p.Notes, annotation{Text: note, Tags: tags})
	}
	for _, words := range c.Words() {
		p.Answers = append(p.Answers, isolated(words))
	}
	p.Numbers = table{ID: "capacity", Title: "Capacity", Captions: []string{"The transport that holds most first.", capacityLegend}}
	rows := c.cells()
	for i, cell := range rows[0] {
		p.Numbers.Head = append(p.Numbers.Head, Cell{Text: cell, Below: rows[1][i], Left: i == 0})
	}
	for i, row := range rows[2:] {
		line := GridRow{Way: c.all[i].Way.Class(), Colour: huesOf(c.all[i].style.colour)}
		for k, cell := range row {
			line.Cells = append(line.Cells, Cell{Text: cell, Left: k == 0})
		}
		p.Numbers.Rows = append(p.Numbers.Rows, line)
	}
	p.Tables, p.Facts = c.set.tables(), c.set.facts()
	p.Tables = slices.DeleteFunc(p.Tables, func(t trendTable) bool { return len(t.Rows) == 0 })
	return render("capacity.html", p)
}
