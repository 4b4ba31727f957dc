// Package cost finds what a user and a message cost on each transport, from results of several loads, and
// predicts what other loads cost.
//
// It measures nothing, writes no words, and predicts nothing about rooms and messages of other sizes than
// those that were measured. Requests, reads and bytes are those of package theory, times what was measured of
// them at the loads that were measured. CPU is a curve in what happens on the server, and memory a line in the users.
package cost

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// A Load is what the users of an application do. Rooms have the size that was measured.
type Load struct {
	Users  float64
	Rate   float64 // messages per second of each sender
	EveryS float64 // seconds between the polls of users that poll on a timer; others ignore it; 0: that of the model

	// The part of a window, in seconds since the users joined. The zero values stand for users that have been there
	// for long: in a short window no held request ends for its age.
	FromS, ToS float64
}

// An Estimate is a figure with its 95% interval. That of server CPU also holds what the other form of curve gives.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`

	noise float64 // half the width of the interval of the logarithm without the other form, which is one for all transports; 0: all of it
}

// times returns e as a part or a multiple of itself.
func (e Estimate) times(x float64) Estimate {
	return Estimate{e.Value * x, e.Low * x, e.High * x, e.noise}
}

// A Forecast is what a load costs on a transport, all users together. Figures that the servers did not report
// are nil.
type Forecast struct {
	Messages    float64   `json:"messages_per_s"`        // sent
	Deliveries  float64   `json:"deliveries_per_s"`      // copies that reach the other members
	Cores       *Estimate `json:"cores"`                 // seconds of server CPU in each second
	MemoryBytes *Estimate `json:"memory_bytes"`          // resident memory of one server that has all users
	PerUser     *Estimate `json:"memory_bytes_per_user"` // that one more user takes, without garbage
	Requests    Estimate  `json:"requests_per_s"`        // to receive and to send, without handshakes
	Bytes       Estimate  `json:"bytes_per_s"`           // in both directions, without handshakes
	BytesOut    Estimate  `json:"bytes_out_per_s"`       // of these, from the server to the users
	Reads       *Estimate `json:"store_reads_per_s"`     // of the store
	Connections Estimate  `json:"connections"`           // open at a time
}

// A Model is what was learnt about a transport from results. Users that poll on a timer are one transport, whatever
// their interval.
type Model struct {
	Transport string     // as on the command line; of users that poll on a timer the name alone
	Way       result.Way // with the interval of the largest load
	Base      Load       // the largest load that was measured
	RoomSize  int
	Senders   int // members of each room that send

	basis    theory.Basis // of the largest load
	points   []point      // windows; none if one lacks its CPU
	other    *curve       // of the other form; nil: there is none
	curve    *curve       // nil: the servers did not report their CPU
	worths   bool         // the curve separates the cost of what happens in vain from that of messages
	memory   *line
	perUser  *Estimate
	requests ratio
	reads    *ratio
	bytes    ratio
	out      float64 // share of the bytes that the server sends
	open     ratio   // connections of a user
}

// A sample is a window with its result and row.
type sample struct {
	run     result.Run
	row     result.Row
	windows []result.Window // of the row
	window  result.Window
	load    Load
}

// Fit fits a model for each transport of the results, in the order in which they first appear. Windows with
// faults are left out. All results must have rooms and messages of the same sizes. A transport that was
// measured at a single number of users gets no model.
func Fit(results ...*result.Result) ([]Model, error) {
	var order []string
	by := map[string][]sample{}
	for i, r := range results {
		if first := results[0].Run.Scenario; i > 0 && differ(first, r.Run.Scenario) {
			return nil, fmt.Errorf("fitting costs: one result has rooms of %d with %d senders and messages of %d bytes, another one %d, %d and %d: use results that differ in users, rate and interval alone",
				first.RoomSize, first.Senders, first.Size, r.Run.Scenario.RoomSize, r.Run.Scenario.Senders, r.Run.Scenario.Size)
		}
		for _, row := range r.Rows() {
			windows := usable(row, r.Windows)
			if row.Delivered == 0 || !row.Way.Known() || len(windows) == 0 {
				continue
			}
			name := name(row)
			if by[name] == nil {
				order = append(order, name)
			}
			s := sample{run: r.Run, row: row, windows: windows, load: Load{Users: float64(row.Users), Rate: r.Run.Scenario.Rate, EveryS: row.Way.EveryS}}
			for _, w := range windows {
				s.window = w
				by[name] = append(by[name], s)
			}
		}
	}
	var models []Model
	for _, name := range order {
		if m, ok := fitOne(name, by[name]); ok {
			models = append(models, m)
		}
	}
	setCurves(models)
	if len(models) == 0 {
		return nil, errors.New("fitting costs: no transport was measured at two numbers of users")
	}
	return models, nil
}

