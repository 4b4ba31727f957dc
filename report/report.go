// Package report draws results: a table for a terminal, the answer in words, charts as SVG and
// PNG, and one page that opens from disk. A Set is several results that belong together, like those of a sweep.
//
// It measures nothing and judges nothing: the numbers and the doubts about them come from packages
// result and theory, the choice of a transport from package verdict. The same results give the same bytes.
// The page is self-contained: it runs no script and loads nothing. Names in a result may contain anything and
// are shown as plain text: what can't be seen or drawn is spelled, and no two runs or transports are shown
// under the same name.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/theory"
	"pushpull/report/verdict"
)

// Page is the file name of the page that Write makes.
const Page = "report.html"

// A Link is a link to another page.
type Link struct{ Text, URL string }

// A Run is one result with its rows, and the name that distinguishes it from other runs. Use NewRun to
// make one. Every function that shows or writes a run uses its Rows and computes none of its own.
type Run struct {
	Name string // empty: the scenario's; runs with names that look alike are numbered where they are shown
	*result.Result
	Rows []result.Row // with the predictions and doubts of theory
}

// NewRun merges the windows of res into rows, compares these with theory, and fills in the intervals of
// their figures. Windows that are added to res later are not in the rows.
func NewRun(name string, res *result.Result) Run {
	rows := theory.Rows(res)
	verdict.Fill(rows, res.Windows)
	return Run{name, res, rows}
}

// Write draws runs into dir, which must exist: report.html, and the charts latency,
// latency-over-time, requests, store-reads, server-cpu and memory, each as .svg and .png. Each file is
// replaced atomically: after an error it has either the old or the new content. At least one run is
// required.
func Write(dir string, runs ...Run) error {
	if len(runs) == 0 {
		return errors.New("drawing a report: there is no result to draw")
	}
	all := seriesOf(runs)
	drawings := drawingsOf(figures(all))
	page, err := renderPage(Link{}, runs, all, drawings)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}

// writeDrawn writes each drawing as .svg and .png, and then the page with that name.
func writeDrawn(dir string, drawings []drawing, name string, page []byte) error {
	pngs := make([][]byte, len(drawings))
	for i, d := range drawings {
		png, err := d.png()
		if err != nil {
			return err
		}
		pngs[i] = png
	}
	for i, d := range drawings {
		if err := replace(dir, d.name+".svg", d.svg); err != nil {
			return err
		}
		if err := replace(dir, d.name+".png", pngs[i]); err != nil {
			return err
		}
	}
	return replace(dir, name, page)
}

// HTML writes the page that Write saves as report.html, with the link back at the top unless it is zero.
// It is faster than Write, as it draws no PNGs. Runs in which something was made to break get the page of their Faults.
func HTML(w io.Writer, back Link, runs ...Run) error {
	if len(runs) > 0 && !slices.ContainsFunc(runs, func(run Run) bool { return !HasFaults(run) }) {
		return NewFaults(runs...).html(w, back)
	}
	all := seriesOf(runs)
	drawings := drawingsOf(figures(all))
	page, err := renderPage(back, runs, all, drawings)
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

// A Chart is one of the charts of a report. All reports have the same ones.
type Chart struct {
	Name  string // of its files, without the extension
	Title string // what it shows
}

// Charts returns all charts, in the order of the page.
func Charts() []Chart {
	var all []Chart
	for _, fig := range figures(nil) {
		all = append(all, Chart{fig.name, fig.title})
	}
	return all
}

// SVG writes the chart with that name, of Charts, as SVG.
func SVG(w io.Writer, chart string, runs ...Run) error {
	return one(w, svgOf, chart, figures(seriesOf(runs)))
}

// PNG writes the chart with that name, of Charts, as PNG.
func PNG(w io.Writer, chart string, runs ...Run) error {
	return one(w, figure.png, chart, figures(seriesOf(runs)))
}

// svgOf is figure.svg for one.
func svgOf(f figure) ([]byte, error) { return f.svg(), nil }

// one writes the chart with that name.
func one(w io.Writer, render func(figure) ([]byte, error), chart string, all []figure) error {
	for _, fig := range all {
		if fig.name != chart {
			continue
		}
		data, err := render(fig)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return fmt.Errorf("writing %s: %w", chart, err)
		}
		return nil
	}
	return fmt.Errorf("drawing %s: no such chart", chart)
}

// replace writes a temporary file and renames it, so that a full disk leaves no partial file.
func replace(dir, name string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", name, err)
		}
	}()
	file, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// A series is one transport in one run: a row of a table, a bar or a curve.
type series struct {
	result.Row
	windows []result.Window

	name   string // of the transport, as text.Name writes it
	run    string // label of the run; empty if there is only one run
	row    int    // index of the transport
	column int    // index of the run
	style  style
}

// label returns the name of the transport and, if there are several runs, that of the run.
func (s series) label() string {
	if s.run == "" {
		return s.name
	}
	return s.name + between + s.run
}

// between stands between the name of a transport and that of a run.
const between = " · "

// seriesOf returns the series of all runs, ordered by transport, then by run.
func seriesOf(runs []Run) []series {
	var transports []string
	var all []series
	_, labels := namesOf(runs)
	for column, run := range runs {
		for _, row := range run.Rows {
			index := slices.Index(transports, row.Transport)
			if index < 0 {
				index = len(transports)
				transports = append(transports, row.Transport)
			}
			s := series{Row: row, name: text.Name(row.Transport), row: index, column: column}
			if len(runs) > 1 {
				s.run = labels[column]
			}
			for _, w := range run.Windows {
				if w.Transport == row.Transport {
					s.windows = append(s.windows, w)
				}
			}
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b series) int { return cmp.Compare(a.row, b.row) })
	styles := stylesOf(all)
	for i, s := range all {
		all[i].style = styles[s.Transport].inRun(s.column, len(runs))
	}
	return all
}

// missing returns the transports of the scenario without a window, apart from those that their servers lack.
func (r Run) missing() []string {
	var names []string
	for _, transport := range r.Run.Scenario.Transports {
		if slices.ContainsFunc(r.Run.Scenario.Lacking, func(l result.Lack) bool { return l.Transport == transport }) {
			continue
		}
		if !slices.ContainsFunc(r.Windows, func(w result.Window) bool { return w.Transport == transport }) {
			names = append(names, transport)
		}
	}
	return names
}
