package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// order writes a ratio in a word.
func order(ratio float64) string {
	if ratio < 1 {
		return "less"
	}
	return "more"
}

// wrongBy writes how far off a prediction was.
func wrongBy(off float64) string {
	if off < 0 {
		return text.Number(-100*off, 2) + "% too low"
	}
	return text.Number(100*off, 2) + "% too high"
}

// percent writes a share with its sign, like +7%.
func percent(x float64) string {
	if x = math.Round(100 * x); x == 0 {
		return "0%"
	}
	return fmt.Sprintf("%+.0f%%", x)
}

// call returns the name of an option in a sentence.
func (a *Advice) call(o cost.Option) string {
	way := o.Model.Way
	if o.Load.EveryS > 0 {
		way.EveryS = o.Load.EveryS
	}
	return spoken(o.Model.Transport, way, false)
}

// spec returns the name of an option as on the command line.
func spec(o cost.Option) string {
	if o.Load.EveryS > 0 {
		return result.Kind(o.Model.Transport) + "@" + result.Seconds(o.Load.EveryS).String()
	}
	return o.Model.Transport
}

// many reports whether the title of a way is a plural: "server-sent events on nchan" is.
func many(way result.Way) bool {
	title := strings.TrimSuffix(way.Title, " on "+way.Server)
	return way.Known() && strings.HasSuffix(text.Clean(title), "s")
}

// form returns the form of a verb that goes with an option.
func form(o cost.Option, one, more string) string {
	if many(o.Model.Way) {
		return more
	}
	return one
}

// Sentences returns the answer in words: which transport to choose, why, and where the answer changes.
func (a *Advice) Sentences() []string {
	q := a.Question
	load := fmt.Sprintf("%s users in rooms of %d, %s a message every %s", grouped(q.Users), a.models[0].RoomSize, a.sending(), span(1/q.Rate))
	if a.Chosen() {
		said := []string{fmt.Sprintf("Choose %s for %s, if 99%% of the messages must arrive within %s.", a.call(a.Options[0]), load, span(q.WithinS))}
		return append(append(said, a.reason()...), a.conditions()...)
	}
	said := []string{fmt.Sprintf("No transport that was measured delivers 99%% of the messages within %s to %s.", span(q.WithinS), load)}
	known := slices.DeleteFunc(slices.Clone(a.Options), func(o cost.Option) bool { return !(o.P99 > 0) || math.IsInf(o.P99, 1) })
	if len(known) > 0 {
		fastest := slices.MinFunc(known, func(x, y cost.Option) int { return cmp.Compare(x.P99, y.P99) })
		said = append(said, fmt.Sprintf("The fastest is %s, with 99%% within %s.", a.call(fastest), text.Duration(1e3*fastest.P99, 3)))
	}
	return said
}

// sending says which members of a room send.
func (a *Advice) sending() string {
	switch m := a.models[0]; {
	case m.Senders >= m.RoomSize:
		return "each sending"
	case m.Senders == 1:
		return "in each of which one member sends"
	default:
		return fmt.Sprintf("in each of which %d members send", m.Senders)
	}
}

// sender returns what sends a message, in a sentence about rates.
func (a *Advice) sender() string {
	if m := a.models[0]; m.Senders < m.RoomSize {
		return "each sender"
	}
	return "each user"
}

// span writes a time that somebody asked for, without zeros at its end: 1.5 s, 10 min or 2m30s.
func span(s float64) string {
	if s < 100 {
		written := text.Duration(1e3*s, 3)
		number, unit, _ := strings.Cut(written, " ")
		if strings.Contains(number, ".") {
			number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
		}
		return number + " " + unit
	}
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{" h", 3600}, {" min", 60}} {
		if n := s / unit.seconds; n == math.Round(n) {
			return grouped(n) + unit.name
		}
	}
	return result.Seconds(math.Round(s)).String()
}

// ranged writes an estimate with its interval.
func ranged(e cost.Estimate, unit string, write func(float64) string) string {
	said := write(e.Value) + unit
	if e.Low < e.High {
		said += " (" + write(e.Low) + " to " + write(e.High) + ")"
	}
	return said
}

// amount writes what an option costs.
func (a *Advice) amount(o cost.Option) string {
	e := a.Question.Cost(o.Forecast)
	switch {
	case a.Question.Price != nil:
		return form(o, "costs ", "cost ") + ranged(e, " a month", handy)
	case o.Forecast.Cores != nil:
		return form(o, "needs ", "need ") + ranged(e, " cores of server CPU", func(x float64) string { return text.Number(x, 2) })
	}
	return form(o, "needs ", "need ") + text.Number(e.Value*8/1e6, 3) + " Mbit/s"
}