// usable returns the windows of a row that count: those that are whole and without faults. A late generator spoils
// latencies, but hardly costs, so late windows count where there are fewer than two others.
func usable(row result.Row, windows []result.Window) []result.Window {
	var whole, early []result.Window
	for _, w := range windows {
		if w.Transport != row.Transport || w.Failed != "" || w.Interrupted || w.DurationS <= 0 || w.Sent == 0 || faulty(w) {
			continue
		}
		whole = append(whole, w)
		if !w.GeneratorLate() {
			early = append(early, w)
		}
	}
	if len(early) < 2 {
		return whole
	}
	return early
}

// faulty reports whether messages were lost, or came twice, too late for their order, or in another room.
func faulty(w result.Window) bool { return w.Lost+w.Duplicated+w.Reordered+w.Misdelivered > 0 }

// Faults returns in how many windows each transport had faults, by the name of its model. A transport with faults may
// still have a model, from its other windows, but its costs are no reason to choose it.
func Faults(results ...*result.Result) map[string]int {
	found := map[string]int{}
	for _, r := range results {
		for _, row := range r.Rows() {
			for _, w := range r.Windows {
				if w.Transport == row.Transport && w.Failed == "" && faulty(w) {
					found[name(row)]++
				}
			}
		}
	}
	return found
}

// differ reports whether two scenarios differ in what a model can't bridge.
func differ(a, b result.Scenario) bool {
	return a.RoomSize != b.RoomSize || a.Senders != b.Senders || a.Size != b.Size
}

// name returns the name of the model of a row.
func name(row result.Row) string {
	if c := row.Way.Class(); c == result.Timer || c == result.Held { // a hold time changes how often it ends in vain, as an interval does
		return result.Kind(row.Transport)
	}
	return row.Transport
}

func fitOne(name string, samples []sample) (Model, bool) {
	largest := slices.MaxFunc(samples, func(a, b sample) int {
		// Of those with as many users, the one with the usual hold time and rate is the base.
		return cmp.Or(cmp.Compare(a.load.Users, b.load.Users), cmp.Compare(a.row.Way.HoldS, b.row.Way.HoldS), cmp.Compare(a.load.Rate, b.load.Rate))
	})
	scenario := largest.run.Scenario
	m := Model{
		Transport: name, Way: largest.row.Way, Base: largest.load,
		RoomSize: scenario.RoomSize, Senders: scenario.Senders,
	}
	var ok bool
	if m.basis, ok = theory.NewBasis(largest.run, largest.row, largest.windows); !ok {
		return m, false
	}
	if !slices.ContainsFunc(samples, func(s sample) bool { return s.load.Users < m.Base.Users }) {
		return m, false
	}
	complete := true
	var usual []sample // at the base's rate and interval
	for _, s := range samples {
		e := m.eventsOf(s)
		if s.window.Server != nil && s.window.Server.CPUS > 0 && e.messages > 0 {
			m.points = append(m.points, point{e, s.window.Server.CPUS / s.window.DurationS})
		} else {
			complete = false
		}
		if s.load.Rate == m.Base.Rate && s.row.Transport == largest.row.Transport && s.row.Way == largest.row.Way {
			usual = append(usual, s)
		}
	}
	if !complete {
		m.points = nil
	}
	m.count(usual)
	return m, true
}

// eventsOf returns what happened in a second of a window.
func (m *Model) eventsOf(s sample) events {
	e := events{messages: float64(s.window.Sent) / s.window.DurationS}
	switch s.row.Way.Class() {
	case result.Timer:
		e.vain = float64(s.window.Traffic.EmptyResponses) / s.window.DurationS
		e.answers = max(0, float64(s.window.Traffic.Requests)/s.window.DurationS-e.vain)
	case result.Held:
		e.vain = float64(s.window.Traffic.EmptyResponses) / s.window.DurationS
	case result.Scan:
		if s.window.Store != nil {
			e.vain = float64(s.window.Store.EmptyReads) / s.window.DurationS
		}
	default:
		if s.row.Way.HeartbeatS > 0 {
			e.vain = s.load.Users / s.row.Way.HeartbeatS
		}
	}
	return e
}

