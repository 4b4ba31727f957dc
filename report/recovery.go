package report

import (
	"fmt"
	"math"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A recovery is how users came back after one fault: a line for each transport on which there were enough to be a herd.
type recovery struct {
	fault string
	lines []recoveryLine
}

// A recoveryLine is the recovery on one transport, in some windows.
type recoveryLine struct {
	series
	windows []result.Recovery
	lasts   float64 // seconds of the fault, the median
}

// recoveriesOf returns the recoveries of a run, in the order of its faults.
func recoveriesOf(run Run, transports []series) []recovery {
	var all []recovery
	for _, about := range run.Run.Faults.All {
		r := recovery{fault: about.Name}
		for _, s := range transports {
			line := recoveryLine{series: s}
			var lasts []float64
			for _, w := range run.Windows {
				if a := w.Aftermath; w.Transport == s.Transport && w.Failed == "" && a != nil && a.Fault == about.Name && a.Recovery != nil && a.Recovery.Cut >= result.Herd {
					line.windows = append(line.windows, sinceFault(a))
					lasts = append(lasts, a.EndedS-a.BeganS)
				}
			}
			if len(line.windows) > 0 {
				line.lasts = median(lasts)
				r.lines = append(r.lines, line)
			}
		}
		if len(r.lines) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// sinceFault returns the recovery with the times of its steps from the beginning of the fault.
func sinceFault(a *result.Aftermath) result.Recovery {
	r := *a.Recovery
	r.Steps = slices.Clone(r.Steps)
	for i := range r.Steps {
		r.Steps[i].AtS -= a.BeganS
	}
	return r
}

// median returns the median of xs, the mean of the two middle ones of an even number. It is infinite if half of xs are.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	return (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
}

// of returns the median over the windows.
func (l recoveryLine) of(value func(result.Recovery) float64) float64 {
	var xs []float64
	for _, w := range l.windows {
		xs = append(xs, value(w))
	}
	return median(xs)
}

// half and all return the seconds until half and all were back; infinite if they were not.
func (l recoveryLine) half() float64 {
	return l.of(func(r result.Recovery) float64 { return reachedIn(r.HalfS, 2*r.Back >= r.Cut) })
}

func (l recoveryLine) all() float64 {
	return l.of(func(r result.Recovery) float64 { return reachedIn(r.AllS, r.Back == r.Cut) })
}

func reachedIn(seconds float64, ok bool) float64 {
	if !ok {
		return math.Inf(1)
	}
	return seconds
}

// merged returns the medians of the figures, without steps.
func (l recoveryLine) merged() *result.Recovery {
	whole := func(value func(result.Recovery) float64) int64 { return int64(math.Round(l.of(value))) }
	r := &result.Recovery{
		Cut: int(whole(func(r result.Recovery) float64 { return float64(r.Cut) })), Back: int(whole(func(r result.Recovery) float64 { return float64(r.Back) })),
		Connections: whole(func(r result.Recovery) float64 { return float64(r.Connections) }),
		Requests:    whole(func(r result.Recovery) float64 { return float64(r.Requests) }),
		CPUS:        l.of(func(r result.Recovery) float64 { return r.CPUS }),
	}
	if half := l.half(); !math.IsInf(half, 1) {
		r.HalfS = half
	}
	if all := l.all(); !math.IsInf(all, 1) {
		r.AllS = all
	}
	return r
}

// peak returns the largest number of requests in a second, of the steps of a window; 0 if unknown.
func peak(r result.Recovery) float64 {
	most := 0.
	for _, s := range r.Steps {
		most = max(most, float64(s.Requests)/max(s.WidthS, .05)) // a busy machine may have taken two samples at once
	}
	return most
}

// title says what the recovery is of.
func (r recovery) title() string { return "How users come back after " + text.Name(r.fault) }

const recoveryCaption = "Medians over the windows. Back: from the end of the fault until messages could reach half and all of the users again that were cut off. Connections, requests and server CPU: of everybody, from the beginning of the fault until all were back."

// rows returns the recovery as a table, with a line for each transport.
func (r recovery) rows() [][]string {
	rows := [][]string{{"transport", "cut off", "half back", "all back", "connections", "requests", "peak requests/s", "server CPU"}}
	for _, l := range r.lines {
		m := l.merged()
		in := func(seconds float64) string {
			if math.IsInf(seconds, 1) {
				return "never"
			}
			return text.Duration(1e3*seconds, 2)
		}
		fastest := "?"
		if x := l.of(peak); x > 0 {
			fastest = text.Number(x, 2)
		}
		rows = append(rows, []string{
			l.name, fmt.Sprint(m.Cut), in(l.half()), in(l.all()), fmt.Sprint(m.Connections), fmt.Sprint(m.Requests), fastest, text.Duration(1e3*m.CPUS, 2),
		})
	}
	return rows
}

// sheet returns the recovery as a table of a page.
func (r recovery) sheet(id string) table {
	t := table{ID: id, Title: text.Upper(r.title()), Captions: []string{recoveryCaption}}
	for i, row := range r.rows() {
		var cells []Cell
		for k, words := range row {
			cells = append(cells, Cell{Text: words, Left: k == 0})
		}
		if i == 0 {
			t.Head = cells
			continue
		}
		t.Rows = append(t.Rows, GridRow{Cells: cells})
	}
	return t
}

// recovered returns the line of a fault and a transport; nil if there is none.
func (m faultMatrix) recovered(fault, transport string) *recoveryLine {
	for _, r := range m.recoveries {
		for i := range r.lines {
			if r.fault == fault && r.lines[i].Transport == transport {
				return &r.lines[i]
			}
		}
	}
	return nil
}

// print adds the recovery to what is printed.
func (r recovery) print(out *printout, on text.Screen) {
	rows := r.rows()
	for _, row := range rows {
		for i, cell := range row {
			row[i] = on.Text(cell)
		}
	}
	out.gap()
	out.wrap(on, text.Bold, text.Upper(r.title()), 0)
	last := len(out.blocks) - 1
	out.blocks[last] = append(out.blocks[last], inColumns(on, rows, 1, false)...)
	out.wrap(on, text.Plain, recoveryCaption, 0)
}

// recoveryFigures returns a chart for each recovery.
func (f Faults) recoveryFigures() []figure {
	var all []figure
	several := len(f.matrices) > 1 || len(f.matrices) == 1 && len(f.matrices[0].recoveries) > 1
	for _, m := range f.matrices {
		for _, r := range m.recoveries {
			number := 0
			if several {
				number = len(all) + 1
			}
			fig := r.figure(number)
			if m.name != "" {
				fig.title += ": " + drawable(m.name)
			}
			all = append(all, fig)
		}
	}
	return all
}
