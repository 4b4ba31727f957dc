package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// Advice is the answer to a question about a load: which transport to choose, what it costs, and whether what was
// predicted on the way came true. NewAdvice makes it from results alone.
type Advice struct {
	cost.Choice
	Index     result.Index
	Elsewhere string      // the machine of the costs, if it is another one
	Held      []cost.Held // the largest load, predicted without it
	Sides     []Side      // of the nearest change of the answer

	models   []cost.Model
	faults   map[string]int   // windows with faults, by the name of the model
	measured []*result.Result // those that the models were fitted to
	largest  int              // users of the largest load
}

// A Side is one side of a change of the answer.
type Side struct {
	cost.Side
	Where string `json:"where"` // result.RoleBelow or result.RoleAbove
}

// QuestionOf returns the question of a choice.
func QuestionOf(w result.Wanted) cost.Question {
	return cost.Question{
		Users: float64(w.Users), Rate: w.Rate, WithinS: float64(w.WithinS), Busy: w.Busy, Processors: float64(w.Processors),
		Price: cost.PriceOf(w.Prices), Customary: float64(w.CustomaryS),
	}
}

// NewAdvice fits costs to the results of a choice, which are those of the points of its index in the same order, nil
// where nothing was measured.
func NewAdvice(index result.Index, results []*result.Result, elsewhere string) (*Advice, error) {
	if err := priced(index.Wanted.Prices); err != nil {
		return nil, err
	}
	a := &Advice{Index: index, Elsewhere: elsewhere}
	var smaller []*result.Result
	var largest *result.Result
	for i, r := range results {
		switch {
		case r == nil:
		case sided(index.Points[i]):
		case index.Points[i].Role == result.RoleLargest:
			largest = r
		default:
			smaller = append(smaller, r)
		}
	}
	a.measured = slices.Clone(smaller)
	if largest != nil {
		a.measured = append(a.measured, largest)
		if before, err := cost.Fit(smaller...); err == nil {
			a.Held = cost.HoldOut(before, largest)
		}
	}
	var err error
	if a.models, err = cost.Fit(a.measured...); err != nil {
		return nil, err
	}
	for _, m := range a.models {
		a.largest = max(a.largest, int(m.Base.Users))
	}
	all := slices.Clone(a.measured)
	for i, r := range results {
		if r == nil || !sided(index.Points[i]) {
			continue
		}
		if side, ok := cost.SideOf(a.models, r); ok {
			a.Sides = append(a.Sides, Side{side, index.Points[i].Role})
		}
		all = append(all, r)
	}
	a.faults = cost.Faults(all...)
	// Once they are predicted, the sides tell where the change is better than what is further away.
	if models, err := cost.Fit(all...); err == nil {
		a.models = models
	}
	chosen := slices.DeleteFunc(slices.Clone(a.models), func(m cost.Model) bool { return a.faults[m.Transport] > 0 })
	a.Choice = cost.Choose(chosen, QuestionOf(*index.Wanted))
	return a, nil
}

// sided reports whether a point is a side of a change of the answer.
func sided(p result.Point) bool { return p.Role == result.RoleBelow || p.Role == result.RoleAbove }

// priced returns an error if prices are not all of what has one.
func priced(prices map[string]float64) error {
	var names []string
	for _, t := range new(cost.Price).Tariffs() {
		names = append(names, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("unknown price %.40q: use %s", name, either(names))
		}
	}
	return nil
}

// Refuted says why the answer is not to be believed, or that there is none; empty: it is.
func (a *Advice) Refuted() string {
	if names := slices.Sorted(maps.Keys(a.faults)); len(names) > 0 {
		return fmt.Sprintf("measured, but not to be believed: %s lost, doubled or misplaced messages in %s", text.Name(names[0]),
			text.Plural(a.faults[names[0]], "window", "windows"))
	}
	if !a.Chosen() {
		return "no transport that was measured is in time: allow more with --within, or name others with --transports"
	}
	if why := a.refutation(); why != "" {
		return "measured, but not to be believed: " + why
	}
	return ""
}

// untimed says which options have a delay that can't be predicted, as the server's round trip is unknown; they can't be
// chosen. It is empty if there are none.
func (a *Advice) untimed() string {
	var names []string
	for _, o := range a.Options {
		if o.P99 == 0 {
			names = append(names, a.call(o))
		}
	}
	if len(names) == 0 {
		return ""
	}
	what := "it"
	if len(names) > 1 {
		what = "them"
	}
	return "How late messages would be with " + list(names) + " can't be predicted, as the round trip to the server is unknown. The answer leaves " + what + " out: compare " + what + " with pushpull run."
}

