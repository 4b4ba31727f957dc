package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// longestName is the number of columns of a terminal that a table gives to a name. The doubts show all of it.
const longestName = 28

// A column is one property of a series, with two lines of heading.
type column struct {
	head, below string
	left        bool // aligned to the left, as it is words, not a number
	cell        func(series) string
}

// columns returns the columns of a view: the names of the series, then its metrics, each followed by its
// prediction in the view of theory.
func columns(view result.Views, runs int, all []series) []column {
	cols := named(runs)
	for _, m := range result.MetricsIn(view) {
		cols = append(cols, columnOf(m, all))
		if view == result.InTheory {
			cols = append(cols, column{head: "theory", cell: func(s series) string { return text.Theory(m, s.Row) }})
		}
	}
	return cols
}

// columnOf returns the column of a metric. A heading without a unit is split after its first word, so
// that the column gets narrower.
func columnOf(m result.Metric, all []series) column {
	m = m.Typeset()
	col := column{head: m.Heading(several(all)), below: text.Below(m), cell: func(s series) string { return text.Cell(m, s.Row) }}
	if col.below == "" {
		col.head, col.below, _ = strings.Cut(col.head, " ")
	}
	return col
}

// named returns the columns with the names of the series.
func named(runs int) []column {
	names := []column{{head: "transport", left: true, cell: func(s series) string { return s.name }}}
	if runs > 1 {
		names = append(names, column{head: "run", left: true, cell: func(s series) string { return s.run }})
	}
	return names
}

// stored returns the series whose servers reported on their store.
func stored(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Store == nil })
}

// predicted returns the series with predictions.
func predicted(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Theory == nil })
}

// Table writes runs as aligned plain text: a table with a line for each transport in each run, preceded by
// servers and store, unless it is one server with the default store. It is followed by the operations
// on the store, the comparison with theory, the doubts and, with several runs, their differences.
func Table(w io.Writer, runs ...Run) error {
	all := seriesOf(runs)
	var out strings.Builder
	if lines := setups(runs); len(lines) > 0 {
		out.WriteString(strings.Join(lines, "\n") + "\n\n")
	}
	writeGrid(&out, columns(result.InTable, len(runs), all), all)
	if known := stored(all); len(known) > 0 {
		out.WriteString("\n")
		writeGrid(&out, columns(result.InStore, len(runs), known), known)
	}
	if known := predicted(all); len(known) > 0 {
		out.WriteString("\n")
		writeGrid(&out, columns(result.InTheory, len(runs), known), known)
	}
	if remarks := remarksOf(runs, all); len(remarks) > 0 {
		out.WriteString("\n")
		for _, r := range remarks {
			fmt.Fprintf(&out, "! %s: %s\n", r.About, r.Text)
		}
	}
	// Not every terminal or log can show a micro sign.
	_, err := io.WriteString(w, strings.ReplaceAll(out.String(), "µs", "us"))
	if err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// writeGrid writes the columns of all series, aligned below two lines of heading.
func writeGrid(out *strings.Builder, cols []column, all []series) {
	lines := [][]string{make([]string, len(cols)), make([]string, len(cols))}
	for i, col := range cols {
		lines[0][i], lines[1][i] = col.head, col.below
	}
	first := len(lines)
	for range all {
		lines = append(lines, make([]string, len(cols)))
	}
	for i, col := range cols {
		var cells []string
		for _, s := range all {
			cells = append(cells, col.cell(s))
		}
		if col.left {
			cells = shorten(cells, func(name string) bool { return text.Width(name) <= longestName })
		}
		for k, cell := range cells {
			lines[first+k][i] = cell
		}
	}
	widths := make([]int, len(cols))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], text.Width(cell))
		}
	}
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-text.Width(cell))
			if i > 0 {
				row.WriteString("  ")
			}
			if cols[i].left {
				row.WriteString(cell + pad)
			} else {
				row.WriteString(pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}

// A Remark is a doubt, or another warning for readers who compare numbers.
type Remark struct {
	About string // what it is about, mostly a transport
	Text  string
	Fatal bool // the numbers of About are not to be believed
}

// remarksOf returns the doubts, the transports that were not measured, and the differences between runs.
func remarksOf(runs []Run, all []series) []Remark {
	var remarks []Remark
	for _, s := range all {
		for _, d := range s.Doubts {
			remarks = append(remarks, Remark{s.label(), text.Clean(d.Text), d.Fatal})
		}
	}
	_, labels := namesOf(runs)
	for i, run := range runs {
		for _, transport := range run.missing() {
			about := text.Name(transport)
			if len(runs) > 1 {
				about += between + labels[i]
			}
			remarks = append(remarks, Remark{about, "not measured", false})
		}
	}
	for _, f := range conditions(runs) {
		if f.Differs {
			remarks = append(remarks, Remark{"the runs differ in " + f.Name, strings.Join(f.Values, " | "), false})
		}
	}
	return remarks
}
