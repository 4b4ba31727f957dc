package report

import (
	"fmt"
	"math"
	"slices"

	"pushpull/loadgen/result"
	"pushpull/report/cost"
	"pushpull/report/text"
)

// fit returns a model of the cost of each line; nil where there is none, as in a set with one number of users. With the
// same deliveries at all points the rate falls as the number of users grows, so a fit can't separate the cost of a user from
// that of a message.
func (s *Set) fit() []*cost.Model {
	fitted := make([]*cost.Model, len(s.lines))
	if s.Index.DeliveriesPerS > 0 {
		return fitted
	}
	var results []*result.Result
	for _, run := range s.Runs {
		if run.Result != nil {
			results = append(results, run.Result)
		}
	}
	models, err := cost.Fit(results...)
	if err != nil {
		return fitted // nothing is drawn that the results don't say
	}
	for i, line := range s.lines {
		k := slices.IndexFunc(models, func(m cost.Model) bool {
			return m.Transport == line.key || line.Way.Class() == m.Way.Class() && m.Transport == result.Kind(line.key)
		})
		if k >= 0 {
			fitted[i] = &models[k]
		}
	}
	return fitted
}

// load returns what the users of a line do at a point.
func (s *Set) load(point int, line setLine) cost.Load {
	l := cost.Load{Users: float64(s.Index.Scenario.Users), Rate: s.Index.Scenario.Rate, EveryS: line.Way.EveryS}
	for i, a := range s.axes {
		if line.timer || a.Key != result.AxisInterval {
			setLoad(&l, a.Key, a.number(s.Index.Points[point].Values[i]))
		}
	}
	return l
}

// setLoad changes what an axis varies; false if a model knows nothing of it.
func setLoad(l *cost.Load, key string, x float64) bool {
	switch key {
	case "users":
		l.Users = x
	case "rate":
		l.Rate = x
	case result.AxisInterval:
		l.EveryS = x
	default:
		return false
	}
	return true
}

// fitted returns the server CPU that the model of a line predicts along the first axis, from the first of the points
// to the last, in the unit of the metric; nil if it predicts none.
func (s *Set) fitted(m result.Metric, model *cost.Model, line setLine, points []int) func(float64) (float64, bool) {
	if model == nil || len(points) < 2 || m.Key != costKey && m.Key != coresMetric().Key {
		return nil
	}
	const nodes = 7
	x := s.axes[0]
	low, high := x.number(s.Index.Points[points[0]].Values[0]), x.number(s.Index.Points[points[len(points)-1]].Values[0])
	if low <= 0 || high <= low {
		return nil
	}
	var logs [nodes]float64 // of the figure, evenly on a logarithmic axis
	for i := range logs {
		l := s.load(points[0], line)
		if (line.timer || x.Key != result.AxisInterval) && !setLoad(&l, x.Key, low*math.Pow(high/low, float64(i)/(nodes-1))) {
			return nil
		}
		forecast, ok := model.At(l)
		if !ok || forecast.Cores == nil || forecast.Deliveries <= 0 {
			return nil
		}
		value := 100 * forecast.Cores.Value
		if m.Key == costKey {
			value = 1e6 * forecast.Cores.Value / forecast.Deliveries
		}
		logs[i] = math.Log(value)
	}
	return func(at float64) (float64, bool) {
		place := (nodes - 1) * math.Log(at/low) / math.Log(high/low)
		i := max(0, min(nodes-2, int(place)))
		share := place - float64(i)
		y := math.Exp(logs[i]*(1-share) + logs[i+1]*share)
		return y, !math.IsNaN(y) && !math.IsInf(y, 0)
	}
}

// A ChoiceArea is what a map of choices shows: rates in messages per second of each sender, and delays in seconds.
type ChoiceArea struct {
	Rates, Delays [2]float64
}

// choiceMap draws the cheapest transport for each rate and each delay that 99% of the messages may have. Users
// that poll on a timer poll as rarely as the delay allows. The question has the number of users and of their
// servers; its rate and delay are not used. style returns the label and the style of a model.
//
// Costs are those of the models. With a timer the wait for a poll is U(0, T), so that T is (W - rest)/0.99 for the
// delay W, where the rest is what its p99 has beside 0.99 T.
func choiceMap(models []*cost.Model, q cost.Question, area ChoiceArea, style func(*cost.Model) (label string, s style)) costMap {
	const nodes = 9
	m := costMap{
		name: "choice", title: "The cheapest transport for a rate and a delay",
		none: "none is in time",
		x:    scale{label: "messages a minute of each sender", write: func(x float64) string { return text.Number(x, 3) }},
		y:    scale{label: "delay that 99% may have", write: func(x float64) string { return text.Duration(1e3*x, 3) }},
		xs:   spread(area.Rates, nodes), ys: spread(area.Delays, nodes),
	}
	for i := range m.xs {
		m.xs[i] *= 60
	}
	for _, model := range models {
		if model == nil {
			continue
		}
		l := mapLayer{cost: m.table(), slack: m.table()}
		l.label, l.style = style(model)
		known := false
		for column, rate := range m.xs {
			at := q
			at.Rate = rate / 60
			known = choiceColumn(model, at, m.ys, func(row int, cost, slack float64) {
				l.cost[row][column], l.slack[row][column] = cost, slack
			}) || known
		}
		if known {
			m.layers = append(m.layers, l)
		}
	}
	if len(models) > 0 {
		m.detail = fmt.Sprintf("In server CPU, of %s users in rooms of %d. Polls are as rare as the delay allows. The lines are where two cost the same.",
			grouped(q.Users), firstModel(models).RoomSize)
	}
	return m
}

