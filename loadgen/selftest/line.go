package selftest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen/result"
)

// Verdicts on a line.
const (
	OK      = "ok"
	Differs = "differs"
)

// A Line is the result of one case on one transport, or a figure of this machine.
type Line struct {
	Case      string   `json:"case"`
	Transport string   `json:"transport,omitempty"`
	Verdict   string   `json:"verdict,omitempty"` // OK or Differs; empty: reported, not judged
	Figures   []Figure `json:"figures"`
	Expected  []string `json:"expected_doubts,omitempty"` // codes of the expected doubts, sorted
	Doubts    []string `json:"doubts,omitempty"`          // codes of the actual doubts, sorted
	Notes     []string `json:"notes,omitempty"`           // texts of the unexpected doubts
}

// A Figure is one number.
type Figure struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit,omitempty"`  // empty: a count
	Known    *Known  `json:"known,omitempty"` // nil: the figure is not judged
	Measured float64 `json:"measured"`
}

// Known is the known value of a figure. The measured one agrees from Value-Less to Value+More.
type Known struct {
	Value float64 `json:"value"`
	Less  float64 `json:"less"`
	More  float64 `json:"more"`
}

func (f Figure) agrees() bool {
	return f.Known == nil || f.Measured >= f.Known.Value-f.Known.Less && f.Measured <= f.Known.Value+f.Known.More
}

// Says returns the expected and the measured figures as text. It leaves out unremarkable figures, such
// as counts that are 0 as expected.
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

// digits formats v with three significant digits, and with at most three decimals.
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

// unjudged returns a line without a verdict.
func unjudged(name, transport string, figures ...Figure) Line {
	return Line{Case: name, Transport: transport, Figures: figures}
}

// counts are the counts of a window.
type counts struct {
	Sent, Delivered, Lost, Duplicated, Reordered, Misdelivered, Errors, Limited int
}

func countsOf(w *result.Window) counts {
	c := counts{w.Sent, w.Delivered, w.Lost, w.Duplicated, w.Reordered, w.Misdelivered, 0, w.Limited}
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
		figure("limited", "", float64(c.Limited)),
	}
}

// tolerance is the relative error that a quantile may have.
const tolerance = .05

// line judges a measurement. trip is the duration of a round trip on this machine.
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
		// A busy machine can't change a count, and the windows are too short for many samples.
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

// quantiles judges the latency quantiles. A measured quantile may exceed the known one by a round trip
// and the tolerance. It may be lower by as much only where a clock decides when messages come, that of
// polls, scans or stalls; elsewhere no message can be faster than known.
func (c Case) quantiles(m measurement, trip time.Duration) []Figure {
	if c.timing == nil {
		return nil
	}
	way := wayOf(m.transport)
	of := c.timing(timing{every: way.Every, scans: way.Scan, posts: !way.Duplex})
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
