package report

import (
	"fmt"
	"io"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// Widths of the table of a trend, in columns of a terminal: 80 together.
const (
	trendWide   = 80
	momentWide  = 16
	versionWide = 17
	changeWide  = 5
	valueWide   = 7
)

// Table writes the trends as plain text, at most 80 columns wide: for each transport a line for each run. A
// change is written where the intervals of two runs don't overlap. Runs that have no trend follow.
func (h History) Table(w io.Writer, on text.Screen) error {
	var out strings.Builder
	for _, t := range h.Trends {
		out.WriteString(within(trendWide, on.Text(t.Title)) + "\n")
		if t.Detail != "" {
			out.WriteString(within(trendWide, on.Text(t.Detail)) + "\n")
		}
		out.WriteString("\n")
		for _, s := range t.transports {
			t.write(&out, on, s)
			out.WriteString("\n")
		}
	}
	if len(h.Alone) > 0 {
		out.WriteString("No other result measured the same load:\n")
		for _, p := range h.Alone {
			out.WriteString(begun(on, on.Text("  "+p.line())) + "\n")
		}
		out.WriteString("\n")
	}
	_, err := io.WriteString(w, on.Text(strings.TrimSuffix(out.String(), "\n")))
	if err != nil {
		return fmt.Errorf("writing the trend: %w", err)
	}
	return nil
}

// write writes the runs of one transport.
func (t Trend) write(out *strings.Builder, on text.Screen, s series) {
	const names = momentWide + 2 + versionWide
	line := func(cells ...string) { out.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n") }
	heads, units := []string{padded(names, within(names, on.Name(s.name)))}, []string{padded(names, "")}
	for _, m := range result.MetricsIn(result.InTrend) {
		col := columnOf(m, t.transports)
		heads = append(heads, fmt.Sprintf("%*s", changeWide+1+valueWide, col.head))
		units = append(units, fmt.Sprintf("%*s", changeWide+1+valueWide, col.below))
	}
	line(heads...)
	line(units...)
	rows := t.rows(s.Transport)
	versions := make([]string, len(rows))
	for i, r := range rows {
		versions[i] = on.Name(r.version)
	}
	versions = shorten(versions, func(v string) bool { return text.Width(on.Text(v)) <= versionWide })
	for i, r := range rows {
		cells := []string{padded(momentWide, r.when), padded(versionWide, on.Text(versions[i]))}
		for _, f := range r.figures {
			cells = append(cells, fmt.Sprintf("%*s %*s", changeWide, f.change, valueWide, f.value))
		}
		line(cells...)
		for _, remark := range r.remarks() {
			line(begun(on, on.Text("! "+remark)))
		}
	}
}

// within shortens words to that many columns.
func within(width int, words string) string {
	return shorten([]string{words}, func(s string) bool { return text.Width(s) <= width })[0]
}

// begun returns the beginning of a sentence, as much of it as fits into a line of the table.
func begun(on text.Screen, sentence string) string {
	short := []rune(sentence)
	if text.Width(sentence) <= trendWide {
		return sentence
	}
	more := on.Text("…")
	for text.Width(string(short)+more) > trendWide {
		short = short[:len(short)-1]
	}
	return string(short) + more
}

// padded fills words up with spaces to that many columns.
func padded(width int, words string) string {
	return words + strings.Repeat(" ", max(0, width-text.Width(words)))
}
