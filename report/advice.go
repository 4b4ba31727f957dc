package report

import (
	"encoding/json"
	"fmt"
	"io"
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
	Sides     []cost.Side // of the nearest change: below, then above

	models   []cost.Model
	measured []*result.Result // those that the models were fitted to
	largest  int              // users of the largest load
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
	a := &Advice{Index: index, Elsewhere: elsewhere}
	var smaller, sides []*result.Result
	var largest *result.Result
	for i, r := range results {
		switch {
		case r == nil:
		case index.Points[i].Role == result.RoleBelow || index.Points[i].Role == result.RoleAbove:
			sides = append(sides, r)
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
	for _, r := range sides {
		if side, ok := cost.SideOf(a.models, r); ok {
			a.Sides = append(a.Sides, side)
		}
	}
	a.Choice = cost.Choose(a.models, QuestionOf(*index.Wanted))
	return a, nil
}

// Refuted says why the answer is not to be believed, or that there is none; empty: it is.
func (a *Advice) Refuted() string {
	if !a.Chosen() {
		return "no transport that was measured is in time: allow more, or name others with --transports"
	}
	for _, h := range a.Held {
		for _, f := range h.Figures {
			if f.Refuted {
				return fmt.Sprintf("measured, but not to be believed: the %s of %s with %d users was predicted %s off: measure with --thorough, on a quiet machine",
					f.Name, h.Transport, h.Users, percent(f.Off))
			}
		}
	}
	for _, s := range a.Sides {
		if s.Refuted {
			return fmt.Sprintf("measured, but not to be believed: the order of %s and %s did not turn as predicted: measure with --thorough, on a quiet machine", s.First, s.Other)
		}
	}
	return ""
}

// percent writes a share with its sign, like +7%.
func percent(x float64) string { return fmt.Sprintf("%+.0f%%", 100*x) }

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

// many reports whether a name is a plural.
func many(way result.Way) bool { return strings.HasSuffix(text.Clean(way.Title), "s") }

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
	load := fmt.Sprintf("%s users in rooms of %d, a message from each %s every %s, and 99%% of them within %s", grouped(q.Users), a.models[0].RoomSize,
		a.sender(), text.Duration(1e3/q.Rate, 3), text.Duration(1e3*q.WithinS, 3))
	if !a.Chosen() {
		said := "No transport is in time for " + load + "."
		if len(a.Options) > 0 {
			fastest := slices.MinFunc(a.Options, func(x, y cost.Option) int { return int(math.Copysign(1, x.P99-y.P99)) })
			if fastest.P99 > 0 && !math.IsInf(fastest.P99, 1) {
				return []string{said, fmt.Sprintf("The fastest is %s, with 99%% within %s.", a.call(fastest), text.Duration(1e3*fastest.P99, 3))}
			}
		}
		return []string{said}
	}
	first := a.Options[0]
	said := []string{"Choose " + a.call(first) + " for " + load + "."}
	said = append(said, a.reason())
	return append(said, a.conditions()...)
}

func (a *Advice) sender() string {
	if m := a.models[0]; m.Senders < m.RoomSize {
		if m.Senders == 1 {
			return "room's sender"
		}
		return fmt.Sprintf("of %d senders", m.Senders)
	}
	return "user"
}

// amount writes what an option costs.
func (a *Advice) amount(o cost.Option) string {
	e := a.Question.Cost(o.Forecast)
	between := func(write func(float64) string) string {
		return fmt.Sprintf("%s (%s to %s)", write(e.Value), write(e.Low), write(e.High))
	}
	switch {
	case a.Question.Price != nil:
		return between(money) + " a month"
	case o.Forecast.Cores != nil:
		return between(func(x float64) string { return text.Number(x, 2) }) + " cores of server CPU"
	}
	return text.Number(e.Value*8/1e6, 3) + " Mbit/s"
}

func money(x float64) string {
	if x >= 1000 {
		return grouped(round3(x))
	}
	return text.Number(x, 3)
}

func round3(x float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(x))-2)
	return math.Round(x/scale) * scale
}

