package report

import (
	"fmt"
	"io"
	"math"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// advicePage is the data of the page of an answer.
type advicePage struct {
	frame
	Refuted string
	Answer  answer
	Figures []pageFigure
	Numbers table
	Checks  []string
	Held    table
	Command string
	Facts   []facts
}

// Write draws the answer into dir, which must exist: report.html, and its charts as .svg and .png. Each file is replaced
// atomically.
func (a *Advice) Write(dir string) error {
	drawings := drawingsOf(a.figures())
	page, err := a.page(Link{}, drawings)
	if err != nil {
		return err
	}
	return writeDrawn(dir, drawings, Page, page)
}

// HTML writes the page that Write saves as report.html, with the link back at the top unless it is zero.
func (a *Advice) HTML(w io.Writer, back Link) error {
	page, err := a.page(back, drawingsOf(a.figures()))
	if err != nil {
		return err
	}
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("writing %s: %w", Page, err)
	}
	return nil
}

func (a *Advice) page(back Link, drawings []drawing) ([]byte, error) {
	sentences := a.Sentences()
	p := advicePage{
		frame:   frame{Back: back, Title: "Which transport"},
		Refuted: a.refutation(), Answer: answer{First: unbroken(sentences[0]), Rest: sentences[1:]},
		Figures: figuresOf(drawings), Checks: a.checks(), Command: text.Clean(a.Index.Command),
	}
	if !a.Index.Started.IsZero() {
		p.Lede = append(p.Lede, "Measured on "+a.Index.Started.UTC().Format(Moment)+".")
	}
	if setup := setupOfAll(a.Index.Scenario); setup != "" {
		p.Lede = append(p.Lede, "The set-up was "+setup+".")
	}
	if note, tags := text.Clean(a.Index.Note), tagsOf(result.Run{Tags: a.Index.Tags}); note != "" || tags != nil {
		p.Notes = append(p.Notes, annotation{Text: note, Tags: tags})
	}
	styles := a.styles()
	p.Numbers = table{ID: "numbers", Title: "What it costs", Captions: []string{"For all users together, the best first. In small print: the 95% interval of the CPU."}}
	p.Numbers.Head = []Cell{{Text: "transport", Left: true}}
	for _, c := range a.columns() {
		head := Cell{Text: c.head, Below: c.below}
		if head.Text == "" {
			head = Cell{Text: c.below}
		}
		p.Numbers.Head = append(p.Numbers.Head, head)
	}
	for _, o := range a.Options {
		row := GridRow{Way: o.Model.Way.Class(), Colour: huesOf(styles[spec(o)].colour), Cells: []Cell{{Text: text.Name(spec(o)), Left: true}}}
		if !o.Meets {
			row.Cells[0].Text += " (too late)"
		}
		for _, c := range a.columns() {
			cell := Cell{Text: c.cell(o)}
			if c.below == "cores" && o.Forecast.Cores != nil {
				cell.Below = text.Number(o.Forecast.Cores.Low, 2) + " to " + text.Number(o.Forecast.Cores.High, 2)
			}
			row.Cells = append(row.Cells, cell)
		}
		p.Numbers.Rows = append(p.Numbers.Rows, row)
	}
	if len(a.Held) > 0 {
		p.Held = table{
			ID: "held-out", Title: "Left out and predicted",
			Captions: []string{fmt.Sprintf("%s users, predicted from fewer: how far off the prediction was.", grouped(float64(a.Held[0].Users)))},
		}
		p.Held.Head = []Cell{{Text: "transport", Left: true}}
		names := figureNames(a.Held)
		for _, name := range names {
			p.Held.Head = append(p.Held.Head, Cell{Text: name})
		}
		for _, h := range a.Held {
			row := GridRow{Cells: []Cell{{Text: text.Name(h.Transport), Left: true}}}
			for _, name := range names {
				cell := Cell{Text: unknown}
				if i := slices.IndexFunc(h.Figures, func(f cost.Figure) bool { return f.Name == name }); i >= 0 {
					if cell.Text = percent(h.Figures[i].Off); h.Figures[i].Refuted {
						cell.Text += " (refuted)"
					}
				}
				row.Cells = append(row.Cells, cell)
			}
			p.Held.Rows = append(p.Held.Rows, row)
		}
	}
	var runs []Run
	for i, r := range a.measured {
		runs = append(runs, Run{Name: fmt.Sprint(i), Result: r})
	}
	p.Facts = []facts{{Title: "Environment"}}
	for _, f := range conditions(runs[:1]) {
		if !f.setting {
			p.Facts[0].Rows = append(p.Facts[0].Rows, f)
		}
	}
	return render("advice.html", p)
}

