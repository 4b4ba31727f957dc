package selftest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
)

// Verdicts on a line.
const (
	OK      = "ok"
	Differs = "differs"
)

// A Line is what was found on one transport in one case, or of this machine.
type Line struct {
	Case      string   `json:"case"`
	Transport string   `json:"transport,omitempty"`
	Verdict   string   `json:"verdict,omitempty"` // OK or Differs; empty: it is told, not judged
	Figures   []Figure `json:"figures"`
	Expected  []string `json:"expected_doubts,omitempty"` // their codes, sorted
	Doubts    []string `json:"doubts,omitempty"`          // those that there are, likewise
	Notes     []string `json:"notes,omitempty"`           // what the doubts say that should not be there
}

// A Figure is one number.
type Figure struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit,omitempty"` // empty: it is a count
	Known    *Known  `json:"known,omitempty"`
	Measured float64 `json:"measured"`
}

// Known is what a figure must be.
type Known struct {
	Value float64 `json:"value"`
	Less  float64 `json:"less"` // how much less it may be
	More  float64 `json:"more"` // how much more it may be
}

func (f Figure) agrees() bool {
	return f.Known == nil || f.Measured >= f.Known.Value-f.Known.Less && f.Measured <= f.Known.Value+f.Known.More
}

// Says returns what was expected and what was measured, as a person reads it. What is as
// it would be on any server, like counts that are 0, is left out.
func (l Line) Says() (expected, measured string) {
	var want, got []string
	for _, f := range l.Figures {
		if f.Known == nil {
			got = append(got, f.say(f.Measured, ""))
			continue
		}
		if f.agrees() && (f.Known.Value == 0 && f.Unit == "" || f.Name == "sent") {
			continue
		}
		tolerance := ""
		switch k := f.Known; {
		case k.Less > 0:
			tolerance = "+-" + digits(k.More)
		case k.More > 0:
			tolerance = "+" + digits(k.More)
		}
		want, got = append(want, f.say(f.Known.Value, tolerance)), append(got, f.say(f.Measured, ""))
	}
	say := func(parts, doubts []string) string {
		said := strings.Join(parts, ", ")
		if len(doubts) > 0 {
			said += " [" + strings.Join(doubts, " ") + "]"
		}
		return said
	}
	return say(want, l.Expected), say(got, l.Doubts)
}

func (f Figure) say(v float64, tolerance string) string {
	if f.Unit == "" {
		return strconv.FormatFloat(v, 'f', -1, 64) + " " + f.Name
	}
	return f.Name + " " + digits(v) + tolerance + " " + f.Unit
}

// digits writes a time with three digits.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func figure(name, unit string, measured float64) Figure {
	return Figure{Name: name, Unit: unit, Measured: measured}
}

// told returns a line on which there is no verdict.
func told(name, transport string, figures ...Figure) Line {
	return Line{Case: name, Transport: transport, Figures: figures}
}

// counts are the counts of a window.
type counts struct {
	Sent, Delivered, Lost, Duplicated, Reordered, Misdelivered, Errors int
}

func countsOf(w *result.Window) counts {
	c := counts{w.Sent, w.Delivered, w.Lost, w.Duplicated, w.Reordered, w.Misdelivered, 0}
	for _, f := range w.Errors {
		c.Errors += f.Count
	}
	return c
}

// each returns the counts with their names.
func (c counts) each() []Figure {
	return []Figure{
		figure("sent", "", float64(c.Sent)),
		figure("delivered", "", float64(c.Delivered)),
		figure("lost", "", float64(c.Lost)),
		figure("duplicated", "", float64(c.Duplicated)),
		figure("reordered", "", float64(c.Reordered)),
		figure("misdelivered", "", float64(c.Misdelivered)),
		figure("errors", "", float64(c.Errors)),
	}
}

// tolerance is how far, as a share, a quantile may be from what is known.
const tolerance = .05

// line judges a measurement. trip is a round trip on this machine.
func (c Case) line(m measurement, trip time.Duration) Line {
	l := Line{Case: c.Name, Transport: m.transport, Verdict: OK, Expected: c.doubts}
	planned := 0
	for _, send := range m.plan.Sends {
		if m.plan.Measured(send) {
			planned++
		}
	}
	honest := counts{Sent: planned, Delivered: planned * (m.plan.RoomSize - 1)}
	known := c.counts(honest, m.spoiled).each()
	for i, f := range countsOf(m.window).each() {
		f.Known = &Known{Value: known[i].Measured}
		l.Figures = append(l.Figures, f)
	}
	l.Figures = append(l.Figures, c.quantiles(m, trip)...)

	for _, d := range m.doubts() {
		// A busy machine spoils no count, and that a p99 is of few samples is known.
		if d.Code == "few-samples" || busy(d) && !c.alone {
			continue
		}
		if !slices.Contains(l.Doubts, d.Code) {
			l.Doubts = append(l.Doubts, d.Code)
		}
		if !slices.Contains(c.doubts, d.Code) {
			l.Notes = append(l.Notes, d.Text)
		}
	}
	slices.Sort(l.Doubts)
	if !slices.Equal(l.Doubts, l.Expected) || slices.ContainsFunc(l.Figures, func(f Figure) bool { return !f.agrees() }) {
		l.Verdict = Differs
	}
	return l
}

// quantiles judges the latency: a round trip comes on top of what is known, give or take 5%. Where
// nobody goes by a clock, be it the plan's or one of a scan, nothing is faster than it can be.
func (c Case) quantiles(m measurement, trip time.Duration) []Figure {
	if c.timing == nil {
		return nil
	}
	t, _ := all.New(m.transport, transports.Limits{}) // it was measured
	var of timing
	switch by := t.(type) {
	case transports.Periodic:
		of.every = by.Period()
	case transports.Scanning:
		of.scans = by.ScanInterval()
	}
	of.posts = !is[transports.Duplex](t)
	of = c.timing(of)
	latencies := of.latencies(m.plan)
	var figures []Figure
	for _, p := range c.judge {
		known := quantile(latencies, p)
		more := time.Duration(tolerance*float64(known)) + trip
		less := more
		if of.every == 0 && of.scans == 0 && !of.stalls {
			less = 0
		}
		figures = append(figures, Figure{
			Name: fmt.Sprintf("p%g", 100*p), Unit: "ms", Measured: ms(m.window.Latency.Quantile(p)),
			Known: &Known{Value: ms(known), Less: ms(less), More: ms(more)},
		})
	}
	return figures
}
