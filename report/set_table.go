package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Title returns what the set measured in a few words: "chat: users and rate per sender varied".
func (s Set) Title() string {
	var names []string
	for _, a := range s.axes {
		names = append(names, a.title)
	}
	title := text.Name(s.Index.Scenario.Name)
	if len(names) > 0 {
		title += ": " + list(names) + " varied"
	}
	return title
}

// measured returns the number of points with a result.
func (s *Set) measured() (n int) {
	for _, run := range s.Runs {
		if run.Result != nil {
			n++
		}
	}
	return n
}

// SetTable writes a set as plain text for the screen: for each transport a line for each point, then which
// transport is the cheapest at each point, and the doubts.
func SetTable(w io.Writer, on text.Screen, s Set) error {
	var out strings.Builder
	write := func(lines ...string) {
		for _, line := range lines {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	write(on.Wrap(on.Text(s.Title()), 2)...)
	if setup := s.setup(); setup != "" {
		write(on.Wrap(on.Text(setup), 2)...)
	}
	if n := s.measured(); n < len(s.Runs) {
		write(on.Wrap(fmt.Sprintf("%d of %s measured", n, text.Plural(len(s.Runs), "combination is", "combinations are")), 2)...)
	}
	for _, line := range s.lines {
		write("", on.Paint(text.Bold, within(on.Width(), on.Name(line.name))))
		write(inColumns(on, s.cells(on, line), len(s.axes), false)...)
	}
	if rows := s.cheapestRows(); len(rows) > 1 {
		write("")
		write(on.Wrap(on.Text(s.cheapestTitle()), 2)...)
		for i, row := range rows {
			for k, cell := range row {
				rows[i][k] = on.Text(cell)
			}
		}
		write(inColumns(on, rows, len(s.axes), true)...)
	}
	if s.unranged() {
		write(on.Wrap(on.Text("Too few rounds for intervals of the CPU, which take 3: the order may be chance."), 0)...)
	}
	if words := s.grewFlat(); words != "" {
		write("")
		write(on.Wrap(on.Text(words), 0)...)
	}
	if lines := s.costsByUsers(); len(lines) > 0 {
		write("")
		for _, line := range lines {
			write(on.Wrap(on.Text(line), 2)...)
		}
	}
	if remarks := s.doubts(); len(remarks) > 0 {
		write("")
		for _, r := range remarks {
			mark, ink := "! ", text.Plain
			if r.Fatal {
				ink = text.Poorer
			}
			for _, line := range on.Wrap(on.Text(mark+r.About+": "+r.Text), 2) {
				write(on.Paint(ink, line))
			}
		}
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// grewFlat says that nothing grows with the users; empty if that is unknown, or something does.
func (s *Set) grewFlat() string {
	found, compared := s.Growth()
	if !compared || len(found) > 0 {
		return ""
	}
	var names []string
	for _, m := range result.Metrics() {
		if m.Gate == result.Count {
			names = append(names, m.Heading(false))
		}
	}
	return fmt.Sprintf("%s for a message are the same for all numbers of users, within %.0f%%.", text.Upper(list(names)), 100*flat)
}

// cells returns the table of a line: two lines of heading, and one for each point.
func (s *Set) cells(on text.Screen, line setLine) [][]string {
	var head, below []string
	for _, a := range s.axes {
		first, rest, _ := strings.Cut(a.short(), " ")
		head, below = append(head, first), append(below, rest)
	}
	metrics := s.metrics()
	for _, m := range metrics {
		col := columnOf(on.Metric(m), []series{line.series})
		if m.Unit == "" && m.Per == "s" { // "store" above "reads/s"
			first, rest, _ := strings.Cut(col.head, " ")
			col.head, col.below = first, rest+col.below
		}
		head = append(head, on.Text(strings.TrimPrefix(col.head, "server ")))
		below = append(below, on.Text(brief.Replace(col.below)))
	}
	rows := [][]string{head, below}
	for i, p := range s.Index.Points {
		row, ok := s.row(i, line)
		var cells []string
		for k, a := range s.axes {
			cells = append(cells, on.Text(a.write(a.number(p.Values[k]))))
		}
		for _, m := range metrics {
			cell := "-"
			if ok {
				cell = on.Text(text.Cell(m, row))
			}
			cells = append(cells, cell)
		}
		if ok && result.Fatal([]result.Row{row}) {
			cells[len(s.axes)-1] += "!" // the doubts below say why
		}
		rows = append(rows, cells)
	}
	return rows
}

// brief shortens units, so that two knobs and all figures fit a terminal.
var brief = strings.NewReplacer("message", "msg", "% of a core", "% core")

// short is the title of an axis for a column: its key, with spaces.
func (a setAxis) short() string { return strings.ReplaceAll(text.Name(a.Key), "_", " ") }

// inColumns returns rows as lines with aligned columns. The first columns, of which there are so many, are repeated
// in each part if the rows are wider than the screen. left aligns words.
func inColumns(on text.Screen, rows [][]string, fixed int, left bool) []string {
	if len(rows) == 0 {
		return nil
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Width(cell))
		}
	}
	var lines []string
	for next := fixed; next < len(widths); {
		columns := make([]int, 0, len(widths))
		room := on.Width()
		for i := range fixed {
			columns, room = append(columns, i), room-widths[i]-2
		}
		begin := next
		for next < len(widths) && (next == begin || room >= widths[next]) {
			columns, room = append(columns, next), room-widths[next]-2
			next++
		}
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		for _, row := range rows {
			var cells []string
			for _, i := range columns {
				cells = append(cells, pad(row[i], widths[i], left))
			}
			lines = append(lines, strings.TrimRight(strings.Join(cells, "  "), " "))
		}
	}
	return lines
}

// cheapestTitle is the heading of the table of the cheapest.
func (s *Set) cheapestTitle() string {
	if s.within() > 0 {
		return "Cheapest in server CPU with a p99 of at most " + text.Duration(s.within(), 3) + ":"
	}
	return "Cheapest in server CPU:"
}

// cheapestRows returns the heading and a row for each point: its values, the cheapest transport, and how much more
// the next one takes.
func (s *Set) cheapestRows() [][]string {
	var head []string
	for _, a := range s.axes {
		head = append(head, a.short())
	}
	head = append(head, "cheapest", "next")
	leftOut := slices.ContainsFunc(s.ranking, func(c cheapest) bool { return len(c.out) > 0 })
	if leftOut {
		head = append(head, "not to be believed")
	}
	rows := [][]string{head}
	for i, p := range s.Index.Points {
		if s.Runs[i].Result == nil {
			continue
		}
		var cells []string
		for k, a := range s.axes {
			cells = append(cells, a.write(a.number(p.Values[k])))
		}
		first, next := s.cheapestWords(i)
		cells = append(cells, first, next)
		if leftOut {
			var names []string
			for _, line := range s.ranking[i].out {
				names = append(names, s.lines[line].name)
			}
			cells = append(cells, strings.Join(names, ", "))
		}
		rows = append(rows, cells)
	}
	return rows
}

// cheapestWords says which transport is the cheapest at a point, and which comes next.
func (s *Set) cheapestWords(point int) (first, next string) {
	c := s.ranking[point]
	if len(c.order) == 0 {
		return "none", "-"
	}
	first = s.lines[c.order[0]].name
	if len(c.order) == 1 {
		return first, "-"
	}
	next = s.lines[c.order[1]].name
	if c.cost[0] > 0 {
		next += " x" + text.Number(c.cost[1]/c.cost[0], 2)
	}
	if c.tied {
		next += ", not told apart"
	}
	return first, next
}

// setSummary is the JSON object of a set.
type setSummary struct {
	Schema int          `json:"schema"`
	Index  result.Index `json:"index"`
	Points []setPoint   `json:"points"`
	Growth []Growth     `json:"growth"` // figures that should not depend on the number of users, and do
}

type setPoint struct {
	Dir        string       `json:"dir"`
	Values     []string     `json:"values"`
	Cheapest   []string     `json:"cheapest"` // transports that can be chosen, by server CPU
	Transports []result.Row `json:"transports"`
}

// SetJSON writes a set as one JSON object: the index, and the rows of each point. A point that was not measured has none.
func SetJSON(w io.Writer, s Set) error {
	grown, _ := s.Growth()
	all := setSummary{Schema: result.Schema, Index: s.Index, Points: []setPoint{}, Growth: append([]Growth{}, grown...)}
	for i, p := range s.Index.Points {
		point := setPoint{Dir: p.Dir, Values: p.Values, Cheapest: []string{}, Transports: append([]result.Row{}, s.Runs[i].Rows...)}
		for _, line := range s.ranking[i].order {
			point.Cheapest = append(point.Cheapest, s.lines[line].key)
		}
		all.Points = append(all.Points, point)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(all); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// SetMarkdown writes the table of the cheapest in Markdown.
func SetMarkdown(w io.Writer, s Set) error {
	var out strings.Builder
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`")
	line := func(cells []string) {
		out.WriteString("|")
		for _, cell := range cells {
			out.WriteString(" " + escape.Replace(cell) + " |")
		}
		out.WriteString("\n")
	}
	out.WriteString("### " + escape.Replace(s.Title()) + "\n\n" + s.cheapestTitle() + "\n\n")
	for i, row := range s.cheapestRows() {
		line(row)
		if i == 0 {
			line(slices.Repeat([]string{"---"}, len(row)))
		}
	}
	for i, r := range s.doubts() {
		if i == 0 {
			out.WriteString("\n")
		}
		out.WriteString("- " + escape.Replace(r.About+": "+r.Text) + "\n")
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}
