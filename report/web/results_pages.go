package web

import (
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// mostTogether is how many runs can be laid side by side: more lines can't be distinguished, and
// drawing hundreds takes 15 seconds.
const mostTogether = 16

// paperPolicy is the policy of files drawn by package report, which have inline styles and no scripts.
const paperPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// runPages are the pages about runs:
//
//	/results                         the list
//	/results?run=NAME&run=NAME       runs side by side
//	/results/NAME/report.html        the report, drawn from the result even if a file of that name exists
//	/results/NAME/CHART.svg, .png    a chart of it
//	/results/NAME/trend.html         the trend of all runs that it can be compared with
//	/results/NAME/TREND.svg, .png    a chart of that
//	/results/NAME/result.jsonl       the result itself
//	/results/NAME                    redirects to the report
//
// NAME may contain slashes. The part after the last slash is tried as a file of a run first, then as
// a part of the name, so that a run with any name has all of its pages.
type runPages struct {
	results  *Results
	links    []report.Link
	listed   *template.Template
	troubled *template.Template
}

func (p *Pages) runPages() *runPages {
	return &runPages{p.Results, p.links(), page("results"), page("trouble")}
}

// listBody is the data of the list.
type listBody struct {
	Dir       string
	Complaint string // what is wrong with the request; empty if nothing is
	Entries   []listEntry
	Left      int      // runs beyond those in Entries
	Troubles  []string // why a directory was not searched
	Together  bool     // whether at least two runs can be laid side by side
	Most      int      // runs that can be laid side by side at once
	Charts    []report.Chart
	Trends    []listTrend
}

type listEntry struct {
	*report.Summary        // nil if the result can't be read
	Name, URL       string // the files of the run are below URL
	Moment, Machine string // start of the run, for people and as RFC 3339; empty if unknown
	Error           string // why the result can't be read
	Raw             bool   // whether the file can be downloaded
	Ticked          bool
	Fatal, Doubts   []report.Remark
}

// list serves the list, or the report of the runs that are ticked in it.
func (p *runPages) list(w http.ResponseWriter, r *http.Request) {
	var ticked []string
	for _, name := range r.URL.Query()["run"] {
		if !slices.Contains(ticked, name) {
			ticked = append(ticked, name)
		}
	}
	switch n := len(ticked); {
	case n > mostTogether:
		p.listWith(w, r, ticked, fmt.Sprintf("Tick at most %d runs to lay them side by side.", mostTogether))
	case n > 1:
		p.together(w, r, ticked)
	case n == 1 || r.URL.ForceQuery: // a form with nothing ticked sends an empty query
		p.listWith(w, r, ticked, "Tick two or more runs to lay them side by side.")
	default:
		p.listWith(w, r, nil, "")
	}
}

// listWith serves the list; with a complaint above it the status is 400.
func (p *runPages) listWith(w http.ResponseWriter, r *http.Request, ticked []string, complaint string) {
	l, err := p.results.list(r.Context())
	if err != nil {
		p.trouble(w, http.StatusInternalServerError, "The runs can’t be listed", err.Error())
		return
	}
	body := listBody{
		Dir: text.Clean(p.results.Dir), Complaint: complaint, Left: l.left, Troubles: l.troubles,
		Most: mostTogether, Charts: report.Charts(),
	}
	body.Trends = trendsOf(l.runs)
	readable := 0
	for _, run := range l.runs {
		if run.summary != nil {
			readable++
		}
		entry := entryOf(run)
		entry.Ticked = slices.Contains(ticked, run.name)
		body.Entries = append(body.Entries, entry)
	}
	body.Together = readable > 1
	status := http.StatusOK
	if complaint != "" {
		status = http.StatusBadRequest
	}
	show(w, status, p.listed, frame{
		Title: "Results", Style: "results.css", Script: "results.js", At: "/results", Links: p.links, Body: body,
	})
}

func entryOf(run run) listEntry {
	e := listEntry{Summary: run.summary, Name: text.Clean(run.name), URL: urlOf(run.name), Raw: !run.modified.IsZero()}
	if run.err != nil {
		e.Error = text.Clean(run.err.Error())
	}
	if run.summary == nil {
		return e
	}
	if started := run.summary.Started.UTC(); !started.IsZero() {
		e.Moment, e.Machine = started.Format(report.Moment), started.Format(time.RFC3339)
	}
	if len(run.summary.Headlines.Rows) > 0 {
		for _, remark := range run.summary.Remarks {
			if remark.Fatal {
				e.Fatal = append(e.Fatal, remark)
			} else {
				e.Doubts = append(e.Doubts, remark)
			}
		}
	}
	if run.cut != "" {
		e.Doubts = append(e.Doubts, report.Remark{About: "the result", Text: text.Clean(run.cut)})
	}
	return e
}

// urlOf returns the path below which the pages of a run are.
func urlOf(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return "/results/" + strings.Join(segments, "/")
}

// one serves the files of one run.
func (p *runPages) one(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimSuffix(r.PathValue("path"), "/")
	if at == "" {
		http.Redirect(w, r, "/results", http.StatusSeeOther)
		return
	}
	root, err := os.OpenRoot(p.results.Dir)
	if err != nil {
		p.missing(w, at)
		return
	}
	defer root.Close()
	dir, file := path.Split(at)
	if found, ok := p.results.locate(root, strings.TrimSuffix(dir, "/")); ok {
		if file == result.File {
			p.raw(w, r, root, found)
			return
		}
		if renderer(file) != nil {
			p.draw(w, r, root, file, []run{found})
			return
		}
		if write := trendRenderer(file); write != nil {
			p.trend(w, r, file, found, write)
			return
		}
	}
	if run, ok := p.results.locate(root, at); ok {
		http.Redirect(w, r, urlOf(run.name)+"/"+report.Page, http.StatusSeeOther)
		return
	}
	p.missing(w, at)
}

// together serves the report of several runs.
func (p *runPages) together(w http.ResponseWriter, r *http.Request, names []string) {
	root, err := os.OpenRoot(p.results.Dir)
	if err != nil {
		p.missing(w, names[0])
		return
	}
	defer root.Close()
	var runs []run
	for _, name := range names {
		run, ok := p.results.locate(root, name)
		if !ok {
			p.missing(w, name)
			return
		}
		runs = append(runs, run)
	}
	p.draw(w, r, root, report.Page, runs)
}

// back leads from a page of runs to the list.
var back = report.Link{Text: "← Results", URL: "/results"}

// renderer returns the function that draws a file of a run; nil if there is no such file.
func renderer(file string) func(io.Writer, ...report.Run) error {
	if file == report.Page {
		return func(w io.Writer, runs ...report.Run) error { return report.HTML(w, back, runs...) }
	}
	for _, chart := range report.Charts() {
		switch file {
		case chart.Name + ".svg":
			return func(w io.Writer, runs ...report.Run) error { return report.SVG(w, chart.Name, runs...) }
		case chart.Name + ".png":
			return func(w io.Writer, runs ...report.Run) error { return report.PNG(w, chart.Name, runs...) }
		}
	}
	return nil
}

// draw serves a file drawn from runs.
func (p *runPages) draw(w http.ResponseWriter, r *http.Request, root *os.Root, file string, runs []run) {
	data, err := p.results.render(r.Context(), root, file, runs, renderer(file))
	p.paper(w, file, data, err)
}

// paper serves a file that was drawn, or a page with the reason why it can't be.
func (p *runPages) paper(w http.ResponseWriter, file string, data []byte, err error) {
	if err != nil {
		p.trouble(w, http.StatusInternalServerError, "This can’t be drawn", err.Error())
		return
	}
	w.Header().Set("Content-Security-Policy", paperPolicy)
	w.Header().Set("Content-Type", kindOf(file))
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(data)
}

// raw serves the result file itself, even if it can't be evaluated.
func (p *runPages) raw(w http.ResponseWriter, r *http.Request, root *os.Root, run run) {
	file, err := run.file(root)
	if err != nil {
		p.trouble(w, http.StatusInternalServerError, "This result can’t be read", err.Error())
		return
	}
	defer file.Close()
	as := strings.ReplaceAll(run.name, "/", "-") + path.Ext(result.File)
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": as}))
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", run.modified, file)
}

func (p *runPages) missing(w http.ResponseWriter, name string) {
	p.trouble(w, http.StatusNotFound, "There is no such run",
		fmt.Sprintf("Nothing was found under “%s”. It may have been moved or deleted.", text.Clean(name)))
}

// trouble serves a page that says what is wrong.
func (p *runPages) trouble(w http.ResponseWriter, status int, title, words string) {
	show(w, status, p.troubled, frame{
		Title: title, Style: "results.css", Links: p.links,
		Body: struct{ Title, Text string }{title, text.Clean(words)},
	})
}
