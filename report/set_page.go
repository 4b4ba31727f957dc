package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// setPage is the data of the page of a set.
type setPage struct {
	frame
	Fatal    []Remark
	Cheapest table
	Flat     string   // that nothing grows with the users; may be empty
	Costs    []string // how they change with the users; may be empty
	Figures  []pageFigure
	Tables   []trendTable
	Remarks  []Remark
	Command  string
	Facts    []facts
}

// SetHTML writes the page that WriteSet saves as report.html, with the link back at the top unless it is zero.
func SetHTML(w io.Writer, back Link, s Set) error {
	page, err := s.page(back, drawingsOf(s.figures()))
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

// page returns the page with the drawings, which must be those of the set.
func (s *Set) page(back Link, drawings []drawing) ([]byte, error) {
	p := setPage{
		frame:   frame{Back: back, Title: isolated(s.Title())},
		Command: text.Clean(s.Index.Command), Flat: s.grewFlat(), Costs: s.costsByUsers(), Figures: figuresOf(drawings),
	}
	if about := text.Clean(s.Index.Scenario.About); about != "" {
		p.Lede = append(p.Lede, about)
	}
	if setup := s.setup(); setup != "" {
		p.Lede = append(p.Lede, setup+".")
	}
	lede := fmt.Sprintf("%s, %s, %s of %v s", text.Plural(len(s.Runs), "combination", "combinations"),
		text.Plural(len(s.lines), "transport", "transports"),
		text.Plural(s.Index.Scenario.Rounds, "round", "rounds"), float64(s.Index.Scenario.Duration))
	if n := s.measured(); n < len(s.Runs) {
		lede += fmt.Sprintf(", of which %d are measured", n)
	}
	if !s.Index.Started.IsZero() {
		lede += ", begun on " + s.Index.Started.UTC().Format(Moment)
	}
	p.Lede = append(p.Lede, lede+".")
	if note, tags := text.Clean(s.Index.Note), tagsOf(result.Run{Tags: s.Index.Tags}); note != "" || tags != nil {
		p.Notes = append(p.Notes, annotation{Text: note, Tags: tags})
	}
	for _, r := range s.doubts() {
		r.About = isolated(r.About)
		p.Remarks = append(p.Remarks, r)
		if r.Fatal {
			p.Fatal = append(p.Fatal, r)
		}
	}
	p.Cheapest = table{ID: "ranking", Title: "Cheapest at each point", Captions: []string{s.cheapestTitle()}}
	for i, row := range s.cheapestRows() {
		var cells []Cell
		for k, cell := range row {
			cells = append(cells, Cell{Text: cell, Left: k == 0 || k >= len(s.axes)})
		}
		if i == 0 {
			p.Cheapest.Head = cells
			continue
		}
		p.Cheapest.Rows = append(p.Cheapest.Rows, GridRow{Cells: cells})
	}
	p.Tables = s.tables()
	p.Facts = s.facts()
	return render("set.html", p)
}

// tables returns a table for each transport.
func (s *Set) tables() []trendTable {
	var all []trendTable
	for i, line := range s.lines {
		one := table{ID: "numbers-" + strconv.Itoa(i+1), Title: line.name, Captions: []string{"In small print: the 95% interval, if it is known."}}
		for _, a := range s.axes {
			one.Head = append(one.Head, Cell{Text: a.short(), Left: len(one.Head) == 0})
		}
		for _, m := range s.metrics() {
			col := columnOf(m, []series{line.series})
			one.Head = append(one.Head, Cell{Text: col.head, Below: col.below})
		}
		for k, p := range s.Index.Points {
			row, ok := s.row(k, line)
			if !ok {
				continue
			}
			var cells []Cell
			for n, a := range s.axes {
				cells = append(cells, Cell{Text: a.write(a.number(p.Values[n])), Left: n == 0})
			}
			if result.Fatal([]result.Row{row}) && len(cells) > 0 {
				cells[0].Text += " (not to be believed)"
			}
			for _, m := range s.metrics() {
				cell := Cell{Text: text.Cell(m, row)}
				if i, ok := interval(m, row); ok {
					shown := row
					shown.Intervals = map[string]result.Interval{m.Key: i}
					cell.Below = intervalOf(m, shown)
				}
				cells = append(cells, cell)
			}
			one.Rows = append(one.Rows, GridRow{Way: row.Way.Class(), Cells: cells})
		}
		all = append(all, trendTable{huesOf(line.style.colour), one})
	}
	return all
}

// facts returns the conditions of all points that were measured. One that differs has each of its values once.
func (s *Set) facts() []facts {
	var runs []Run
	for _, run := range s.Runs {
		if run.Result != nil {
			runs = append(runs, run)
		}
	}
	all := []facts{{Title: "Scenario"}, {Title: "Environment"}}
	if d := s.Index.DeliveriesPerS; d > 0 {
		all[0].Rows = append(all[0].Rows, condition{Name: "deliveries in all, per second", Values: []string{exact(d)}})
	}
	for _, f := range conditions(runs) {
		var values []string
		for _, value := range f.Values {
			if !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
		of := &all[1]
		if f.setting {
			of = &all[0]
		}
		of.Rows = append(of.Rows, condition{Name: f.Name, Values: []string{strings.Join(values, ", ")}})
	}
	return all
}