// telling is by which factor the shares of two kinds of events must differ between windows to tell their costs apart.
const telling = 1.5

// setCurves fits the curve of each model. All are lines, or all are powers: a comparison of a line with a power, far
// from what was measured, would compare the two forms.
func setCurves(models []Model) {
	gain, compared := 0.0, 0.0
	weights := make([]float64, len(models))
	powers := make([]*curve, len(models))
	for i := range models {
		m := &models[i]
		m.curve, m.worths = curveOf(m.points, rest, nil)
		powers[i], _ = curveOf(m.points, beta, nil)
		m.other = powers[i]
		if m.curve == nil || powers[i] == nil || !slices.Contains(powers[i].free, beta) {
			continue
		}
		gain += math.Log(max(powers[i].spread, quietest) / max(m.curve.spread, quietest))
		compared++
		weights[i] = 1 / (alike*alike + powers[i].variance([parameters]float64{beta: 1}))
	}
	if compared == 0 || gain/compared >= math.Log(bent) {
		return
	}
	for i := range models {
		var others *prior
		sum, all := 0.0, 0.0
		for k, weight := range weights {
			if k != i && weight > 0 {
				sum, all = sum+weight*powers[k].theta[beta], all+weight
			}
		}
		if all > 0 {
			others = &prior{sum / all, math.Sqrt(alike*alike + 1/all)}
		}
		if c, _ := curveOf(models[i].points, beta, others); c != nil {
			models[i].curve, models[i].other = c, models[i].curve
		}
	}
}

const (
	// bent is how much more of the spread powers may leave than lines, to be preferred: of three times as many users as
	// were measured, they predict the CPU within 10% where lines predict 10 to 40% too much. The intervals hold both.
	bent = 1.1

	// alike is by how much the exponents of transports differ: they depend on how the machine wakes processes.
	alike = .05

	quietest = 1e-6 // spread of windows that have no noise
)

// curveOf fits a curve through the points, with as many parameters as they determine: a line with a rest, or a power
// with an exponent, beta. It returns nil if there are too few points. worths reports whether it knows what an event in
// vain is worth.
//
// An exponent may have a prior, from the other transports of the same server: few windows say little about it.
func curveOf(points []point, form int, exponent *prior) (c *curve, worths bool) {
	if len(points) < 2 {
		return nil, false
	}
	varies := func(of func(events) float64) bool {
		low, high := math.Inf(1), 0.0
		for _, p := range points {
			share := of(p.events) / p.messages
			low, high = min(low, share), max(high, share)
		}
		return high > telling*low && high > 0
	}
	start := [parameters]float64{beta: 1}
	free := []int{form, logK}
	const guess = .3 // of a message
	if varies(func(e events) float64 { return e.vain }) {
		free, worths = append(free, worthVain), true
		start[worthVain] = guess
	}
	if varies(func(e events) float64 { return e.answers }) && worths {
		start[worthAnswer] = guess
		if c := curveFrom(points, start, append(slices.Clone(free), worthAnswer), exponent); c != nil {
			return c, true
		}
		start[worthAnswer] = 0 // an answer costs no more than its messages, as far as few points show
	}
	if c := curveFrom(points, start, free, exponent); c != nil {
		return c, worths
	}
	start[worthVain] = 0 // then all that is known is what a message costs, with its share of what happens without one
	return curveFrom(points, start, []int{logK}, nil), false
}

// curveFrom fits a curve from a first guess of what events are worth; nil if that fails.
func curveFrom(points []point, start [parameters]float64, free []int, exponent *prior) *curve {
	sum, smallest := 0.0, math.Inf(1)
	for _, p := range points {
		sum += math.Log(p.cores / (p.messages + start[worthVain]*p.vain + start[worthAnswer]*p.answers))
		smallest = min(smallest, p.cores)
	}
	start[logK] = sum / float64(len(points))
	if slices.Contains(free, rest) {
		start[rest] = smallest / 4
	}
	fitted, ok := fit(points, start, free, exponent)
	if !ok {
		return nil
	}
	return &fitted
}

