package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// longestName is how much of a name the table shows, in characters; the doubts show all of it.
const longestName = 28

// A column is one property of a series, in two lines of heading.
type column struct {
	head, below string
	cell        func(series) string // "-" where there is no value
}

// columns returns what the table of all shows, on the terminal and on the page.
func columns(runs int, all []series) []column {
	rss := "server RSS"
	if several(all) {
		rss = "RSS of all"
	}
	return named(runs, []column{
		deliveredColumn(),
		{"lost", "", func(s series) string { return fmt.Sprint(s.Lost) }},
		p50Column(),
		latencyColumn("p95", func(s series) float64 { return s.Latency.P95 }),
		p99Column(),
		latencyColumn("max", func(s series) float64 { return s.Latency.Max }),
		requestsColumn(),
		{"empty", "answers", func(s series) string {
			if s.Requests == 0 {
				return "-"
			}
			return fixed(100*float64(s.EmptyResponses)/float64(s.Requests), 0) + " %"
		}},
		{"bytes", "/message", func(s series) string { return s.delivered(text.Number(s.BytesPerDelivery, 3)) }},
		cpuColumn(all),
		{rss, "KB/user", func(s series) string {
			if s.Server == nil {
				return "-"
			}
			return text.Number(kilobytes(s.Server.RSSBytesPerUser), 3)
		}},
	})
}

// headlines returns those of the columns of one run that a list of runs has room for.
func headlines(all []series) []column {
	return named(1, []column{p50Column(), p99Column(), requestsColumn(), cpuColumn(all), deliveredColumn()})
}

func deliveredColumn() column {
	return column{"delivered", "", func(s series) string { return fmt.Sprintf("%d/%d", s.Delivered, s.Expected) }}
}

func p50Column() column {
	return latencyColumn("p50", func(s series) float64 { return s.Latency.P50 })
}

func p99Column() column {
	return latencyColumn("p99", func(s series) float64 { return s.Latency.P99 })
}

func latencyColumn(head string, of func(series) float64) column {
	return column{head, "", func(s series) string { return s.delivered(text.Duration(of(s), 3)) }}
}

func requestsColumn() column {
	return column{"requests", "/message", func(s series) string { return s.delivered(text.Number(s.RequestsPerDelivery, 3)) }}
}

func cpuColumn(all []series) column {
	head := "server CPU"
	if several(all) {
		head = "CPU of all"
	}
	return column{head, "us/message", func(s series) string {
		if s.Server == nil {
			return "-"
		}
		return s.delivered(text.Number(s.Server.CPUMicrosPerDelivery, 3))
	}}
}

// named puts before cols those that say which series a line is about.
func named(runs int, cols []column) []column {
	names := []column{{"transport", "", func(s series) string { return s.name }}}
	if runs > 1 {
		names = append(names, column{"run", "", func(s series) string { return s.run }})
	}
	return append(names, cols...)
}

// storeColumns returns what the servers asked of their store.
func storeColumns(runs int) []column {
	rate := func(rates *result.Rates, of func(result.Rates) float64) string {
		if rates == nil {
			return "-"
		}
		return text.Number(of(*rates), 3)
	}
	message := func(of func(result.Rates) float64) func(series) string {
		return func(s series) string { return rate(s.StorePerDelivery, of) }
	}
	second := func(of func(result.Rates) float64) func(series) string {
		return func(s series) string { return rate(s.StorePerSecond, of) }
	}
	appends := func(r result.Rates) float64 { return r.Appends }
	reads := func(r result.Rates) float64 { return r.Reads }
	empty := func(r result.Rates) float64 { return r.EmptyReads }
	return named(runs, []column{
		{"store appends", "/message", message(appends)},
		{"store reads", "/message", message(reads)},
		{"empty reads", "/message", message(empty)},
		{"store appends", "/s", second(appends)},
		{"store reads", "/s", second(reads)},
		{"empty reads", "/s", second(empty)},
	})
}

// stored returns the series whose servers tell of their store.
func stored(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Store == nil })
}

