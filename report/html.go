package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/bidi"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

//go:embed *.html.tmpl page.css
var pageFiles embed.FS

// page is the data of report.html. All strings are plain text, which the template escapes; only the SVG of
// a figure is inserted as it is.
type page struct {
	frame
	Answers  []answer
	Fatal    []Remark
	Differs  []string
	Numbers  table
	Servers  []string // other than pushpull's own: what they are
	Figures  []pageFigure
	Details  []table // of the store and of theory, as far as there are any
	Remarks  []Remark
	RunNames []string // empty if there is only one run
	Commands []string
	Facts    []facts
}

// A frame is what the template needs around the content of every page.
type frame struct {
	Back  Link // zero: none
	Title string
	Lede  []string
	Notes []annotation
}

// Style returns the style sheet of all pages.
func (frame) Style() (template.CSS, error) {
	css, err := pageFiles.ReadFile("page.css")
	return template.CSS(css), err
}

// An annotation is what somebody wrote to a run.
type annotation struct {
	Run  string // label of the run; empty: there is only one
	Text string // may be empty
	Tags []string
}

// An answer is what a run says in sentences. Drawn is the name of the run in the charts if it differs
// from Run.
type answer struct {
	Run, Drawn, First string
	Rest              []string
}

// Facts are conditions with a heading.
type facts struct {
	Title string
	Rows  []condition
}

// A pageFigure is a chart for wide windows and for narrow ones.
type pageFigure struct {
	ID, Title    string
	Wide, Narrow template.HTML
}

// render executes the template with that name.
func render(name string, data any) ([]byte, error) {
	tmpl, err := template.ParseFS(pageFiles, "*.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("drawing %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := tmpl.ExecuteTemplate(&out, name+".tmpl", data); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// renderPage returns the HTML page. all and drawings must be those of runs.
func renderPage(back Link, runs []Run, all []series, drawings []drawing) ([]byte, error) {
	_, labels := namesOf(runs)
	names := make([]string, len(labels))
	for i, label := range labels {
		names[i] = isolated(label)
	}
	p := page{frame: frame{Back: back, Title: strings.Join(names, " · "), Notes: notesOf(runs)}, Answers: answersOf(runs)}
	if len(runs) == 1 {
		p.Lede = ledeOf(runs[0].Run)
	} else {
		p.RunNames = names
	}
	for _, setup := range setups(runs) {
		p.Lede = append(p.Lede, setup+".")
	}
	for _, r := range remarksOf(runs, all) {
		r.About = isolated(r.About)
		p.Remarks = append(p.Remarks, r)
		if r.Fatal {
			p.Fatal = append(p.Fatal, r)
		}
	}
	for _, run := range runs {
		if command := text.Clean(run.Run.Command); command != "" && !slices.Contains(p.Commands, command) {
			p.Commands = append(p.Commands, command)
		}
	}
	p.Figures = figuresOf(drawings)
	p.Numbers, p.Details = tablesOf(len(runs), all)
	p.Servers = foreign(runs)
	p.Facts = []facts{{Title: "Scenario"}, {Title: "Environment"}}
	for _, f := range conditions(runs) {
		if f.Differs {
			p.Differs = append(p.Differs, f.Name)
		}
		of := &p.Facts[1]
		if f.setting {
			of = &p.Facts[0]
		}
		of.Rows = append(of.Rows, f)
	}
	return render(Page, p)
}

// answersOf returns the answers of runs for the page.
func answersOf(runs []Run) []answer {
	var all []answer
	for _, p := range Answers(runs...) {
		a := answer{Run: isolated(p.Run), First: unbroken(p.Sentences[0])}
		if drawn := drawable(p.Run); drawn != p.Run {
			a.Drawn = drawn
		}
		for _, s := range p.Sentences[1:] {
			a.Rest = append(a.Rest, unbroken(s))
		}
		all = append(all, a)
	}
	return all
}

// figuresOf returns drawings for a page.
func figuresOf(drawings []drawing) []pageFigure {
	var all []pageFigure
	for _, d := range drawings {
		// It is safe to insert: an svgCanvas escapes text, and each drawing has ids of its own.
		all = append(all, pageFigure{d.name, d.title, template.HTML(d.svg), template.HTML(d.narrow)})
	}
	return all
}

// notesOf returns the notes and tags of runs, as far as there are any.
func notesOf(runs []Run) []annotation {
	_, labels := namesOf(runs)
	var all []annotation
	for i, run := range runs {
		n := annotation{Text: text.Clean(run.Run.Note), Tags: tagsOf(run.Run)}
		if len(runs) > 1 {
			n.Run = isolated(labels[i])
		}
		if n.Text != "" || n.Tags != nil {
			all = append(all, n)
		}
	}
	return all
}

// tagsOf returns the tags of a run like "commit=1a2b3c4", in the order of their keys; nil if there are none.
func tagsOf(run result.Run) []string {
	var tags []string
	for _, key := range slices.Sorted(maps.Keys(run.Tags)) {
		tags = append(tags, text.Name(key)+"="+text.Name(run.Tags[key]))
	}
	return tags
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