// reason says why the first option is the one to choose.
func (a *Advice) reason() string {
	first := a.Options[0]
	said := fmt.Sprintf("%s %s %s", text.Upper(a.call(first)), form(first, "needs", "need"), a.amount(first))
	var equal []string
	for _, i := range a.AsGood {
		equal = append(equal, a.call(a.Options[i]))
	}
	next := slices.IndexFunc(a.Options, func(o cost.Option) bool { return o.Meets && spec(o) != spec(first) })
	switch {
	case len(equal) > 0:
		return said + "; " + list(equal) + " " + a.verbFor(len(equal), a.Options[a.AsGood[0]]) + " about as much, as far as the rounds show."
	case next > 0:
		o := a.Options[next]
		return said + "; the next, " + a.call(o) + ", " + form(o, "needs ", "need ") + text.Number(a.Question.Cost(o.Forecast).Value/a.Question.Cost(first.Forecast).Value, 2) + " times as much."
	}
	return said + "; no other transport is in time."
}

func (a *Advice) verbFor(n int, o cost.Option) string {
	if n > 1 {
		return "need"
	}
	return form(o, "needs", "need")
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
	if len(said) == 0 {
		return []string{"No change of the rate by up to 300 times or of the users by up to 30 times would make another one cheaper, as far as the rounds show."}
	}
	return said
}

func (a *Advice) condition(change cost.Change) string {
	other := a.Options[change.Other]
	below := change.Below < 1 // the first one is cheaper below
	name := a.call(other)
	if change.Knob == cost.Interval {
		name = text.Clean(other.Model.Way.Title)
	}
	cheaper := form(other, "is", "are") + " cheaper"
	if other.Meets && !slices.Contains(a.AsGood, change.Other) || change.Knob != cost.Rate {
		cheaper = form(other, "would be", "would be") + " cheaper"
	}
	where := ""
	switch at := change.At; change.Knob {
	case cost.Rate:
		word := "above"
		if !below {
			word = "below"
		}
		where = fmt.Sprintf("%s %s a %s (%s to %s)", word, perTime(at.Value), a.sender(), perTime(at.Low), perTime(at.High))
	case cost.Interval:
		word := "or more often"
		if below {
			return fmt.Sprintf("With messages that may be later, the answer changes too: %s every %s (%s to %s) or slower would be cheaper.", name,
				text.Duration(1e3*at.Value, 2), text.Duration(1e3*at.Low, 2), text.Duration(1e3*at.High, 2))
		}
		if change.Above > 1 {
			return fmt.Sprintf("%s every %s (%s to %s) or slower would be cheaper.", text.Upper(name),
				text.Duration(1e3*at.Value, 2), text.Duration(1e3*at.Low, 2), text.Duration(1e3*at.High, 2))
		}
		where = "every " + text.Duration(1e3*at.Value, 2) + " " + word
	default:
		word := "above"
		if !below {
			word = "below"
		}
		where = fmt.Sprintf("%s %s users (%s to %s)", word, grouped(round2(at.Value)), grouped(round2(at.Low)), grouped(round2(at.High)))
	}
	if !other.Meets {
		cheaper += ", but too late"
	}
	return text.Upper(where) + " " + name + " " + cheaper + "."
}

func round2(x float64) float64 {
	if x <= 0 {
		return 0
	}
	scale := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/scale) * scale
}

// perTime writes a rate in the unit in which it is a handy number.
func perTime(perSecond float64) string {
	switch {
	case perSecond >= 1:
		return text.Number(perSecond, 2) + " messages a second"
	case perSecond*60 >= 1:
		return text.Number(perSecond*60, 2) + " messages a minute"
	}
	return text.Number(perSecond*3600, 2) + " messages an hour"
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
		said = append(said, fmt.Sprintf("Measured with up to %s users; %s are %s times as many.", grouped(float64(a.largest)), grouped(a.Question.Users), text.Number(far, 2)))
	} else {
		said = append(said, fmt.Sprintf("Measured with up to %s users.", grouped(float64(a.largest))))
	}
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
			parts = append(parts, fmt.Sprintf("%s %s to %s", name, percent(low), percent(high)))
		}
		said = append(said, fmt.Sprintf("Check: %s users, left out and predicted from fewer, are off by: %s.", grouped(float64(a.Held[0].Users)), strings.Join(parts, ", ")))
	}
	for i, s := range a.Sides {
		where := "Below"
		if i > 0 {
			where = "Above"
		}
		how := "the rounds don't tell them apart"
		switch {
		case s.Refuted:
			how = "the order is the other one"
		case s.Verified:
			how = "as predicted"
		}
		said = append(said, fmt.Sprintf("%s the change, at %s and %s users, %s needs %s times the CPU of %s, predicted %s: %s.", where, perTime(s.Rate), grouped(float64(s.Users)),
			text.Name(s.First), text.Number(s.Got.Value, 2), text.Name(s.Other), text.Number(s.Want, 2), how))
	}
	if exponents := a.exponents(); exponents != "" {
		said = append(said, "CPU is not a line in the load: it grows with a power of what happens, "+exponents+".")
	}
	return said
}

