package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Faults is what became of messages while things broke: for each run, which has a store of its own, a matrix of
// faults and transports. Use NewFaults to make one.
type Faults struct {
	runs     []Run
	matrices []faultMatrix
}

// A faultMatrix is that of a run.
type faultMatrix struct {
	name       string // of the run; empty: there is one
	faults     []result.FaultAbout
	transports []series
	cells      [][]faultCell // for each fault, one for each transport
	recoveries []recovery    // of herds
}

// A faultCell is a fault on a transport, all windows together.
type faultCell struct {
	result.Aftermath
	windows int
	failed  string // why a window could not be measured; empty: none failed
	leftOut string // why there is none; empty: there are windows, or the run ended before
	foreign bool   // the server is not pushpull's own
	bad     int    // round of the first window with the worst outcome, if that is bad
}

// HasFaults reports whether something was made to break in a run.
func HasFaults(run Run) bool { return run.Result != nil && run.Run.Faults != nil }

// NewFaults returns the matrices of runs for which HasFaults holds.
func NewFaults(runs ...Run) Faults {
	f := Faults{runs: runs}
	_, labels := namesOf(runs)
	for i, run := range runs {
		m := faultMatrix{faults: run.Run.Faults.All}
		if len(runs) > 1 {
			m.name = labels[i]
		}
		for _, s := range seriesOf([]Run{run}) {
			if s.Lacking == "" {
				m.transports = append(m.transports, s)
			}
		}
		for _, about := range m.faults {
			var row []faultCell
			for _, s := range m.transports {
				row = append(row, cellOf(run, about.Name, s))
			}
			m.cells = append(m.cells, row)
		}
		m.recoveries = recoveriesOf(run, m.transports)
		f.matrices = append(f.matrices, m)
	}
	return f
}

// cellOf merges the windows of a fault and a transport.
func cellOf(run Run, name string, s series) faultCell {
	c := faultCell{foreign: s.Way.Server != ""}
	for _, l := range run.Run.Faults.LeftOut {
		if l.Fault == name && l.Transport == s.Transport {
			c.leftOut = text.Clean(l.Why)
		}
	}
	for _, w := range run.Windows {
		switch {
		case w.Transport != s.Transport || w.Aftermath == nil || w.Aftermath.Fault != name:
			continue
		case w.Failed != "":
			c.failed = text.Clean(w.Failed)
			continue
		}
		if w.Aftermath.Worst().Bad && c.bad == 0 {
			c.bad = w.Round
		}
		c.windows++
		c.Add(w.Aftermath)
	}
	return c
}

// words returns the cell as it stands in the table, and in the chart in two lines.
func (c faultCell) words() (outcome, recovered string) {
	switch {
	case c.windows > 0:
		worst := c.Worst()
		return worst.Name, recoveredIn(&c.Aftermath)
	case c.failed != "":
		return "failed", ""
	}
	return "-", ""
}

// recoveredIn returns the time to recover in words; "" if nothing was held up.
func recoveredIn(f *result.Aftermath) string {
	switch {
	case f.HungUsers > 0:
		return "never"
	case f.RecoverS < .0005:
		return ""
	}
	return text.Duration(1e3*f.RecoverS, 2)
}

// FaultWords returns what became of the messages of one window: "late 12 of 180, recovered in 350 ms".
func FaultWords(f *result.Aftermath) string {
	var parts []string
	for _, o := range slices.Backward(result.Outcomes()) {
		if n := o.Count(f); n > 0 && o.Name != result.Outcomes()[0].Name {
			parts = append(parts, fmt.Sprintf("%s %d of %d", o.Name, n, f.Expected()))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("all %d in time", f.Expected()))
	}
	if in := recoveredIn(f); in != "" && in != "never" {
		parts = append(parts, "recovered in "+in)
	}
	return strings.Join(parts, ", ")
}

// Verdict names the first cell in which pushpull's own server lost a message in silence, or a user hung; "" if there is
// none.
func (f Faults) Verdict() string {
	for _, m := range f.matrices {
		for i, row := range m.cells {
			for k, c := range row {
				if c.foreign || c.bad == 0 {
					continue
				}
				what := fmt.Sprintf("%s lost in silence", text.Plural(c.Lost, "delivery was", "deliveries were"))
				if c.Lost == 0 {
					what = fmt.Sprintf("%s hung", text.Plural(c.HungUsers, "user", "users"))
				}
				at := m.faults[i].Name + " on " + m.transports[k].name
				if m.name != "" {
					at += " and " + m.name
				}
				return fmt.Sprintf("%s: %s, in round %d first", text.Clean(at), what, c.bad)
			}
		}
	}
	return ""
}

