package report

import (
	"math"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/verdict"
)

const (
	longestName = 28 // columns of a screen that a table gives to a name; the doubts show all of it
	leastName   = 13 // columns that a name keeps if all figures then fit beside it
)

// The marks of figures need no colour. Each stands in the gap behind its figure.
const (
	bestMark     = "*"
	worstMark    = "-"
	underWayMark = "<"
)

// A layout is a table on a screen, whose lines are the series. With several runs the series of a transport
// have its name above them. A table that is too wide for the screen is continued below, in parts that all
// begin with the names.
type layout struct {
	on       text.Screen
	all      []series
	columns  []stack
	theory   bool            // each metric is followed by its prediction
	underWay int             // index of the series that is being measured; -1: none
	marks    map[string]bool // those that occur
}

// A stack is a column of figures.
type stack struct {
	head  []string
	cells []figureCell // one for each series
	least int          // columns that it has at least
	stays bool         // in the part of the column before it, whose figures it is compared with
	left  bool         // aligned to the left
}

type figureCell struct {
	text string
	mark string
	ink  text.Ink
}

// newLayout returns a table of series without any figures. The series of a transport must be neighbours.
func newLayout(on text.Screen, all []series) *layout {
	return &layout{on: on, all: all, underWay: -1, marks: map[string]bool{}}
}

// figures adds metrics, without the faults that no series has. places may be nil, to mark none.
func (l *layout) figures(metrics []result.Metric, places func(result.Metric) []verdict.Place) {
	for _, m := range metrics {
		m = l.on.Metric(m)
		if m.Gate == result.Fault && !slices.ContainsFunc(l.all, func(s series) bool { x, ok := m.Value(s.Row); return ok && x != 0 }) {
			continue
		}
		col := stack{head: headOf(m, several(l.all))}
		if m.Unit == "ms" {
			col.least = len("1.23 ms") // so that a live view doesn't jump when latencies get longer
		}
		for _, s := range l.all {
			col.cells = append(col.cells, figureCell{text: l.on.Text(text.Cell(m, s.Row))})
		}
		if places != nil {
			l.place(col.cells, places(m))
		}
		l.columns = append(l.columns, col)
		if !l.theory || m.Theory == nil {
			continue
		}
		theory := stack{head: []string{"theory"}, stays: true}
		for _, s := range l.all {
			theory.cells = append(theory.cells, figureCell{text: l.on.Text(text.Theory(m, s.Row))})
		}
		l.columns = append(l.columns, theory)
	}
}

// place marks the cells in their places.
func (l *layout) place(cells []figureCell, places []verdict.Place) {
	for i, place := range places {
		switch place {
		case verdict.Best:
			cells[i].mark, cells[i].ink = bestMark, text.Better
		case verdict.Worst:
			cells[i].mark, cells[i].ink = worstMark, text.Poorer
		case verdict.Between:
			continue
		}
		l.marks[cells[i].mark] = true
	}
}

// legend explains the marks that occur.
func (l *layout) legend() []string {
	var said []string
	for _, mark := range []struct{ mark, meaning string }{{bestMark, "best"}, {worstMark, "worst"}} {
		if l.marks[mark.mark] {
			said = append(said, mark.mark+" "+mark.meaning)
		}
	}
	if len(said) == 0 {
		return nil
	}
	return []string{l.on.Paint(text.Faint, strings.Join(said, ", ")+" of its column")}
}

// strips adds a drawing of the latencies, from that of half of the messages to that of 99 in 100, if there is room
// beside the figures and several series to compare. Its scale is logarithmic.
func (l *layout) strips(all []series) {
	const least, most = 14, 32 // columns
	room := min(most, l.on.Width()-l.width(l.columns)-l.nameWidth()-2)
	low, high := math.Inf(1), 0.0
	for _, s := range all {
		if s.Delivered > 0 && s.Latency.P50 > 0 {
			low, high = min(low, s.Latency.P50), max(high, s.Latency.P99)
		}
	}
	if room < least || len(all) < 2 || low >= high {
		return
	}
	bar := "="
	if l.on.UTF8 {
		bar = "━"
	}
	left, right := l.on.Text(text.Duration(low, 2)), l.on.Text(text.Duration(high, 2))
	col := stack{left: true, head: []string{
		"50% to 99%, log scale"[:min(room, len("50% to 99%, log scale"))],
		left + strings.Repeat(" ", max(1, room-text.Width(left)-text.Width(right))) + right,
	}}
	at := func(ms float64) int {
		return int(math.Round(float64(room-1) * math.Log(ms/low) / math.Log(high/low)))
	}
	for _, s := range all {
		cell := figureCell{}
		if s.Delivered > 0 && s.Latency.P50 > 0 && s.Latency.P99 >= s.Latency.P50 {
			from, to := at(s.Latency.P50), at(s.Latency.P99)
			cell.text = strings.Repeat(" ", from) + strings.Repeat(bar, to-from+1)
		}
		col.cells = append(col.cells, cell)
	}
	l.columns = append(l.columns, col)
}

