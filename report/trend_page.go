package report

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// TrendPage is the file name of the page that History.Write makes.
const TrendPage = "trend.html"

// trendPage is the data of trend.html.
type trendPage struct {
	frame
	Trends []trendSection
	Alone  []string
}

type trendSection struct {
	ID, Title, Detail string
	Figures           []pageFigure
	Tables            []trendTable
}

// A trendTable is the runs of one transport.
type trendTable struct {
	Colour Hues // as in a GridRow
	table
}

// Write draws the trends into dir, which must exist: trend.html, and a chart of each figure as .svg and
// .png, called trend-p50 and so on, those of a second trend trend-2-p50. Each file is replaced atomically.
// At least one trend is required.
func (h History) Write(dir string) error {
	if len(h.Trends) == 0 {
		return errors.New("drawing a trend: no two results measured the same load")
	}
	drawn, page, err := h.draw(Link{})
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawn, TrendPage, page)
}

// HTML writes the page that Write saves as trend.html, with the link back at the top unless it is zero.
func (h History) HTML(w io.Writer, back Link) error {
	_, page, err := h.draw(back)
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", TrendPage, err)
	}
	return nil
}

// draw returns all charts, and the page with them.
func (h History) draw(back Link) ([]drawing, []byte, error) {
	p := trendPage{frame: frame{Back: back, Title: "Trend"}}
	var all []drawing
	for i, t := range h.Trends {
		drawings := drawingsOf(t.figures(i))
		all = append(all, drawings...)
		id := "trend-" + strconv.Itoa(i+1)
		p.Trends = append(p.Trends, trendSection{ID: id, Title: isolated(t.Title), Detail: t.Detail, Figures: figuresOf(drawings), Tables: t.tables(id)})
		if len(h.Trends) == 1 {
			p.Title = "Trend of " + text.Plural(len(t.Points), "run", "runs")
		}
	}
	for _, alone := range h.Alone {
		p.Alone = append(p.Alone, isolated(alone.line()))
	}
	page, err := render(TrendPage, p)
	return all, page, err
}

// TrendCharts returns the charts of one trend, in the order of the page.
func TrendCharts() []Chart {
	var all []Chart
	for _, fig := range (Trend{}).figures(0) {
		all = append(all, Chart{fig.name, fig.title})
	}
	return all
}

// SVG writes the chart with that name, of TrendCharts, as SVG.
func (t Trend) SVG(w io.Writer, chart string) error { return one(w, svgOf, chart, t.figures(0)) }

// PNG writes the chart with that name, of TrendCharts, as PNG.
func (t Trend) PNG(w io.Writer, chart string) error { return one(w, figure.png, chart, t.figures(0)) }

// A trendRow is one transport in one run.
type trendRow struct {
	when, version string
	figures       []trendFigure // in the order of the metrics in a trend
	moved         string        // how its machine differs from that of the row above; empty: it doesn't
	distrust      []string      // why it is not to be believed
}

type trendFigure struct{ value, change, interval string }

// remarks returns what is to be said of a row, in one line each.
func (r trendRow) remarks() []string {
	var all []string
	if r.moved != "" {
		all = append(all, "another machine: "+r.moved)
	}
	for _, why := range r.distrust {
		all = append(all, "not to be believed: "+why)
	}
	return all
}

// rows returns the runs that measured a transport.
func (t Trend) rows(transport string) []trendRow {
	var all []trendRow
	metrics := result.MetricsIn(result.InTrend)
	before := map[string]sample{} // by metric: of the last run on the same machine that is to be believed
	last := -1                    // index of the last run that measured the transport
	for i, p := range t.Points {
		row, ok := p.row(transport)
		if !ok {
			continue
		}
		r := trendRow{when: p.moment(), version: p.version}
		if last >= 0 {
			if r.moved = p.moved(t.Points[last]); r.moved != "" {
				clear(before)
			}
		}
		last = i
		for _, d := range row.Doubts {
			if d.Fatal {
				r.distrust = append(r.distrust, text.Clean(d.Text))
			}
		}
		for _, m := range metrics {
			m = m.Typeset()
			f := trendFigure{value: text.Cell(m, row), interval: intervalOf(m, row)}
			for _, s := range t.samples(m, transport) {
				if s.run != i || !s.believed {
					continue
				}
				if from, ok := before[m.Key]; ok {
					f.change = change(from, s)
				}
				before[m.Key] = s
			}
			r.figures = append(r.figures, f)
		}
		all = append(all, r)
	}
	return all
}

// tables returns a table for each transport. id begins their ids.
func (t Trend) tables(id string) []trendTable {
	var all []trendTable
	for i, s := range t.transports {
		one := table{
			ID: id + "-numbers-" + strconv.Itoa(i+1), Title: s.name,
			Captions: []string{"The oldest run first."},
			Grid:     Grid{Head: []Cell{{Text: "run", Left: true}, {Text: "version", Left: true}}},
		}
		for _, m := range result.MetricsIn(result.InTrend) {
			col := columnOf(m, t.transports)
			one.Head = append(one.Head, Cell{Text: col.head, Below: col.below})
		}
		for _, r := range t.rows(s.Transport) {
			row := GridRow{Cells: []Cell{{Text: r.when, Left: true}, {Text: isolated(r.version), Below: strings.Join(r.remarks(), "; "), Left: true}}}
			for _, f := range r.figures {
				cell := Cell{Text: f.value, Below: f.interval}
				if f.change != "" {
					cell.Text = f.change + "  " + f.value
				}
				row.Cells = append(row.Cells, cell)
			}
			one.Rows = append(one.Rows, row)
		}
		all = append(all, trendTable{huesOf(s.style.colour), one})
	}
	return all
}