// sentences says how the matrix came out, the most important first.
func (f Faults) sentences() []string {
	cells, windows, lost, hung, doubled, early := 0, 0, 0, 0, 0, 0
	for _, m := range f.matrices {
		for _, row := range m.cells {
			for _, c := range row {
				early += c.LateBefore
				if c.windows > 0 && !c.foreign {
					cells, windows = cells+1, windows+c.windows
					lost, hung, doubled = lost+c.Lost, hung+c.HungUsers, doubled+c.Doubled
				}
			}
		}
	}
	var busy []string
	if early > 0 {
		busy = append(busy, text.Plural(early, "delivery was", "deliveries were")+" late before anything broke: the machine was busy, and so late says little. Use a smaller --parallel.")
	}
	if cells == 0 {
		return append([]string{"Only other servers were measured: what they lose is a finding, not an error."}, busy...)
	}
	in := fmt.Sprintf(" in %s of %s.", text.Plural(windows, "window", "windows"), text.Plural(cells, "cell", "cells"))
	first := "No message was lost in silence and no user hung" + in
	if lost > 0 || hung > 0 {
		first = fmt.Sprintf("%s lost in silence and %s hung%s", text.Plural(lost, "delivery was", "deliveries were"), text.Plural(hung, "user", "users"), in)
	}
	all := []string{first}
	if doubled > 0 {
		all = append(all, text.Plural(doubled, "delivery", "deliveries")+" came more than once.")
	}
	return append(all, busy...)
}

// legend explains the outcomes that occur, and the time beside them.
func (f Faults) legend() []string {
	var all []string
	for _, o := range result.Outcomes() {
		occurs := slices.ContainsFunc(f.matrices, func(m faultMatrix) bool {
			return slices.ContainsFunc(m.cells, func(row []faultCell) bool {
				return slices.ContainsFunc(row, func(c faultCell) bool { return c.windows > 0 && c.Worst().Name == o.Name })
			})
		})
		if occurs {
			all = append(all, o.Name+": "+o.About)
		}
	}
	return all
}

const faultsCaption = "Each cell is the worst that happened to any message, and the time from the end of the fault until the last message that it held up came."