// width returns the number of columns of the screen that columns take beside the names.
func (l *layout) width(columns []stack) int {
	n := 0
	for i, col := range columns {
		n += 2 + col.width()
		if i == len(columns)-1 && col.marked() {
			n++
		}
	}
	return n
}

func (c stack) width() int {
	n := c.least
	for _, line := range c.head {
		n = max(n, text.Width(line))
	}
	for _, cell := range c.cells {
		n = max(n, text.Width(cell.text))
	}
	return n
}

func (c stack) marked() bool {
	return slices.ContainsFunc(c.cells, func(cell figureCell) bool { return cell.mark != "" })
}

// names returns the name in front of each series: of its transport, or of its run if there are several.
func (l *layout) names(room int) []string {
	var names []string
	for _, s := range l.all {
		name := s.name
		if s.run != "" {
			name = s.run
		}
		names = append(names, l.on.Name(name))
	}
	indent := l.indent()
	names = l.shorten(names, room-len(indent))
	for i := range names {
		names[i] = indent + names[i]
	}
	return names
}

// indent returns the blank in front of the name of a run, which stands below that of its transport.
func (l *layout) indent() string {
	if len(l.all) > 0 && l.all[0].run != "" {
		return "  "
	}
	return ""
}

// shorten shortens names to so many columns.
func (l *layout) shorten(names []string, room int) []string {
	names = shorten(names, func(name string) bool { return text.Width(name) <= room })
	if !l.on.UTF8 {
		for i, name := range names {
			names[i] = strings.ReplaceAll(name, "…", "~") // all else is ASCII
		}
	}
	return names
}

// nameWidth returns the width of the column of names, which become shorter if that keeps the table in one part.
func (l *layout) nameWidth() int {
	longest := text.Width("transport")
	for _, name := range l.names(longestName) {
		longest = max(longest, text.Width(name))
	}
	room := l.on.Width() - l.width(l.columns)
	switch {
	case longest <= room:
		return longest
	case room >= leastName:
		return room
	}
	return min(longest, l.on.Width()/2)
}

// parts returns the lines of the table, in parts that fit the screen.
func (l *layout) parts() [][]string {
	names := l.nameWidth()
	var parts [][]string
	for rest := l.columns; len(rest) > 0 || parts == nil; {
		n := 0
		for end := 1; end <= len(rest); end++ {
			if end < len(rest) && rest[end].stays {
				continue
			}
			if n > 0 && names+l.width(rest[:end]) > l.on.Width() {
				break
			}
			n = end
		}
		parts = append(parts, l.part(names, rest[:n]))
		rest = rest[n:]
	}
	return parts
}

// part returns the lines of some columns: the heading, whose lines stand on its ground, and the series.
func (l *layout) part(width int, columns []stack) []string {
	height := 1
	for _, col := range columns {
		height = max(height, len(col.head))
	}
	var lines []string
	for i := range height {
		first := ""
		if i == height-1 {
			first = "transport"
		}
		line := []string{pad(first, width, true)}
		for _, col := range columns {
			word := ""
			if at := i - height + len(col.head); at >= 0 {
				word = col.head[at]
			}
			line = append(line, pad(word, col.width(), col.left))
		}
		lines = append(lines, strings.TrimRight(strings.Join(line, "  "), " "))
	}
	names := l.names(width)
	transports := l.transports()
	for i, s := range l.all {
		if s.run != "" && (i == 0 || l.all[i-1].Transport != s.Transport) {
			lines = append(lines, transports[i])
		}
		lines = append(lines, l.line(i, pad(names[i], width, true), columns))
	}
	return lines
}

// transports returns the name of the transport of each series, as it stands above several runs.
func (l *layout) transports() []string {
	var names []string
	for _, s := range l.all {
		names = append(names, l.on.Name(s.name))
	}
	return l.shorten(names, l.on.Width())
}

// line returns the line of a series. name is as wide as the column of names.
func (l *layout) line(i int, name string, columns []stack) string {
	line, gap := name, "  "
	if i == l.underWay {
		bare := strings.TrimRight(name, " ")
		line = l.on.Paint(text.Bold, bare+underWayMark) + name[len(bare):]
		gap = " "
	}
	for _, col := range columns {
		cell := col.cells[i]
		padded := pad(cell.text, col.width(), col.left)
		before := padded[:len(padded)-len(strings.TrimLeft(padded, " "))]
		line += gap + before + l.on.Paint(cell.ink, padded[len(before):]+cell.mark)
		gap = strings.Repeat(" ", 2-len(cell.mark))
	}
	return strings.TrimRight(line, " ")
}

// pad fills s with spaces to that width.
func pad(s string, width int, left bool) string {
	blank := strings.Repeat(" ", max(0, width-text.Width(s)))
	if left {
		return s + blank
	}
	return blank + s
}
