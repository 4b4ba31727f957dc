package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// An adviceColumn is one figure of the options.
type adviceColumn struct {
	head, below string
	cell        func(cost.Option) string
}

const unknown = "-"

// columns returns the figures of the table.
func (a *Advice) columns() []adviceColumn {
	number := func(x float64) string { return text.Number(x, 3) }
	known := func(e *cost.Estimate, write func(float64) string) string {
		if e == nil {
			return unknown
		}
		return write(e.Value)
	}
	late := func(s float64) string {
		switch {
		case math.IsInf(s, 1):
			return "saturated"
		case s == 0:
			return unknown
		}
		return text.Duration(1e3*s, 3)
	}
	columns := []adviceColumn{
		{"50%", "within", func(o cost.Option) string { return late(o.P50) }},
		{"99%", "within", func(o cost.Option) string { return late(o.P99) }},
		{"CPU", "cores", func(o cost.Option) string {
			return known(o.Forecast.Cores, func(x float64) string { return text.Number(x, 2) })
		}},
		{"", "servers", func(o cost.Option) string {
			if o.Servers == 0 {
				return unknown
			}
			return grouped(o.Servers)
		}},
		{"memory", "MB", func(o cost.Option) string {
			return known(o.Forecast.MemoryBytes, func(x float64) string { return handy(x / 1e6) })
		}},
		{"requests", "/s", func(o cost.Option) string { return shortNumber(o.Forecast.Requests.Value) }},
		{"", "Mbit/s", func(o cost.Option) string { return number(o.Forecast.Bytes.Value * 8 / 1e6) }},
		{"reads", "/s", func(o cost.Option) string { return known(o.Forecast.Reads, shortNumber) }},
	}
	if a.Question.Price != nil {
		columns = append([]adviceColumn{{"price", "/month", func(o cost.Option) string { return known(o.Price, handy) }}}, columns...)
	} else {
		columns = append(columns, adviceColumn{"open", "conns", func(o cost.Option) string { return shortNumber(o.Forecast.Connections.Value) }})
	}
	return columns
}

// shortNumber writes a count in at most 5 columns.
func shortNumber(x float64) string {
	switch {
	case x >= 1e6:
		return text.Number(x/1e6, 3) + "M"
	case x >= 1e4:
		return text.Number(x/1e3, 3) + "k"
	}
	return text.Number(x, 3)
}

// Table writes the answer in words, and what each transport costs in a table. It fits 80 columns; where a screen has
// fewer, it is continued below.
func (a *Advice) Table(w io.Writer, on text.Screen) error {
	var out printout
	out.answer(on, Paragraph{Sentences: a.Sentences()})
	rows := [][]string{{""}, {"transport"}}
	for _, c := range a.columns() {
		rows[0], rows[1] = append(rows[0], c.head), append(rows[1], c.below)
	}
	var names []string
	for _, o := range a.Options {
		names = append(names, on.Name(text.Name(spec(o))))
	}
	names = (&layout{on: on}).shorten(names, min(longestName, on.Width()/2))
	for i, o := range a.Options {
		line := []string{names[i]}
		for _, c := range a.columns() {
			line = append(line, on.Text(c.cell(o)))
		}
		rows = append(rows, line)
	}
	out.lines(aligned(rows, on.Width())...)
	if slices.ContainsFunc(a.Options, func(o cost.Option) bool { return !o.Meets }) && a.Chosen() {
		out.wrap(on, text.Plain, "Those that are too late come last.", 0)
		out.gap()
	}
	if unknown := a.untimed(); unknown != "" {
		out.wrap(on, text.Plain, unknown, 0)
		out.gap()
	}
	for _, said := range a.checks() {
		out.wrap(on, text.Plain, said, 0)
	}
	if setup := setupOfAll(a.Index.Scenario); setup != "" {
		out.wrap(on, text.Plain, "Measured on "+setup+".", 0)
	}
	return out.write(w)
}

// aligned pads the cells of rows, of which the first is words, and returns the lines in parts that are no wider than
// a screen. Each part begins with the first cells.
func aligned(rows [][]string, width int) (parts [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Width(cell))
		}
	}
	for from := 1; from < len(widths); {
		end, all := from, widths[0]
		for end < len(widths) && (end == from || all+1+widths[end] <= width) {
			all += 1 + widths[end]
			end++
		}
		var lines []string
		for _, row := range rows {
			cells := []string{pad(row[0], widths[0], true)}
			for i := from; i < end; i++ {
				cells = append(cells, pad(row[i], widths[i], false))
			}
			lines = append(lines, strings.TrimRight(strings.Join(cells, " "), " "))
		}
		parts = append(parts, lines)
		from = end
	}
	return parts
}

