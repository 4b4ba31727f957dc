package web

import (
	"fmt"
	"io"
	"net/http"
	"slices"

	"pushpull/report"
	"pushpull/report/text"
)

// mostPoints is how many runs a trend shows, the newest ones.
const mostPoints = 200

// A listTrend is a trend in the list of runs.
type listTrend struct {
	Title, Detail string // plain text
	Runs          int
	URL           string // the files of the trend are below it
	Chart, About  string // the file of its first chart, and what that shows
}

// trendsOf returns the trends of runs.
func trendsOf(runs []run) []listTrend {
	var all []listTrend
	chart := report.TrendCharts()[0]
	for _, t := range report.NewHistory(pointsOf(runs)...).Trends {
		all = append(all, listTrend{
			Title: t.Title, Detail: t.Detail, Runs: min(len(t.Points), mostPoints), URL: urlOf(t.Points[len(t.Points)-1].Name),
			Chart: chart.Name + ".svg", About: chart.Title,
		})
	}
	return all
}

// pointsOf returns a point for each run that could be read.
func pointsOf(runs []run) []report.Point {
	var all []report.Point
	for _, run := range runs {
		if run.summary != nil {
			point := run.summary.Point
			point.Name = run.name
			all = append(all, point)
		}
	}
	return all
}

// trendRenderer returns the function that draws a file of a trend; nil if there is no such file.
func trendRenderer(file string) func(io.Writer, report.History) error {
	if file == report.TrendPage {
		return func(w io.Writer, h report.History) error { return h.HTML(w, back) }
	}
	for _, chart := range report.TrendCharts() {
		switch file {
		case chart.Name + ".svg":
			return func(w io.Writer, h report.History) error { return h.Trends[0].SVG(w, chart.Name) }
		case chart.Name + ".png":
			return func(w io.Writer, h report.History) error { return h.Trends[0].PNG(w, chart.Name) }
		}
	}
	return nil
}

// trend serves a file of the trend that a run belongs to. It draws from what the list knows, and reads only
// results that are new or have changed.
func (p *runPages) trend(w http.ResponseWriter, r *http.Request, file string, of run, write func(io.Writer, report.History) error) {
	l, err := p.results.list(r.Context())
	if err != nil {
		p.trouble(w, http.StatusInternalServerError, "The runs can’t be listed", err.Error())
		return
	}
	runs := slices.DeleteFunc(l.runs, func(run run) bool { return run.summary == nil })
	i := slices.IndexFunc(runs, func(run run) bool { return run.name == of.name })
	if i < 0 {
		p.missing(w, of.name)
		return
	}
	same := runs[i].summary.Point
	runs = slices.DeleteFunc(runs, func(run run) bool { return !run.summary.Point.Comparable(same) })
	if len(runs) < 2 {
		p.trouble(w, http.StatusNotFound, "There is no trend",
			fmt.Sprintf("No other run measured the same load as “%s”, with the same servers and store.", text.Clean(of.name)))
		return
	}
	runs = runs[:min(len(runs), mostPoints)]
	data, err := p.results.draw(r.Context(), file, runs, func(w io.Writer) error {
		return write(w, report.NewHistory(pointsOf(runs)...))
	})
	p.paper(w, file, data, err)
}
