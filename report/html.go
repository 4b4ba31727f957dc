package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

//go:embed report.html.tmpl
var pageFiles embed.FS

// page is what the template shows. Its strings are text, but for the drawings, which this package
// has made.
type page struct {
	Back     Link // none if it is zero
	Title    string
	Lede     []string
	Answers  []answer
	Fatal    []Remark
	Remarks  []Remark
	Figures  []pageFigure
	Table    Grid
	Store    Grid     // empty where no server tells of its store
	Theory   Grid     // empty where theory says nothing
	RunNames []string // none when there is only one run
	Settings []fact
	Places   []fact
	Differs  []string
	Commands []string
}

type answer struct{ Run, First, Rest string }

// A Grid is a table with a row for each transport of each run, whose first cell names it.
type Grid struct {
	Head []Cell
	Rows []GridRow
}

// A GridRow is about one transport.
type GridRow struct {
	Kind   string // of the transport, like "short-poll"
	Colour string // that the charts give it, like "#d55e00"
	Cells  []Cell
}

// A Cell is text, fit to be shown.
type Cell struct {
	Text  string
	Below string // in the heading: the unit
	Left  bool   // words, not a number
}

type pageFigure struct {
	Name, Title, Detail string
	SVG                 template.HTML
}

// renderPage makes the page from the drawings of the same series.
func renderPage(back Link, runs []Run, all []series, drawings []drawing) ([]byte, error) {
	p := page{Back: back, Remarks: remarksOf(runs, all)}
	var names []string
	for _, run := range runs {
		names = append(names, run.name())
		words := sentences(run)
		a := answer{First: unbroken(words[0]), Rest: unbroken(strings.Join(words[1:], " "))}
		if len(runs) > 1 {
			a.Run = run.name()
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
		// Without the XML declaration, which has no place within a page. A drawing has no id that
		// could clash with one of another, and its text was escaped as it was drawn.
		_, svg, _ := bytes.Cut(d.svg, []byte("-->\n"))
		p.Figures = append(p.Figures, pageFigure{d.name, d.title, d.detail, template.HTML(svg)})
	}
	p.Table = tableOf(columns(len(runs), all), all)
	p.Store = tableOf(storeColumns(len(runs)), stored(all))
	p.Theory = tableOf(theoryColumns(len(runs)), predicted(all))
	for _, f := range facts(runs) {
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

func tableOf(cols []column, all []series) Grid {
	var t Grid
	for _, col := range cols {
		t.Head = append(t.Head, Cell{col.head, strings.ReplaceAll(col.below, "us/", "µs/"), col.left()})
	}
	for _, s := range all {
		row := GridRow{Kind: kindOf(s.name), Colour: hex(s.style.colour)}
		for _, col := range cols {
			row.Cells = append(row.Cells, Cell{col.cell(s), "", col.left()})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// ledeOf says below the title what was measured, and when.
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

// loadOf is like "200 users, 2 rounds of 20 s".
func loadOf(s result.Scenario) string {
	return fmt.Sprintf("%s, %s of %s s", text.Plural(s.Users, "user", "users"), text.Plural(s.Rounds, "round", "rounds"), plain(s.DurationS))
}

// quantity is a number before its unit.
var quantity = regexp.MustCompile(`(\d) (µs|ms|s)\b`)

// unbroken keeps a number and its unit on one line.
func unbroken(words string) string { return quantity.ReplaceAllString(words, "$1\u00a0$2") }
