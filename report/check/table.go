package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Table writes a report as text for a screen: a line for each metric, grouped by transport, then warnings and
// notes, then the conclusion.
func Table(w io.Writer, on text.Screen, r *Report) error {
	lines := [][]string{{"", "base", "head", "ratio", "95% range", "detects", "limit", "verdict"}}
	for first := 0; first < len(r.Comparisons); {
		next := first + 1
		for next < len(r.Comparisons) && r.Comparisons[next].Transport == r.Comparisons[first].Transport {
			next++
		}
		lines = append(lines, []string{on.Text(text.Clean(r.Comparisons[first].Transport))})
		lines = append(lines, linesOf(on, r.Comparisons[first:next])...)
		first = next
	}
	var out strings.Builder
	writeAligned(&out, lines)
	remarks := slices.Clone(r.Warnings)
	for _, gap := range r.Gaps(r.Unjudged()) {
		remarks = append(remarks, "not judged: "+gap)
	}
	for _, gap := range r.Gaps(r.Allowed()) {
		remarks = append(remarks, "not judged, allowed: "+gap)
	}
	if remarks = append(remarks, r.notes()...); len(remarks) > 0 {
		out.WriteString("\n")
		for _, remark := range remarks {
			writeWrapped(&out, on, text.Plain, "! "+text.Clean(remark), 2)
		}
	}
	out.WriteString("\n")
	writeWrapped(&out, on, text.Bold, r.Conclusion(), 0)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// writeWrapped writes words in lines that fit the screen.
func writeWrapped(out *strings.Builder, on text.Screen, ink text.Ink, words string, indent int) {
	for _, line := range on.Wrap(on.Text(words), indent) {
		out.WriteString(on.Paint(ink, line) + "\n")
	}
}

// linesOf returns the lines of a transport. Faults that neither base nor head has share a line.
func linesOf(on text.Screen, comparisons []Comparison) [][]string {
	var faults, others [][]string
	var without []Comparison
	for _, c := range comparisons {
		switch gate := gateOf(c.Metric); {
		case gate == result.Chance && c.Base == 0 && c.Head == 0: // as usual
		case gate != result.Fault:
			others = append(others, c.line(on, on.Metric(c.Of()).Labelled(c.Metric)))
		case c.Base == 0 && c.Head == 0:
			without = append(without, c)
		default:
			faults = append(faults, c.line(on, c.Metric))
		}
	}
	for len(without) > 0 {
		name, first := "faults", without[0]
		without = slices.DeleteFunc(without, func(c Comparison) bool { return c.outcome() == first.outcome() })
		if len(faults) > 0 || len(without) > 0 {
			name = "other faults"
		}
		faults = append(faults, first.line(on, name))
	}
	return append(faults, others...)
}

func (c Comparison) line(on text.Screen, name string) []string {
	line := []string{"  " + name, text.Value(c.Of(), c.Base), text.Value(c.Of(), c.Head), "", "", "", "", on.Paint(c.ink(), c.outcome())}
	switch c.Verdict {
	case Unknown:
		line[1], line[2] = "-", "-"
		return line
	case Missing:
		line[2] = "-"
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
		switch {
		case c.Limit > 0:
			line[6] = percent(c.Limit)
		case gateOf(c.Metric) == result.Fault:
			line[6] = "0"
		}
	}
	return line
}

// outcome returns the verdict, in capital letters if the check can't pass because of it.
func (c Comparison) outcome() string {
	switch {
	case c.Regression():
		return strings.ToUpper(string(c.Verdict))
	case c.Omission():
		return "NOT JUDGED: " + string(c.Verdict)
	case c.Unjudged:
		return "allowed: " + string(c.Verdict)
	}
	return string(c.Verdict)
}

// ink returns that of the outcome.
func (c Comparison) ink() text.Ink {
	switch {
	case c.Regression(), c.Omission():
		return text.Poorer
	case c.Verdict == Better:
		return text.Better
	}
	return text.Plain
}

// writeAligned writes lines with aligned cells: the first and the last column to the left, those between
// to the right. A line of one cell is a heading, whose width doesn't matter.
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

// notes returns each note once, preceded by the transports and metrics it is about. What was not judged,
// though it is gated, is left to Gaps.
func (r *Report) notes() []string {
	type about struct{ metrics, transports []string }
	var texts []string
	by := map[string]*about{}
	transports := map[string]bool{}
	for _, c := range r.Comparisons {
		transports[c.Transport] = true
		if c.Note == "" || c.Unjudged {
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

// Conclusion returns the report in one sentence. Names in it are plain text.
func (r *Report) Conclusion() string {
	failed, unjudged, allowed := r.Regressions(), r.Unjudged(), r.Allowed()
	said := "No regression"
	switch {
	case len(failed) > 0:
		said = "A regression: " + Some(failed)
	case len(unjudged) > 0 && !r.judged():
		return "Nothing was judged: " + r.SomeGaps(unjudged) + "."
	default:
		said += r.scope(len(unjudged)+len(allowed) > 0)
		if better := r.those(func(c Comparison) bool { return c.Verdict == Better }); len(better) > 0 {
			said += "; better: " + Some(better)
		}
	}
	if len(unjudged) > 0 {
		said += "; not judged: " + r.SomeGaps(unjudged)
	}
	if len(allowed) > 0 {
		said += "; not judged, but allowed: " + r.SomeGaps(allowed)
	}
	if r.Doubts > 0 && len(failed) == 0 {
		said += "; but the numbers are not to be believed"
	}
	return said + "."
}

// scope returns what was judged, if it isn't everything. If gaps are named as well, they say what wasn't.
func (r *Report) scope(gaps bool) string {
	timings, counts := false, false
	for _, c := range r.Comparisons {
		gate := gateOf(c.Metric)
		timings = timings || c.Gated && gate == result.Timing
		counts = counts || c.Gated && gate == result.Count
	}
	judged, others := "", ""
	switch {
	case timings && counts && gaps:
		return " in what was judged"
	case timings && counts:
		return ""
	case counts:
		judged, others = "faults and counts", "no timing"
	case timings:
		judged, others = "faults and timings", "no count"
	default:
		judged, others = "faults", "nothing else"
	}
	if gaps {
		return " in " + judged
	}
	return " in " + judged + "; " + others + " could be judged"
}

// mostNamed is the number of comparisons that Some names.
const mostNamed = 3

// Some names the first three comparisons and the number of the others, as plain text.
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