// styles returns the style of each option and model, by its name.
func (a *Advice) styles() map[string]style {
	var all []series
	for _, o := range a.Options {
		all = append(all, series{Row: result.Row{Transport: spec(o), Way: o.Model.Way}})
	}
	for i := range a.models { // and those that are no option, as they would be too late
		m := &a.models[i]
		if !slices.ContainsFunc(a.Options, func(o cost.Option) bool { return o.Model == m }) {
			all = append(all, series{Row: result.Row{Transport: m.Transport, Way: m.Way}})
		}
	}
	styles := stylesOf(all)
	for _, o := range a.Options {
		styles[o.Model.Transport] = styles[spec(o)]
	}
	return styles
}

// figures returns the charts: the nearest change first.
func (a *Advice) figures() []figure {
	all := []figure{a.changeChart().figure()}
	if m, ok := a.choices(); ok {
		all = append(all, m.figure())
	}
	return append(all, a.growthChart().figure())
}

// knots is the number of points with an interval on a predicted line.
const knots = 7

// changeChart shows the cost of the options against the knob of the nearest change of the answer, or against the rate.
func (a *Advice) changeChart() curveChart {
	knob, change := cost.Rate, -1
	if len(a.Changes) > 0 {
		knob, change = a.Changes[0].Knob, 0
	}
	ch := curveChart{
		name: "change", title: "Where the answer changes", detail: "Predicted for " + grouped(a.Question.Users) + " users.",
		y: scale{label: "server CPU, cores", write: func(x float64) string { return text.Number(x, 2) + " cores" }},
	}
	if change < 0 {
		ch.title = "The cost at other rates"
	}
	unitOfY := 1.
	switch {
	case a.Question.Price != nil:
		ch.y = scale{label: "price of a month", write: handy}
	case len(a.Options) > 0 && a.Options[0].Forecast.Cores == nil:
		ch.y = scale{label: "traffic, Mbit/s", write: func(x float64) string { return text.Number(x, 2) + " Mbit/s" }}
		unitOfY = 8 / 1e6
	}
	switch knob {
	case cost.Rate:
		ch.x = scale{label: "messages a minute of each sender", write: func(x float64) string { return text.Number(x, 3) }}
	case cost.Interval:
		ch.x = scale{label: "poll interval", write: func(x float64) string { return text.Duration(1e3*x, 2) }}
	default:
		ch.x = scale{label: "users", write: grouped}
	}
	unit := 1.
	if knob == cost.Rate {
		unit = 60
	}
	if len(a.Options) == 0 {
		return ch
	}
	here := knob.Of(a.lineLoad(a.Options[0], knob))
	low, high := here/10, here*10
	if change >= 0 {
		at := a.Changes[change].At.Value
		low, high = min(low, at/4), max(high, at*4)
	}
	styles := a.styles()
	panel := curvePanel{}
	for i, o := range a.Options {
		if a.Chosen() && !o.Meets && (change < 0 || a.Changes[change].Other != i) {
			continue
		}
		if before := slices.IndexFunc(a.Options, func(x cost.Option) bool { return x.Model == o.Model }); knob == cost.Interval && before < i {
			continue // it has another interval alone
		}
		line := curveLine{label: a.label(o, knob), style: styles[spec(o)]}
		at := func(x float64) (cost.Estimate, bool) {
			f, ok := o.Model.At(knob.With(a.lineLoad(o, knob), x))
			if !ok {
				return cost.Estimate{}, false
			}
			return a.Question.Cost(f), true
		}
		for k := range knots {
			x := low * math.Pow(high/low, float64(k)/(knots-1))
			if e, ok := at(x); ok {
				line.points = append(line.points, curvePoint{x: x * unit, y: e.Value * unitOfY, low: e.Low * unitOfY, high: e.High * unitOfY})
			}
		}
		line.fit = func(x float64) (float64, bool) {
			e, ok := at(x / unit)
			return e.Value * unitOfY, ok
		}
		if change >= 0 && i == 0 {
			line.marks = []limit{{a.Changes[change].At.Value * unit, "change"}}
		}
		panel.lines = append(panel.lines, line)
	}
	ch.panels = []curvePanel{panel}
	return ch
}