// remarks explains empty cells, each reason once.
func (m faultMatrix) remarks() []Remark {
	var all []Remark
	for i, row := range m.cells {
		for k, c := range row {
			said := c.failed
			if c.windows == 0 && c.leftOut != "" {
				said = c.leftOut
			}
			if said == "" {
				continue
			}
			r := Remark{About: m.faults[i].Name, Text: said}
			if c.failed != "" || c.foreign {
				r.About += " on " + m.transports[k].name
			}
			if c.failed != "" {
				r.Text = "a window could not be measured: " + said
			}
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// rows returns the matrix as a table, with the transports at its head.
func (m faultMatrix) rows() [][]string {
	head := []string{"fault"}
	for _, s := range m.transports {
		head = append(head, s.name)
	}
	rows := [][]string{head}
	for i, row := range m.cells {
		cells := []string{text.Name(m.faults[i].Name)}
		for _, c := range row {
			outcome, in := c.words()
			cells = append(cells, strings.TrimSpace(outcome+" "+in))
		}
		rows = append(rows, cells)
	}
	return rows
}

// Table writes the matrices as text for a screen.
func (f Faults) Table(w io.Writer, on text.Screen) error {
	var out printout
	for i, sentence := range f.sentences() {
		ink := text.Plain
		if i == 0 {
			ink = text.Bold
		}
		out.wrap(on, ink, sentence, 0)
	}
	for _, line := range setups(f.runs) {
		out.wrap(on, text.Plain, line+".", 0)
	}
	for _, m := range f.matrices {
		out.gap()
		if m.name != "" {
			out.wrap(on, text.Bold, m.name, 0)
		}
		rows := m.rows()
		for _, row := range rows {
			for i, cell := range row {
				row[i] = on.Text(cell)
			}
		}
		last := len(out.blocks) - 1
		out.blocks[last] = append(out.blocks[last], inColumns(on, rows, 1, true)...)
		out.gap()
		for _, r := range m.remarks() {
			out.wrap(on, text.Plain, "- "+r.About+": "+r.Text, 2)
		}
		for _, r := range m.recoveries {
			r.print(&out, on)
		}
	}
	out.gap()
	out.wrap(on, text.Plain, faultsCaption, 0)
	for _, line := range f.legend() {
		out.wrap(on, text.Plain, line, 2)
	}
	return out.write(w)
}

// JSON writes the matrices as one object.
func (f Faults) JSON(w io.Writer) error {
	type cell struct {
		Transport string `json:"transport"`
		Windows   int    `json:"windows"`
		Worst     string `json:"worst,omitempty"`
		Expected  int    `json:"expected"` // copies, each of which is in one of those below but doubled
		result.Aftermath
		LeftOut string `json:"left_out,omitempty"`
		Failed  string `json:"failed,omitempty"`
	}
	type line struct {
		Fault string `json:"fault"`
		About string `json:"about"`
		Cells []cell `json:"cells"`
	}
	type store struct {
		Name     string          `json:"name,omitempty"`
		Scenario result.Scenario `json:"scenario"`
		Faults   []line          `json:"faults"`
	}
	out := struct {
		Schema int     `json:"schema"`
		Answer string  `json:"answer"`
		Stores []store `json:"stores"`
	}{result.Schema, strings.Join(f.sentences(), " "), nil}
	for i, m := range f.matrices {
		s := store{Name: m.name, Scenario: f.runs[i].Run.Scenario}
		for k, row := range m.cells {
			l := line{Fault: m.faults[k].Name, About: m.faults[k].About, Cells: []cell{}}
			for n, c := range row {
				one := cell{Transport: m.transports[n].Transport, Windows: c.windows, Expected: c.Expected(), Aftermath: c.Aftermath, LeftOut: c.leftOut, Failed: c.failed}
				one.Fault = m.faults[k].Name
				if r := m.recovered(one.Fault, one.Transport); r != nil {
					one.Recovery = r.merged()
				}
				if c.windows > 0 {
					one.Worst = c.Worst().Name
				}
				l.Cells = append(l.Cells, one)
			}
			s.Faults = append(s.Faults, l)
		}
		out.Stores = append(out.Stores, s)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// faultsPage is the data of the page of a matrix.
type faultsPage struct {
	frame
	Answers  []string
	Figures  []pageFigure
	Matrices []table
	Legend   []string
	Abouts   []condition
	Remarks  []Remark
	Commands []string
	Facts    []facts
}

// Write draws the matrices into dir, which must exist: report.html, and the chart faults of each store as .svg and
// .png. Each file is replaced atomically.
func (f Faults) Write(dir string) error {
	if len(f.runs) == 0 {
		return errors.New("drawing a report: nothing was measured")
	}
	drawings := drawingsOf(f.figures())
	page, err := f.page(Link{}, drawings)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}

// html writes the page that Write saves as report.html, with the link back at the top unless it is zero.
func (f Faults) html(w io.Writer, back Link) error {
	page, err := f.page(back, drawingsOf(f.figures()))
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

// page returns the page with the drawings.
func (f Faults) page(back Link, drawings []drawing) ([]byte, error) {
	p := faultsPage{
		frame:   frame{Back: back, Title: "What becomes of messages when something breaks", Notes: notesOf(f.runs), Lede: append(ledeOf(f.runs[0].Run), setups(f.runs)...)},
		Answers: f.sentences(), Figures: figuresOf(drawings), Legend: f.legend(),
	}
	for i, m := range f.matrices {
		t := table{ID: fmt.Sprintf("matrix-%d", i+1), Title: "Matrix", Captions: []string{faultsCaption}}
		if m.name != "" {
			t.Title = isolated(m.name)
		}
		for k, row := range m.rows() {
			var cells []Cell
			for _, words := range row {
				cells = append(cells, Cell{Text: words, Left: true})
			}
			if k == 0 {
				t.Head = cells
				continue
			}
			t.Rows = append(t.Rows, GridRow{Cells: cells})
		}
		p.Matrices = append(p.Matrices, t)
		for k, r := range m.recoveries {
			p.Matrices = append(p.Matrices, r.sheet(fmt.Sprintf("recovery-%d-%d", i+1, k+1)))
		}
		for _, r := range m.remarks() {
			if m.name != "" {
				r.About = isolated(m.name) + ", " + r.About
			}
			p.Remarks = append(p.Remarks, r)
		}
	}
	for _, about := range f.matrices[0].faults {
		p.Abouts = append(p.Abouts, condition{Name: text.Clean(about.Name), Values: []string{text.Clean(about.About)}})
	}
	p.Facts = []facts{{Title: "Scenario"}, {Title: "Environment"}}
	for _, c := range conditions(f.runs) {
		of := &p.Facts[1]
		if c.setting {
			of = &p.Facts[0]
		}
		of.Rows = append(of.Rows, c)
	}
	for _, run := range f.runs {
		if command := text.Clean(run.Run.Command); command != "" && !slices.Contains(p.Commands, command) {
			p.Commands = append(p.Commands, command)
		}
	}
	return render("faults.html", p)
}
