package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/verdict"
)

// Table writes runs as text for a screen: the answer in words, whose first sentence is the verdict, then a
// table with a line for each transport in each run, the best first, and the doubts. The best and the worst
// figure of each column are marked. No line is wider than the screen, except on one too narrow for a name
// and a figure. Servers and store stand above the table, unless it is one server with the default store.
func Table(w io.Writer, on text.Screen, runs ...Run) error {
	all := bestFirst(seriesOf(runs))
	var out printout
	for _, p := range Answers(runs...) {
		out.answer(on, p)
	}
	out.gap()
	for _, line := range setups(runs) {
		out.wrap(on, text.Plain, line, 0)
	}
	l := newLayout(on, all)
	l.figures(glance(), places(all))
	l.strips(all)
	parts := l.parts()
	parts[len(parts)-1] = append(parts[len(parts)-1], l.legend()...)
	out.lines(parts...)
	for _, line := range foreign(runs) {
		out.wrap(on, text.Plain, line, 2)
	}
	out.gap()
	for _, r := range remarksOf(runs, all) {
		ink := text.Plain
		if r.Fatal {
			ink = text.Poorer
		}
		out.wrap(on, ink, "! "+r.About+": "+r.Text, 2)
	}
	return out.write(w)
}

// Details writes the figures that Table leaves out, as further tables.
func Details(w io.Writer, on text.Screen, runs ...Run) error {
	all := bestFirst(seriesOf(runs))
	var out printout
	shown := func(m result.Metric) bool { return m.Shown.Has(result.InGlance) }
	for _, d := range []struct {
		title   string
		metrics []result.Metric
		of      []series
		theory  bool
	}{
		{"Deliveries", slices.DeleteFunc(result.MetricsIn(result.InTable), shown), all, false},
		{"The servers' use of their store", result.MetricsIn(result.InStore), stored(all), false},
		{"Measured, and as theory says", result.MetricsIn(result.InTheory), predicted(all), true},
		{"From the intended time to the start of sending, and from there to the acknowledgement", result.MetricsIn(result.InSends), all, false},
		{titleJoining, joiningMetrics(all), all, true},
		{"The load generator", result.MetricsIn(result.InGenerator), all, false},
	} {
		if len(d.of) == 0 || len(d.metrics) == 0 {
			continue
		}
		l := newLayout(on, d.of)
		l.theory = d.theory
		l.figures(d.metrics, nil)
		out.gap()
		out.wrap(on, text.Bold, d.title, 0)
		out.lines(l.parts()...)
	}
	return out.write(w)
}

// Live returns the lines of a table of runs under way: the columns of Table, as many as fit, with a line
// for each transport of the scenario of each run, in its order. Transports without a row have no figures
// yet. The line of the transport that is measured now, in the run with that index, stands out.
func Live(on text.Screen, run int, transport string, runs ...Run) []string {
	filled := slices.Clone(runs)
	for i, r := range filled {
		filled[i].Result = &result.Result{Run: r.Run} // the windows are not needed, and may be many
		filled[i].Rows = nil
		for _, name := range r.Run.Scenario.Transports {
			row := result.Row{Transport: name}
			if k := slices.IndexFunc(r.Rows, func(known result.Row) bool { return known.Transport == name }); k >= 0 {
				row = r.Rows[k]
			}
			filled[i].Rows = append(filled[i].Rows, row)
		}
	}
	all := seriesOf(filled)
	l := newLayout(on, all)
	l.underWay = slices.IndexFunc(all, func(s series) bool { return s.column == run && s.Transport == transport })
	l.figures(glance(), nil)
	return l.parts()[0]
}

// glance returns the metrics of Table: faults, then timings, which users feel and servers cost, then counts.
// A narrow live view leaves out the last ones.
func glance() []result.Metric {
	order := []result.Gate{result.Fault, result.Timing, result.Count}
	metrics := result.MetricsIn(result.InGlance)
	slices.SortStableFunc(metrics, func(a, b result.Metric) int {
		return slices.Index(order, a.Gate) - slices.Index(order, b.Gate)
	})
	return metrics
}

// bestFirst orders series by the best row of each transport, then by run.
func bestFirst(all []series) []series {
	var transports []string
	for _, i := range verdict.Order(rowsOf(all)) {
		transports = append(transports, all[i].Transport)
	}
	place := func(s series) int { return slices.Index(transports, s.Transport) }
	slices.SortStableFunc(all, func(a, b series) int { return place(a) - place(b) })
	return all
}

func rowsOf(all []series) []result.Row {
	rows := make([]result.Row, len(all))
	for i, s := range all {
		rows[i] = s.Row
	}
	return rows
}

// places returns a function that returns the place of each series in a metric.
func places(all []series) func(result.Metric) []verdict.Place {
	rows := rowsOf(all)
	return func(m result.Metric) []verdict.Place { return verdict.Places(m, rows) }
}

// stored returns the series whose servers reported on their store.
func stored(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Store == nil })
}

// predicted returns the series with predictions.
func predicted(all []series) []series {
	return slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.Theory == nil })
}

// headOf returns the heading of a metric on a screen, in lines as narrow as its figures allow.
func headOf(m result.Metric, together bool) []string {
	const room = 8 // "/message" fits
	title := m.Heading(together)
	if m.Quantile > 0 {
		title = strconv.FormatFloat(100*m.Quantile, 'f', -1, 64) + "% within"
	}
	var lines []string
	for word := range strings.FieldsSeq(title) {
		if last := len(lines) - 1; last >= 0 && text.Width(lines[last])+1+text.Width(word) <= room {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	if below := text.Below(m); below != "" {
		lines = append(lines, below)
	}
	return lines
}

// A printout collects blocks of lines.
type printout struct{ blocks [][]string }

// gap begins a new block.
func (p *printout) gap() { p.blocks = append(p.blocks, nil) }

// lines adds lines as blocks of their own.
func (p *printout) lines(blocks ...[]string) {
	for _, lines := range blocks {
		p.blocks = append(p.blocks, lines, nil)
	}
}

// wrap adds words in lines that fit, to the last block.
func (p *printout) wrap(on text.Screen, ink text.Ink, words string, indent int) {
	if len(p.blocks) == 0 {
		p.gap()
	}
	last := &p.blocks[len(p.blocks)-1]
	for _, line := range on.Wrap(on.Text(words), indent) {
		*last = append(*last, on.Paint(ink, line))
	}
}

// answer adds the verdict, which stands out, and below it the other sentences.
func (p *printout) answer(on text.Screen, answer Paragraph) {
	first := answer.Sentences[0]
	if answer.Run != "" {
		first = answer.Run + ": " + first
	}
	p.wrap(on, text.Bold, first, 0)
	if rest := answer.Sentences[1:]; len(rest) > 0 {
		p.wrap(on, text.Plain, strings.Join(rest, " "), 0)
	}
	p.gap()
}

// write writes the blocks, with an empty line between any two.
func (p *printout) write(w io.Writer) error {
	var parts []string
	for _, lines := range p.blocks {
		if len(lines) > 0 {
			parts = append(parts, strings.Join(lines, "\n")+"\n")
		}
	}
	if _, err := io.WriteString(w, strings.Join(parts, "\n")); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}