// handy writes a number with three digits, and commas.
func handy(x float64) string {
	if x >= 1000 {
		return grouped(significant(x, 3))
	}
	return text.Number(x, 3)
}

// reason says why the first option is the one to choose.
func (a *Advice) reason() []string {
	first := a.Options[0]
	said := a.comparison(first)
	if a.Question.Price == nil && first.Forecast.Cores == nil {
		said = append(said, "The traffic decides, as the servers did not report their CPU.")
	}
	return said
}

// comparison says what the first option costs, and what others do.
func (a *Advice) comparison(first cost.Option) []string {
	said := text.Upper(a.call(first)) + " " + a.amount(first)
	var equal []string
	for _, i := range a.AsGood {
		equal = append(equal, a.call(a.Options[i]))
	}
	next := slices.IndexFunc(a.Options, func(o cost.Option) bool { return o.Meets && spec(o) != spec(first) })
	switch {
	case len(equal) > 0:
		return []string{said + ".", "The measurements do not tell " + form(first, "it", "them") + " apart from " + list(equal) + "."}
	case next > 0:
		o := a.Options[next]
		verb := form(o, "needs", "need")
		if a.Question.Price != nil {
			verb = form(o, "costs", "cost")
		}
		ratio := a.Question.Cost(o.Forecast).Value / a.Question.Cost(first.Forecast).Value
		return []string{said + "; the next, " + a.call(o) + ", " + verb + " " + rounded(ratio) + " times as much."}
	case len(a.models) == 1:
		return []string{said + ".", "No other transport was measured."}
	}
	return []string{said + ".", "No other transport is in time."}
}

// mostConditions is how many changes of the answer are said in words.
const mostConditions = 3

// conditions says where the answer changes: the nearest change of each knob.
func (a *Advice) conditions() []string {
	var said []string
	seen := map[cost.Knob]bool{}
	for _, change := range a.Changes {
		if seen[change.Knob] || len(said) == mostConditions {
			continue
		}
		seen[change.Knob] = true
		said = append(said, a.condition(change))
	}
	if len(said) == 0 && len(a.models) > 1 {
		return []string{"No other transport would clearly be cheaper between 1/300 and 300 times the rate, or between 1/30 and 30 times the users."}
	}
	return said
}

// condition says on which side of a change which transport is cheaper.
func (a *Advice) condition(change cost.Change) string {
	first, other := a.Options[0], a.Options[change.Other]
	below := change.Below < 1 // the first one is cheaper below
	cheaper := a.call(other) + " would be cheaper"
	if !other.Meets {
		cheaper += ", but too late"
	}
	more, less := "more", "fewer"
	switch at := change.At; change.Knob {
	case cost.Rate:
		unit, number := rateUnit(at.Value)
		return fmt.Sprintf("With %s than %s from %s, %s.", pick(below, more, less), ranged(at, " messages "+unit, number), a.sender(), cheaper)
	case cost.Users:
		return fmt.Sprintf("With %s than %s, %s.", pick(below, more, less),
			ranged(at, " users", func(x float64) string { return grouped(significant(x, 2)) }), cheaper)
	default:
		every := ranged(at, "", func(x float64) string { return span(significant(x, 2)) })
		how := pick(below, "less", "more") + " often"
		if first.Load.EveryS > 0 {
			return fmt.Sprintf("If users had to poll %s than every %s, %s.", how, every, cheaper)
		}
		said := fmt.Sprintf("%s every %s or %s would be cheaper", text.Upper(text.Clean(other.Model.Way.Title)), every, how)
		return said + pick(below, ", if messages may be that late.", ".")
	}
}

// pick returns one of two words.
func pick(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

// rateUnit returns the time in which a rate is a handy number, and how to write a rate as a number of that.
func rateUnit(perSecond float64) (unit string, number func(float64) string) {
	seconds := 1.
	switch {
	case perSecond >= 1:
		unit = "a second"
	case perSecond*60 >= 1:
		unit, seconds = "a minute", 60
	case perSecond*3600 >= 1:
		unit, seconds = "an hour", 3600
	default:
		unit, seconds = "a day", 24*3600
	}
	return unit, func(x float64) string { return text.Number(x*seconds, 2) }
}

// perTime writes a rate in the unit in which it is a handy number.
func perTime(perSecond float64) string {
	unit, number := rateUnit(perSecond)
	said := number(perSecond)
	return said + pick(said == "1", " message ", " messages ") + unit
}

// grouped writes a whole number with commas.
func grouped(x float64) string {
	digits := strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