// label returns the name of an option in a chart in which the knob varies.
func (a *Advice) label(o cost.Option, knob cost.Knob) string {
	if knob == cost.Interval {
		return text.Name(o.Model.Transport)
	}
	return text.Name(spec(o))
}

// lineLoad returns the load of an option, with an interval for all if that is the knob.
func (a *Advice) lineLoad(o cost.Option, knob cost.Knob) cost.Load {
	l := o.Load
	if knob == cost.Interval && l.EveryS == 0 {
		for _, other := range a.Options {
			l.EveryS = max(l.EveryS, other.Load.EveryS)
		}
	}
	return l
}

// growthChart shows the measured and the predicted CPU against the number of users.
func (a *Advice) growthChart() curveChart {
	ch := curveChart{
		name: "growth", title: "Server CPU by the number of users",
		x: scale{label: "users", write: grouped},
		y: scale{label: "server CPU, cores", write: func(x float64) string { return text.Number(x, 2) + " cores" }},
	}
	ch.detail = "Measured with a message every " + span(1/a.models[0].Base.Rate) + " from " + a.sender() + "."
	if a.Question.Users > a.models[0].Base.Users {
		ch.detail += " The last points are predicted."
	}
	styles := a.styles()
	panel := curvePanel{}
	for _, m := range a.models {
		line := curveLine{label: text.Name(m.Transport), style: styles[m.Transport]}
		for _, r := range a.measured {
			for _, row := range r.Rows() {
				same := row.Transport == m.Transport || result.Kind(row.Transport) == m.Transport
				if !same || row.Way != m.Way || r.Run.Scenario.Rate != m.Base.Rate || row.Server == nil || row.DurationS <= 0 {
					continue
				}
				y := row.Server.CPUS / row.DurationS
				line.points = append(line.points, curvePoint{x: float64(row.Users), y: y, low: y, high: y})
			}
		}
		slices.SortFunc(line.points, func(p, q curvePoint) int { return int(p.x - q.x) })
		if a.Question.Users > m.Base.Users {
			if f, ok := m.At(cost.Load{Users: a.Question.Users, Rate: m.Base.Rate, EveryS: m.Base.EveryS}); ok && f.Cores != nil {
				line.points = append(line.points, curvePoint{x: a.Question.Users, y: f.Cores.Value, low: f.Cores.Low, high: f.Cores.High})
			}
		}
		line.fit = func(x float64) (float64, bool) {
			f, ok := m.At(cost.Load{Users: x, Rate: m.Base.Rate, EveryS: m.Base.EveryS})
			if !ok || f.Cores == nil {
				return 0, false
			}
			return f.Cores.Value, true
		}
		panel.lines = append(panel.lines, line)
	}
	ch.panels = []curvePanel{panel}
	return ch
}

// choices returns the map of the cheapest transport for each rate and delay; false if there is nothing to compare.
func (a *Advice) choices() (costMap, bool) {
	var models []*cost.Model
	polls := false
	for i := range a.models {
		models = append(models, &a.models[i])
		polls = polls || a.models[i].Way.Class() == result.Timer
	}
	if len(models) < 2 || !polls {
		return costMap{}, false
	}
	styles := a.styles()
	q := a.Question
	area := ChoiceArea{
		Rates:  [2]float64{min(q.Rate, 1./120) / 3, max(q.Rate, .5) * 3},
		Delays: [2]float64{min(.1, q.WithinS/3), max(60, q.WithinS*3)},
	}
	m := choiceMap(models, q, area, func(model *cost.Model) (string, style) {
		return text.Name(model.Transport), styles[model.Transport]
	})
	m.detail = pick(q.Price == nil, "Least server CPU for ", "Lowest price for ") + grouped(q.Users) + " users. Polls are as rare as the delay allows."
	return m, len(m.layers) > 1
}