// refutation says which prediction did not come true; empty: all did.
func (a *Advice) refutation() string {
	const advice = ": measure with --thorough, on a quiet machine"
	for _, h := range a.Held {
		for _, f := range h.Figures {
			if f.Refuted {
				return fmt.Sprintf("the %s of %s with %s users was predicted %s%s", f.Name, text.Name(h.Transport), grouped(float64(h.Users)), wrongBy(f.Off), advice)
			}
		}
	}
	for _, s := range a.Sides {
		if s.Refuted {
			return fmt.Sprintf("%s was predicted to need %s server CPU than %s at %s from %s, and needed %s%s", text.Name(s.First), order(s.Want), text.Name(s.Other),
				perTime(s.Rate), a.sender(), order(s.Got.Value), advice)
		}
	}
	return ""
}

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

// checks says what was predicted on the way, and whether it came true.
func (a *Advice) checks() []string {
	var said []string
	far := a.Question.Users / float64(a.largest)
	if far > 1.5 {
		said = append(said, fmt.Sprintf("Measured with up to %s users; %s are %s times as many.", grouped(float64(a.largest)), grouped(a.Question.Users), rounded(far)))
	} else {
		said = append(said, fmt.Sprintf("Measured with up to %s users.", grouped(float64(a.largest))))
	}
	said = append(said, a.leftOut()...)
	if a.Elsewhere != "" {
		said = append(said, "The costs are those of another machine: "+text.Clean(a.Elsewhere)+".")
	}
	if len(a.Held) > 0 {
		var parts []string
		for _, name := range figureNames(a.Held) {
			low, high := math.Inf(1), math.Inf(-1)
			for _, h := range a.Held {
				for _, f := range h.Figures {
					if f.Name == name {
						low, high = min(low, f.Off), max(high, f.Off)
					}
				}
			}
			off := percent(low)
			if most := percent(high); most != off {
				off += " to " + most
			}
			parts = append(parts, name+" "+off)
		}
		said = append(said, fmt.Sprintf("Check: %s users were left out and predicted from fewer. The predictions are off by: %s.", grouped(float64(a.Held[0].Users)), strings.Join(parts, ", ")))
	}
	for _, s := range a.Sides {
		how := "The rounds do not tell the two apart."
		switch {
		case s.Refuted:
			how = "The order is not the predicted one."
		case s.Verified:
			how = "The order is as predicted."
		}
		said = append(said, fmt.Sprintf("%s a change that the other points predict, with %s users and %s from %s, %s needed %s times the server CPU of %s (predicted: %s). %s", text.Upper(s.Where), grouped(float64(s.Users)),
			perTime(s.Rate), a.sender(), text.Name(s.First), text.Number(s.Got.Value, 2), text.Name(s.Other), text.Number(s.Want, 2), how))
	}
	if powers := a.powers(); powers != "" {
		said = append(said, "The server CPU does not grow in proportion to the load, but with "+powers+".")
	}
	return said
}

// powers returns the powers of the load with which the server CPU grows; empty if all are 1.
func (a *Advice) powers() string {
	const straight = .03 // as good as 1
	low, high := math.Inf(1), 0.0
	for _, m := range a.models {
		if exponent, linear := m.Linear(); !linear && math.Abs(exponent-1) > straight {
			low, high = min(low, exponent), max(high, exponent)
		}
	}
	switch {
	case high == 0:
		return ""
	case text.Number(low, 2) == text.Number(high, 2):
		return "its power " + text.Number(low, 2)
	}
	return "its powers " + text.Number(low, 2) + " to " + text.Number(high, 2)
}

// leftOut says which transports are no options, and why.
func (a *Advice) leftOut() (said []string) {
	for _, name := range slices.Sorted(maps.Keys(a.faults)) {
		said = append(said, fmt.Sprintf("%s is left out: it lost, doubled or misplaced messages in %s.", text.Name(name), text.Plural(a.faults[name], "window", "windows")))
	}
	for _, spec := range a.Index.Scenario.Transports {
		kind := result.Kind(spec)
		known := func(m cost.Model) bool { return result.Kind(m.Transport) == kind }
		if a.faults[kind]+a.faults[spec] == 0 && !slices.ContainsFunc(a.models, known) {
			said = append(said, text.Name(spec)+" is left out: it was not measured with two numbers of users.")
		}
	}
	return said
}

func figureNames(held []cost.Held) (names []string) {
	for _, h := range held {
		for _, f := range h.Figures {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

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