// theoryColumns returns what was measured and, to its right, what theory says it should have been.
func theoryColumns(runs int) []column {
	latency := func(ms *float64) string {
		if ms == nil {
			return "-"
		}
		return text.Duration(*ms, 3)
	}
	count := func(x float64) string { return strconv.FormatFloat(x, 'f', 0, 64) }
	return named(runs, []column{
		{"mean", "", func(s series) string { return text.Duration(s.Latency.Mean, 3) }},
		{"theory", "", func(s series) string { return latency(s.Theory.Mean) }},
		{"p99", "", func(s series) string { return text.Duration(s.Latency.P99, 3) }},
		{"theory", "", func(s series) string { return latency(s.Theory.P99) }},
		{"requests", "", func(s series) string { return strconv.FormatInt(s.Requests, 10) }},
		{"theory", "", func(s series) string { return count(s.Theory.Requests) }},
		{"store", "reads", func(s series) string {
			if s.Store == nil {
				return "-"
			}
			return strconv.FormatInt(s.Store.Reads, 10)
		}},
		{"theory", "", func(s series) string { return count(s.Theory.StoreReads) }},
		{"bytes", "/message", func(s series) string { return text.Number(s.BytesPerDelivery, 3) }},
		{"theory", "", func(s series) string {
			if s.Theory.BytesPerDelivery == nil {
				return "-"
			}
			return text.Number(*s.Theory.BytesPerDelivery, 3)
		}},
	})
}

// predicted returns the series that theory says something about.
func predicted(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Theory == nil })
}

// delivered is the cell, or "-" when there is nothing that it could be about.
func (s series) delivered(cell string) string {
	if s.Delivered == 0 {
		return "-"
	}
	return cell
}

// Table writes runs as one aligned table of plain text, a line for each transport in each run;
// above it the servers and their store, unless it is one server in memory; below it what was asked
// of the store, what theory says it should be, the doubts and, with several runs, in what they
// differ.
func Table(w io.Writer, runs ...Run) error {
	all := lay(runs)
	var out strings.Builder
	if lines := setups(runs); len(lines) > 0 {
		out.WriteString(strings.Join(lines, "\n") + "\n\n")
	}
	writeGrid(&out, columns(len(runs), all), all)
	if known := stored(all); len(known) > 0 {
		out.WriteString("\n")
		writeGrid(&out, storeColumns(len(runs)), known)
	}
	if known := predicted(all); len(known) > 0 {
		out.WriteString("\n")
		writeGrid(&out, theoryColumns(len(runs)), known)
	}
	if remarks := remarksOf(runs, all); len(remarks) > 0 {
		out.WriteString("\n")
		for _, r := range remarks {
			fmt.Fprintf(&out, "! %s: %s\n", r.About, r.Text)
		}
	}
	// Not every terminal, log or mail has a micro sign.
	_, err := io.WriteString(w, strings.ReplaceAll(out.String(), "µs", "us"))
	if err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// writeGrid writes the columns of all, aligned below two lines of heading.
func writeGrid(out *strings.Builder, cols []column, all []series) {
	lines := [][]string{make([]string, len(cols)), make([]string, len(cols))}
	for i, col := range cols {
		lines[0][i], lines[1][i] = col.head, col.below
	}
	for _, s := range all {
		line := make([]string, len(cols))
		for i, col := range cols {
			line[i] = cut(col.cell(s), longestName)
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(cols))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				row.WriteString("  ")
			}
			if cols[i].left() {
				row.WriteString(cell + pad)
			} else {
				row.WriteString(pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}

func (c column) left() bool { return c.head == "transport" || c.head == "run" }

// cut keeps that many characters of s, an ellipsis in the middle among them.
func cut(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	tail := (width - 1) / 2
	return string(runes[:width-1-tail]) + "…" + string(runes[len(runes)-tail:])
}

// A Remark is a doubt, or what else a reader must know before comparing numbers.
type Remark struct {
	About string // a transport, mostly
	Text  string
	Fatal bool // what it is about is not to be believed
}

// remarksOf returns the doubts, the transports that were never measured, and in what the runs
// differ.
func remarksOf(runs []Run, all []series) []Remark {
	var remarks []Remark
	for _, s := range all {
		for _, d := range s.Doubts {
			remarks = append(remarks, Remark{s.label(), text.Clean(d.Text), d.Fatal})
		}
	}
	for _, run := range runs {
		for _, transport := range run.missing() {
			about := text.Clean(transport)
			if len(runs) > 1 {
				about += " · " + run.name()
			}
			remarks = append(remarks, Remark{about, "not measured", false})
		}
	}
	for _, f := range facts(runs) {
		if f.Differs {
			remarks = append(remarks, Remark{"the runs differ in " + f.Name, strings.Join(f.Values, " | "), false})
		}
	}
	return remarks
}