// count sets what is not CPU, from the windows at the rate and the interval of the base.
func (m *Model) count(usual []sample) {
	var requests, reads, bytes, open []float64
	var users, resident []float64
	in, all, known := 0.0, 0.0, true
	each := map[float64]float64{} // memory of one more user, by the users of the row
	for _, s := range usual {
		w := s.window
		from := float64(s.run.Scenario.Warmup)
		rate := m.basis.Rate(theory.Load{
			Users: s.load.Users, Messages: float64(w.Planned) / w.DurationS, EveryS: s.load.EveryS, FromS: from, ToS: from + w.DurationS,
		})
		asked := float64(w.Traffic.Requests - w.Traffic.Handshakes)
		if rate.Requests > 0 {
			requests = append(requests, asked/w.DurationS/rate.Requests)
		}
		if w.Store == nil {
			known = false
		} else if rate.Reads > 0 {
			reads = append(reads, float64(w.Store.Reads)/w.DurationS/rate.Reads)
		}
		if rate.Bytes > 0 {
			bytes = append(bytes, float64(w.Traffic.BytesIn+w.Traffic.BytesOut)/w.DurationS/rate.Bytes)
		}
		in += float64(w.Traffic.BytesIn)
		all += float64(w.Traffic.BytesIn + w.Traffic.BytesOut)
		open = append(open, float64(w.Traffic.Connections)/s.load.Users)
		if w.Server != nil {
			users, resident = append(users, s.load.Users), append(resident, float64(w.Server.RSSBytes))
		}
		if s.row.Server != nil && s.row.Server.BytesPerUser != nil {
			each[s.load.Users] = *s.row.Server.BytesPerUser
		}
	}
	m.requests, m.bytes, m.open = ratioOf(requests), ratioOf(bytes), ratioOf(open)
	if known {
		r := ratioOf(reads)
		m.reads = &r
	}
	if all > 0 {
		m.out = in / all
	}
	m.memory = lineOf(users, resident)
	if len(each) > 0 {
		var values []float64
		for _, x := range each {
			values = append(values, x)
		}
		e := ratioOf(values).of(1)
		m.perUser = &e
	}
}

// A ratio is that of what was measured to what was expected, with its 95% interval.
type ratio struct{ mean, low, high float64 }

// ratioOf returns the mean of ratios with its 95% interval. Without any it is 0.
func ratioOf(ratios []float64) ratio {
	if len(ratios) == 0 {
		return ratio{}
	}
	mean, sd := stat.MeanStdDev(ratios, nil)
	if len(ratios) < 2 {
		return ratio{mean, mean, mean}
	}
	n := float64(len(ratios))
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(.975) * sd / math.Sqrt(n)
	return ratio{mean, max(0, mean-half), mean + half}
}

func (r ratio) of(x float64) Estimate {
	return Estimate{Value: x * r.mean, Low: x * r.low, High: x * r.high}
}

// A line is y = a + b x, with what its intervals need.
type line struct {
	a, b         float64
	spread       float64 // relative standard deviation of a point
	n, mean, sxx float64 // weighted: number, mean of x, sum of squares of x around it
	sum          float64 // of the weights
}

// lineOf fits a line by the medians of the slopes and the intercepts of all pairs of points (Theil and Sen; P. K. Sen,
// 1968), as a neighbour may have kept the server from collecting garbage in one of them; nil unless x has two values.
// Its interval is that of least squares of the relative residuals.
func lineOf(x, y []float64) *line {
	if len(x) < 3 || slices.Min(x) == slices.Max(x) {
		return nil
	}
	weights := make([]float64, len(x))
	l := line{n: float64(len(x))}
	var slopes, intercepts, residuals []float64
	for i := range x {
		if y[i] <= 0 {
			return nil
		}
		weights[i] = 1 / (y[i] * y[i])
		l.sum += weights[i]
		for k := range i {
			if x[k] != x[i] {
				slopes = append(slopes, (y[i]-y[k])/(x[i]-x[k]))
			}
		}
	}
	l.b = median(slopes)
	for i := range x {
		intercepts = append(intercepts, y[i]-l.b*x[i])
	}
	l.a = median(intercepts)
	l.mean = stat.Mean(x, weights)
	for i := range x {
		l.sxx += weights[i] * (x[i] - l.mean) * (x[i] - l.mean)
		residuals = append(residuals, (y[i]-l.a-l.b*x[i])/y[i])
	}
	l.spread = scale(residuals) * math.Sqrt(l.n/(l.n-2))
	return &l
}

// at returns the value at x.
func (l *line) at(x float64) *Estimate {
	y := l.a + l.b*x
	half := distuv.StudentsT{Sigma: 1, Nu: l.n - 2}.Quantile(.975) * l.spread * math.Sqrt(1/l.sum+(x-l.mean)*(x-l.mean)/l.sxx)
	return &Estimate{Value: y, Low: max(0, y-half), High: y + half}
}

// median returns the median of values, at least one, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