// exponents returns with which powers the CPU grows; empty if it grows in lines.
func (a *Advice) exponents() string {
	low, high := math.Inf(1), 0.0
	for _, m := range a.models {
		if exponent, linear := m.Linear(); !linear {
			low, high = min(low, exponent), max(high, exponent)
		}
	}
	switch {
	case high == 0:
		return ""
	case text.Number(low, 2) == text.Number(high, 2):
		return text.Number(low, 2)
	}
	return text.Number(low, 2) + " to " + text.Number(high, 2)
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
			return known(o.Forecast.MemoryBytes, func(x float64) string { return number(x / 1e6) })
		}},
		{"requests", "/s", func(o cost.Option) string { return number(o.Forecast.Requests.Value) }},
		{"", "Mbit/s", func(o cost.Option) string { return number(o.Forecast.Bytes.Value * 8 / 1e6) }},
		{"reads", "/s", func(o cost.Option) string { return known(o.Forecast.Reads, number) }},
	}
	if a.Question.Price != nil {
		columns = append([]adviceColumn{{"price", "/month", func(o cost.Option) string { return known(o.Price, money) }}}, columns...)
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
	return text.Number(x, 4)
}

// Table writes the answer in words, and what each transport costs in a table of at most 80 columns.
func (a *Advice) Table(w io.Writer, on text.Screen) error {
	var out printout
	sentences := a.Sentences()
	out.answer(on, Paragraph{Sentences: sentences})
	rows := [][]string{{"", "transport"}, {"", ""}}
	rows = [][]string{{"transport"}, {""}}
	for _, c := range a.columns() {
		if c.head == "" {
			rows[0], rows[1] = append(rows[0], c.below), append(rows[1], "")
			continue
		}
		rows[0], rows[1] = append(rows[0], c.head), append(rows[1], c.below)
	}
	for _, o := range a.Options {
		line := []string{on.Name(text.Name(spec(o)))}
		for _, c := range a.columns() {
			line = append(line, on.Text(c.cell(o)))
		}
		rows = append(rows, line)
	}
	out.lines(aligned(rows))
	if slices.ContainsFunc(a.Options, func(o cost.Option) bool { return !o.Meets }) && a.Chosen() {
		out.wrap(on, text.Plain, "Those that are too late come last.", 0)
		out.gap()
	}
	for _, said := range a.checks() {
		out.wrap(on, text.Plain, said, 0)
	}
	return out.write(w)
}

// aligned pads the cells of rows, of which the first is words.
func aligned(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Width(cell))
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString(" ")
			}
			line.WriteString(pad(cell, widths[i], i == 0))
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
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
	Sides   []cost.Side        `json:"sides"`
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
	Knob   string        `json:"knob"`
	At     cost.Estimate `json:"at"`
	Other  string        `json:"other"`
	Cheape string        `json:"cheaper"` // the other one is cheaper: below or above
}

// JSON writes the answer as one object.
func (a *Advice) JSON(w io.Writer) error {
	object := adviceJSON{
		Schema: result.Schema, Answer: strings.Join(a.Sentences(), " "), Wanted: a.Index.Wanted, Machine: a.measured[0].Run.Environment,
		Held: a.Held, Sides: a.Sides, Refuted: a.Refuted(), Options: []optionJSON{}, Changes: []changeJSON{},
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
		run := a.measured[0].Run.Scenario
		load := o.Load
		load.FromS, load.ToS = float64(run.Warmup), float64(run.Warmup+run.Duration)
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
	rule := "|---|"
	for _, c := range a.columns() {
		fmt.Fprintf(&out, " %s |", strings.TrimSpace(c.head+" "+c.below))
		rule += "---:|"
	}
	out.WriteString("\n" + rule + "\n")
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