// firstModel returns the first model that there is.
func firstModel(models []*cost.Model) cost.Model {
	for _, m := range models {
		if m != nil {
			return *m
		}
	}
	return cost.Model{}
}

// choiceColumn calls found with the cost of a model for each of the delays, and with how much slack it has. It
// returns false if the model knows none.
func choiceColumn(model *cost.Model, q cost.Question, delays []float64, found func(row int, cost, slack float64)) (known bool) {
	const shortest = .01 // seconds between polls
	l := q.Load()
	l.EveryS = model.Base.EveryS
	usual, ok := model.Latency(l, q.Busy, q.Processors)
	if !ok {
		return false
	}
	p99, timer := usual.Quantile(.99), model.Way.Class() == result.Timer
	rest := p99 - .99*l.EveryS
	value := math.NaN()
	for row, delay := range delays {
		slack := math.Log(delay / p99)
		if timer {
			every := (delay - rest) / .99
			slack = math.Log(max(every, 1e-9) / shortest)
			l.EveryS = max(every, shortest)
		}
		if timer || row == 0 {
			forecast, ok := model.At(l)
			if !ok || forecast.Cores == nil && q.Price == nil {
				return false
			}
			value = q.Cost(forecast).Value
		}
		found(row, value, slack)
		known = true
	}
	return known
}

// spread returns n values from the first to the last bound, evenly on a logarithmic axis.
func spread(bounds [2]float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = bounds[0] * math.Pow(bounds[1]/bounds[0], float64(i)/float64(n-1))
	}
	return all
}

// choices returns the map of choices of a set whose rates differ; false if its models don't know enough, or no
// transport polls on a timer.
func (s *Set) choices(models []*cost.Model) (costMap, bool) {
	rates := slices.IndexFunc(s.axes, func(a setAxis) bool { return a.Key == "rate" })
	if rates < 0 || len(s.axes[rates].numbers) < 2 || !slices.ContainsFunc(s.lines, func(l setLine) bool { return l.Way.Class() == result.Timer }) {
		return costMap{}, false
	}
	area := ChoiceArea{Rates: [2]float64{slices.Min(s.axes[rates].numbers), slices.Max(s.axes[rates].numbers)}, Delays: [2]float64{.1, 30}}
	for i, line := range s.lines {
		for point := range s.Index.Points {
			if every := s.load(point, line).EveryS; models[i] != nil && every > 0 {
				area.Delays = [2]float64{min(area.Delays[0], every), max(area.Delays[1], every)}
			}
		}
	}
	q := cost.Question{Busy: usualBusy, Processors: 1}
	var once []*cost.Model // lines of the same transport at several intervals share a model
	for _, model := range models {
		if model != nil && !slices.Contains(once, model) {
			once = append(once, model)
			q.Users = max(q.Users, model.Base.Users)
		}
	}
	if len(once) < 2 || area.Rates[0] <= 0 || area.Rates[0] >= area.Rates[1] {
		return costMap{}, false
	}
	m := choiceMap(once, q, area, func(model *cost.Model) (string, style) {
		i := slices.Index(models, model)
		if s.lines[i].Way.Class() == result.Timer {
			return text.Name(model.Transport), s.lines[i].style
		}
		return s.lines[i].name, s.lines[i].style
	})
	if len(m.layers) < 2 {
		return costMap{}, false
	}
	m.marks = s.choiceMarks(m, models)
	return m, true
}

// usualBusy is the share of the time that servers are busy in a map: what is left is for peaks.
const usualBusy = .6

// choiceMarks returns what was measured with the most users, in the terms of a map of choices: the delay is the p99 of
// a transport that polls on a timer, and the cheapest is that of those with a p99 that is no longer.
func (s *Set) choiceMarks(m costMap, models []*cost.Model) []mapMark {
	most := 0
	for _, run := range s.Runs {
		for _, row := range run.Rows {
			most = max(most, row.Users)
		}
	}
	var marks []mapMark
	for point := range s.Index.Points {
		for _, timer := range s.lines {
			row, ok := s.row(point, timer)
			delay, known := valueOf("p99", row)
			if !ok || !known || row.Users != most || row.Way.Class() != result.Timer {
				continue
			}
			mark := mapMark{x: 60 * s.load(point, timer).Rate, y: delay / 1e3, layer: nowhere}
			least, next := math.Inf(1), math.Inf(1)
			if len(s.ranking[point].out) > 0 {
				continue // what is not to be believed may be the cheapest
			}
			for i, line := range s.lines {
				other, ok := s.row(point, line)
				p99, holds := valueOf("p99", other)
				value, has := coresMetric().Value(other)
				if !ok || !holds || !has || p99 > delay || models[i] == nil {
					continue
				}
				if value >= least {
					next = min(next, value)
					continue
				}
				least, next = value, least
				mark.layer = slices.IndexFunc(m.layers, func(l mapLayer) bool {
					return l.label == line.name || l.label == text.Name(models[i].Transport)
				})
			}
			const apart = 1.05 // ratio of costs that a person would act on
			mark.unsure = next < least*apart
			if mark.y >= m.ys[0] && mark.y <= m.ys[len(m.ys)-1] {
				marks = append(marks, mark)
			}
		}
	}
	return marks
}
