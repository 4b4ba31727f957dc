package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/bidi"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

//go:embed report.html.tmpl
var pageFiles embed.FS

// page is the data of the template. All strings are plain text, which the template escapes; only the
// SVG of a figure is inserted as it is.
type page struct {
	Back     Link // zero: none
	Title    string
	Lede     []string
	Answers  []answer
	Fatal    []Remark
	Remarks  []Remark
	Figures  []pageFigure
	Table    Grid
	Store    Grid     // empty if no server reports on its store
	Theory   Grid     // empty if there are no predictions
	RunNames []string // empty if there is only one run
	Settings []condition
	Places   []condition
	Differs  []string
	Commands []string
}

// An answer is what a run says in sentences. Drawn is the name of the run in the charts if it differs
// from Run.
type answer struct{ Run, Drawn, First, Rest string }

// A Grid is a table with a row for each transport of each run. The first cell of a row names the
// transport.
type Grid struct {
	Head []Cell
	Rows []GridRow
}

// A GridRow is one transport in one run.
type GridRow struct {
	Way    string // class of the transport's result.Way
	Colour string // in the charts, like "#d55e00"
	Cells  []Cell
}

// A Cell is plain text without control characters. It is not escaped for HTML.
type Cell struct {
	Text  string
	Below string // in a heading: the unit
	Left  bool   // aligned to the left, as it is words, not a number
}

type pageFigure struct {
	Name, Title, Detail string
	SVG                 template.HTML
}

// renderPage returns the HTML page. all and drawings must be those of runs.
func renderPage(back Link, runs []Run, all []series, drawings []drawing) ([]byte, error) {
	p := page{Back: back}
	for _, r := range remarksOf(runs, all) {
		r.About = isolated(r.About)
		p.Remarks = append(p.Remarks, r)
	}
	_, labels := namesOf(runs)
	var names []string
	for _, label := range labels {
		names = append(names, isolated(label))
	}
	for i, run := range runs {
		words := sentences(run)
		a := answer{First: unbroken(words[0]), Rest: unbroken(strings.Join(words[1:], " "))}
		if len(runs) > 1 {
			a.Run = names[i]
			if drawn := drawable(labels[i]); drawn != labels[i] {
				a.Drawn = drawn
			}
		}
		p.Answers = append(p.Answers, a)
		if command := text.Clean(run.Run.Command); command != "" && !slices.Contains(p.Commands, command) {
			p.Commands = append(p.Commands, command)
		}
	}
	p.Title = strings.Join(names, " · ")
	if len(runs) == 1 {
		p.Lede = ledeOf(runs[0].Run)
	} else {
		p.RunNames = names
	}
	for _, setup := range setups(runs) {
		p.Lede = append(p.Lede, setup+".")
	}
	for _, r := range p.Remarks {
		if r.Fatal {
			p.Fatal = append(p.Fatal, r)
		}
	}
	for _, d := range drawings {
		// It is safe to insert: an svgCanvas escapes text, and each figure has ids of its own.
		p.Figures = append(p.Figures, pageFigure{d.name, d.title, d.detail, template.HTML(d.svg)})
	}
	p.Table = tableOf(columns(result.InTable, len(runs), all), all)
	p.Store = tableOf(columns(result.InStore, len(runs), all), stored(all))
	p.Theory = tableOf(columns(result.InTheory, len(runs), all), predicted(all))
	for _, f := range conditions(runs) {
		if f.Differs {
			p.Differs = append(p.Differs, f.Name)
		}
		if f.setting {
			p.Settings = append(p.Settings, f)
		} else {
			p.Places = append(p.Places, f)
		}
	}
	tmpl, err := template.ParseFS(pageFiles, "report.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("drawing %s: %w", Page, err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", Page, err)
	}
	return out.Bytes(), nil
}

// tableOf returns the columns of all series as a Grid.
func tableOf(cols []column, all []series) Grid {
	var t Grid
	for _, col := range cols {
		t.Head = append(t.Head, Cell{col.head, col.below, col.left})
	}
	for _, s := range all {
		row := GridRow{Way: s.Way.Class(), Colour: hex(s.style.colour)}
		for _, col := range cols {
			row.Cells = append(row.Cells, Cell{col.cell(s), "", col.left})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// ledeOf returns the lines below the title: what was measured, and when.
func ledeOf(run result.Run) []string {
	var lede []string
	if about := text.Clean(run.Scenario.About); about != "" {
		lede = append(lede, about)
	}
	load := loadOf(run.Scenario)
	if !run.Started.IsZero() {
		load += ", measured on " + run.Started.UTC().Format(Moment)
	}
	return append(lede, load+".")
}

// loadOf returns the load in a few words, like "200 users, 2 rounds of 20 s".
func loadOf(s result.Scenario) string {
	return fmt.Sprintf("%s, %s of %v s", text.Plural(s.Users, "user", "users"), text.Plural(s.Rounds, "round", "rounds"), float64(s.Duration))
}

// isolated marks the direction of a name that is written from right to left, so that a page shows the
// words and numbers around it in their own order.
func isolated(name string) string {
	const firstStrongIsolate, popDirectionalIsolate = "\u2068", "\u2069"
	leftwards := func(r rune) bool {
		properties, _ := bidi.LookupRune(r)
		return properties.Class() == bidi.R || properties.Class() == bidi.AL
	}
	if !strings.ContainsFunc(name, leftwards) {
		return name
	}
	return firstStrongIsolate + name + popDirectionalIsolate
}

// quantity matches the last digit of a number, and its unit.
var quantity = regexp.MustCompile(`(\d) (µs|ms|s)\b`)

// unbroken keeps a number and its unit on one line.
func unbroken(words string) string { return quantity.ReplaceAllString(words, "$1\u00a0$2") }
