package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"pushpull/report/text"
)

// Table writes a report as plain text: a line for each metric under its transport, the notes and
// warnings below, and a sentence that concludes.
func Table(w io.Writer, r *Report) error {
	lines := [][]string{{"", "base", "head", "ratio", "95% range", "detects", "limit", "verdict"}}
	for first := 0; first < len(r.Comparisons); {
		next := first + 1
		for next < len(r.Comparisons) && r.Comparisons[next].Transport == r.Comparisons[first].Transport {
			next++
		}
		lines = append(lines, []string{text.Clean(r.Comparisons[first].Transport)})
		lines = append(lines, linesOf(r.Comparisons[first:next])...)
		first = next
	}
	var out strings.Builder
	writeAligned(&out, lines)
	if remarks := append(slices.Clone(r.Warnings), r.notes()...); len(remarks) > 0 {
		out.WriteString("\n")
		for _, remark := range remarks {
			out.WriteString("! " + text.Clean(remark) + "\n")
		}
	}
	out.WriteString("\n" + r.Conclusion() + "\n")
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// linesOf returns the lines of a transport. Faults that nobody has share one.
func linesOf(comparisons []Comparison) [][]string {
	var faults, others [][]string
	without := 0
	for _, c := range comparisons {
		switch m, _ := named(c.Metric); {
		case m.Kind != Fault:
			others = append(others, c.line())
		case c.Base == 0 && c.Head == 0:
			without++
		default:
			faults = append(faults, c.line())
		}
	}
	if without > 0 {
		name := "  faults"
		if len(faults) > 0 {
			name = "  other faults"
		}
		faults = append(faults, []string{name, "0", "0", "", "", "", "0", string(Same)})
	}
	return append(faults, others...)
}

func (c Comparison) line() []string {
	line := []string{"  " + c.label(), c.value(c.Base), c.value(c.Head), "", "", "", "", string(c.Verdict)}
	if c.Verdict == Unknown {
		line[1], line[2] = "-", "-"
		return line
	}
	if c.Ratio > 0 {
		line[3] = ratio(c.Ratio)
	}
	if c.High > 0 {
		line[4] = ratio(c.Low) + "-" + ratio(c.High)
	}
	if c.Detectable > 0 && c.Verdict != TooFew {
		line[5] = percent(c.Detectable)
	}
	if c.Gated {
		line[6] = "0"
		if c.Limit > 0 {
			line[6] = percent(c.Limit)
		}
	}
	if c.Regression() {
		line[7] = strings.ToUpper(line[7])
	}
	return line
}

// label is the metric with its unit, like "server-cpu us/message".
func (c Comparison) label() string {
	unit := c.Unit
	if m, _ := named(c.Metric); m.Per != "" {
		unit += "/" + m.Per
	}
	return strings.TrimSpace(c.Metric + " " + unit)
}

// writeAligned aligns the cells of lines: the first to the left, numbers to the right, the last
// to the left. A line of one cell is a heading.
func writeAligned(out *strings.Builder, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			if len(line) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			pad := ""
			if len(line) > 1 {
				pad = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			}
			switch i {
			case 0:
				row.WriteString(cell + pad)
			case len(widths) - 1:
				row.WriteString("  " + cell)
			default:
				row.WriteString("  " + pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}

// notes returns each note of the comparisons once, with those that it is about.
func (r *Report) notes() []string {
	type about struct{ metrics, transports []string }
	var texts []string
	by := map[string]*about{}
	transports := map[string]bool{}
	for _, c := range r.Comparisons {
		transports[c.Transport] = true
		if c.Note == "" {
			continue
		}
		if by[c.Note] == nil {
			texts, by[c.Note] = append(texts, c.Note), &about{}
		}
		a := by[c.Note]
		if !slices.Contains(a.metrics, c.Metric) {
			a.metrics = append(a.metrics, c.Metric)
		}
		if !slices.Contains(a.transports, c.Transport) {
			a.transports = append(a.transports, c.Transport)
		}
	}
	var all []string
	for _, note := range texts {
		a := by[note]
		where := strings.Join(a.transports, ", ")
		if len(a.transports) == len(transports) && len(transports) > 1 {
			where = "all transports"
		}
		all = append(all, fmt.Sprintf("%s: %s: %s", where, strings.Join(a.metrics, ", "), note))
	}
	return all
}

// Conclusion is the report in one sentence.
func (r *Report) Conclusion() string {
	failed := r.Regressions()
	if len(failed) > 0 {
		return "A regression: " + Some(failed) + "."
	}
	var better []Comparison
	timed, counted := false, false
	for _, c := range r.Comparisons {
		m, _ := named(c.Metric)
		timed = timed || c.Gated && m.Kind == Timing
		counted = counted || c.Gated && m.Kind == Count
		if c.Verdict == Better {
			better = append(better, c)
		}
	}
	said := "No regression"
	switch {
	case timed && counted:
	case counted:
		said += " in faults and counts; no timing could be judged"
	case timed:
		said += " in faults and timings; no count could be judged"
	default:
		said += " in faults; nothing else could be judged"
	}
	if len(better) > 0 {
		said += "; better: " + Some(better)
	}
	if r.Doubts > 0 {
		said += "; but the numbers are not to be believed"
	}
	return said + "."
}

// mostNamed is how many comparisons a sentence takes.
const mostNamed = 3

// Some names the first comparisons, and says how many more there are.
func Some(comparisons []Comparison) string {
	var named []string
	for _, c := range comparisons[:min(mostNamed, len(comparisons))] {
		named = append(named, c.String())
	}
	said := strings.Join(named, ", ")
	if more := len(comparisons) - mostNamed; more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said
}