// adviceJSON is the object of JSON.
type adviceJSON struct {
	Schema  int                `json:"schema"`
	Answer  string             `json:"answer"`
	Wanted  *result.Wanted     `json:"wanted"`
	Choose  string             `json:"choose"` // a transport as on the command line; empty: none is in time
	Machine result.Environment `json:"environment"`
	Options []optionJSON       `json:"transports"`
	Changes []changeJSON       `json:"changes"`
	Held    []cost.Held        `json:"held_out"`
	Sides   []Side             `json:"sides"`
	Refuted string             `json:"refuted"` // why the answer is not to be believed; empty: it is
}

type optionJSON struct {
	Transport string         `json:"transport"`
	InTime    bool           `json:"in_time"`
	P50       *float64       `json:"p50_ms"` // null: unknown, or the servers are saturated
	P99       *float64       `json:"p99_ms"`
	Servers   *float64       `json:"servers"`
	Load      float64        `json:"load"`
	Price     *cost.Estimate `json:"price_per_month,omitempty"`
	cost.Forecast
	AsRun    *cost.Forecast `json:"as_run"` // as in windows of run, in which no held request ends for its age
	Exponent float64        `json:"cpu_exponent"`
}

type changeJSON struct {
	Knob    string        `json:"knob"`
	At      cost.Estimate `json:"at"`
	Other   string        `json:"other"`
	Cheaper string        `json:"cheaper"` // the other one is cheaper: below or above
}

// JSON writes the answer as one object.
func (a *Advice) JSON(w io.Writer) error {
	object := adviceJSON{
		Schema: result.Schema, Answer: strings.Join(a.Sentences(), " "), Wanted: a.Index.Wanted, Machine: a.measured[0].Run.Environment,
		Held: append([]cost.Held{}, a.Held...), Sides: append([]Side{}, a.Sides...), Refuted: a.refutation(), Options: []optionJSON{}, Changes: []changeJSON{},
	}
	if a.Chosen() {
		object.Choose = spec(a.Options[0])
	}
	finite := func(x float64) *float64 {
		if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
			return nil
		}
		x *= 1e3
		return &x
	}
	for _, o := range a.Options {
		one := optionJSON{Transport: spec(o), InTime: o.Meets, P50: finite(o.P50), P99: finite(o.P99), Load: o.Busy, Price: o.Price, Forecast: o.Forecast}
		if o.Servers > 0 {
			one.Servers = &o.Servers
		}
		load := o.Load
		load.FromS = max(1, o.Load.EveryS, o.Model.Way.ScanS) // all polls have begun
		load.ToS = load.FromS + 2
		if f, ok := o.Model.At(load); ok {
			one.AsRun = &f
		}
		one.Exponent, _ = o.Model.Linear()
		object.Options = append(object.Options, one)
	}
	for _, c := range a.Changes {
		side := "above"
		if c.Below > 1 {
			side = "below"
		}
		object.Changes = append(object.Changes, changeJSON{
			[]string{"rate", "interval", "users"}[c.Knob], c.At, spec(a.Options[c.Other]), side,
		})
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(object); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// Markdown writes the answer in words, and the table.
func (a *Advice) Markdown(w io.Writer) error {
	var out strings.Builder
	sentences := a.Sentences()
	fmt.Fprintf(&out, "**%s** %s\n\n", sentences[0], strings.Join(sentences[1:], " "))
	out.WriteString("| transport |")
	columns := a.columns()
	for _, c := range columns {
		fmt.Fprintf(&out, " %s |", strings.TrimSpace(c.head+" "+c.below))
	}
	out.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, o := range a.Options {
		fmt.Fprintf(&out, "| `%s` |", text.Name(spec(o)))
		for _, c := range a.columns() {
			fmt.Fprintf(&out, " %s |", c.cell(o))
		}
		out.WriteString("\n")
	}
	out.WriteString("\n" + strings.Join(a.checks(), " ") + "\n")
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}
