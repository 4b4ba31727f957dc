// Package report draws results: a table for a terminal, the answer in words, charts as SVG and
// PNG, and one page that opens from disk.
//
// It measures nothing and judges nothing: every number, and every doubt about one, comes from
// package result. The same results give the same bytes. The page holds all it shows, runs no
// script and asks the network for nothing; names in a result are text wherever they are shown.
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
)

// Page is the name of the page within the directory that Write fills.
const Page = "report.html"

// A Link leads to a page. Its text and URL are the caller's.
type Link struct{ Text, URL string }

// A Run is one result under the name by which it is laid beside others. An empty name is the
// scenario's.
type Run struct {
	Name string
	*result.Result
}

// Write draws runs into dir, which must exist: report.html, and the charts latency,
// latency-over-time, requests, store-reads, server-cpu and memory, each as .svg and .png. A file
// that exists is replaced as a whole or, with an error, left as it was.
func Write(dir string, runs ...Run) error {
	if len(runs) == 0 {
		return errors.New("drawing a report: there is no result to draw")
	}
	all := lay(runs)
	drawings, err := drawingsOf(all)
	if err != nil {
		return err
	}
	page, err := renderPage(Link{}, runs, all, drawings)
	if err != nil {
		return err
	}
	pngs := make([][]byte, len(drawings))
	for i, d := range drawings {
		if pngs[i], err = d.png(); err != nil {
			return err
		}
	}
	for i, d := range drawings {
		if err := replace(dir, d.name+".svg", d.svg); err != nil {
			return err
		}
		if err := replace(dir, d.name+".png", pngs[i]); err != nil {
			return err
		}
	}
	return replace(dir, Page, page)
}

// HTML writes to w the page of runs that Write leaves as report.html, with back at its head unless
// it is zero. It draws no PNG, which is the slow half.
func HTML(w io.Writer, back Link, runs ...Run) error {
	all := lay(runs)
	drawings, err := drawingsOf(all)
	if err != nil {
		return err
	}
	page, err := renderPage(back, runs, all, drawings)
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

// A Chart is one of those that a report has of all results alike.
type Chart struct {
	Name  string // of its files, without .svg or .png
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

// SVG writes to w the chart of that name.
func SVG(w io.Writer, chart string, runs ...Run) error { return one(w, figure.svg, chart, runs) }

// PNG writes to w the chart of that name.
func PNG(w io.Writer, chart string, runs ...Run) error { return one(w, figure.png, chart, runs) }

// one draws one chart alone.
func one(w io.Writer, render func(figure) ([]byte, error), chart string, runs []Run) error {
	for _, fig := range figures(lay(runs)) {
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
	return fmt.Errorf("drawing %s: there is no such chart", chart)
}

// replace writes beside the file first, so that a full disk leaves no half of one.
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

// A series is one transport in one run: a row of the table, a bar, a line.
type series struct {
	result.Row
	windows []result.Window

	name   string // of the transport, fit to be shown
	run    string // name of the run, fit to be shown; empty when there is only one
	row    int    // place of the transport among all of them
	column int    // place of the run
	style  style
}

// label tells the series apart from all others.
func (s series) label() string {
	if s.run == "" {
		return s.name
	}
	return s.name + " · " + s.run
}

// handshakesOnly says that no request was made to receive once the users had joined.
func (s series) handshakesOnly() bool { return s.Requests > 0 && s.Requests == s.Handshakes }

// lay brings the runs into one order: by transport, then by run.
func lay(runs []Run) []series {
	var transports []string
	var all []series
	for column, run := range runs {
		for _, row := range theory.Rows(run.Result) {
			place := slices.Index(transports, row.Transport)
			if place < 0 {
				place = len(transports)
				transports = append(transports, row.Transport)
			}
			s := series{Row: row, name: text.Clean(row.Transport), row: place, column: column}
			if len(runs) > 1 {
				s.run = run.name()
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
	styles := stylesOf(transports)
	for i, s := range all {
		all[i].style = styles[s.Transport].inRun(s.column, len(runs))
	}
	return all
}

func (r Run) name() string {
	if r.Name != "" {
		return text.Clean(r.Name)
	}
	return text.Clean(r.Run.Scenario.Name)
}

// missing returns the transports of the scenario that the run never came to.
func (r Run) missing() []string {
	var names []string
	for _, transport := range r.Run.Scenario.Transports {
		if !slices.ContainsFunc(r.Windows, func(w result.Window) bool { return w.Transport == transport }) {
			names = append(names, transport)
		}
	}
	return names
}
