package cost

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"pushpull/loadgen/result"
)

// A Figure is a predicted figure and what was measured.
type Figure struct {
	Name    string   `json:"name"`
	Want    Estimate `json:"predicted"`
	Got     float64  `json:"measured"`
	Off     float64  `json:"off"` // the prediction is too high by that share of what was measured
	Refuted bool     `json:"refuted"`
}

// A Held is a row that was held out: predicted without it.
type Held struct {
	Transport string   `json:"transport"` // as on the command line
	Users     int      `json:"users"`
	Figures   []Figure `json:"figures"`
}

// How far off a prediction may be, whatever its interval.
const (
	timingOff = .15 // CPU and memory
	countOff  = .05
)

// HoldOut compares what models predict with the rows of a result that they were not fitted to.
func HoldOut(models []Model, held *result.Result) []Held {
	var all []Held
	s := held.Run.Scenario
	for _, row := range held.Rows() {
		for i := range models {
			m := &models[i]
			if m.Transport != name(row) || row.Delivered == 0 || row.DurationS <= 0 {
				continue
			}
			seconds := row.DurationS / float64(max(1, row.Rounds))
			f, ok := m.At(Load{
				Users: float64(row.Users), Rate: float64(row.Sent) / row.DurationS * float64(m.RoomSize) / float64(m.Senders) / float64(row.Users),
				EveryS: row.Way.EveryS, FromS: float64(s.Warmup), ToS: float64(s.Warmup) + seconds,
			})
			if !ok {
				continue
			}
			h := Held{Transport: row.Transport, Users: row.Users}
			add := func(name string, want *Estimate, got, noise, tolerate float64) {
				if want == nil || got <= 0 || want.Value <= 0 {
					return
				}
				f := Figure{Name: name, Want: *want, Got: got, Off: want.Value/got - 1}
				log := math.Abs(math.Log(want.Value / got))
				outside := max(math.Log(want.Low/got), math.Log(got/want.High)) // of the interval
				f.Refuted = log > math.Log(1+tolerate) && outside > 0 && log > math.Hypot(want.halfLog(), noise)
				h.Figures = append(h.Figures, f)
			}
			if row.Server != nil {
				cores := row.Server.CPUS / row.DurationS
				add("server CPU", f.Cores, cores, noiseOf(held.Windows, row.Transport), timingOff)
				add("memory", f.MemoryBytes, float64(row.Server.RSSBytes), 0, timingOff)
			}
			add("requests", &f.Requests, float64(row.Requests-row.Handshakes+row.Posts)/row.DurationS, 0, countOff)
			add("bytes", &f.Bytes, float64(row.BytesIn+row.BytesOut)/row.DurationS, 0, countOff)
			if row.Store != nil {
				add("store reads", f.Reads, float64(row.Store.Reads)/row.DurationS, 0, countOff)
			}
			all = append(all, h)
		}
	}
	return all
}

// noiseOf returns half the width of the 95% interval of the logarithm of a transport's server CPU.
func noiseOf(windows []result.Window, transport string) float64 {
	var logs []float64
	for _, w := range windows {
		if w.Transport == transport && w.Failed == "" && w.Server != nil && w.Server.CPUS > 0 && w.DurationS > 0 {
			logs = append(logs, math.Log(w.Server.CPUS/w.DurationS))
		}
	}
	return half(logs)
}

// half returns half the width of the 95% interval of the mean; infinite if it is unknown.
func half(values []float64) float64 {
	n := float64(len(values))
	if n < 2 {
		return math.Inf(1)
	}
	return distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(.975) * stat.StdDev(values, nil) / math.Sqrt(n)
}

// A Side is one side of a change of the answer, predicted and measured.
type Side struct {
	Users    int      `json:"users"`
	Rate     float64  `json:"rate"`              // messages per second of each sender
	EveryS   float64  `json:"every_s,omitempty"` // interval of the one that polls on a timer
	First    string   `json:"first"`             // the transports, as on the command line
	Other    string   `json:"other"`
	Want     float64  `json:"predicted"` // ratio of the first one's server CPU to the other's
	Got      Estimate `json:"measured"`
	Refuted  bool     `json:"refuted"`  // the order is another one for sure
	Verified bool     `json:"verified"` // the order is the predicted one for sure
}

// SideOf compares the order of two transports in a result with that which models predict; false if it doesn't have both.
func SideOf(models []Model, r *result.Result) (Side, bool) {
	rows := r.Rows()
	if len(rows) < 2 {
		return Side{}, false
	}
	s := r.Run.Scenario
	side := Side{Users: rows[0].Users, Rate: s.Rate, First: rows[0].Transport, Other: rows[1].Transport}
	predicted := func(row result.Row) float64 {
		for i := range models {
			if m := &models[i]; m.Transport == name(row) {
				if f, ok := m.At(Load{Users: float64(row.Users), Rate: s.Rate, EveryS: row.Way.EveryS, FromS: float64(s.Warmup), ToS: float64(s.Warmup + s.Duration)}); ok && f.Cores != nil {
					return f.Cores.Value
				}
			}
		}
		return 0
	}
	side.EveryS = max(rows[0].Way.EveryS, rows[1].Way.EveryS)
	a, b := predicted(rows[0]), predicted(rows[1])
	first, other := map[int]float64{}, map[int]float64{}
	for _, w := range r.Windows {
		if w.Failed != "" || w.Server == nil || w.Server.CPUS <= 0 || w.DurationS <= 0 {
			continue
		}
		if w.Transport == side.First {
			first[w.Round] = w.Server.CPUS / w.DurationS
		} else {
			other[w.Round] = w.Server.CPUS / w.DurationS
		}
	}
	var logs []float64
	for round, x := range first {
		if y := other[round]; y > 0 {
			logs = append(logs, math.Log(x/y))
		}
	}
	if a <= 0 || b <= 0 || len(logs) == 0 {
		return side, false
	}
	side.Want = a / b
	mean, reach := stat.Mean(logs, nil), half(logs)
	side.Got = Estimate{Value: math.Exp(mean), Low: math.Exp(mean - reach), High: math.Exp(mean + reach)}
	if math.IsInf(reach, 1) {
		side.Got.Low, side.Got.High = side.Got.Value/10, side.Got.Value*10
	}
	side.Refuted = side.Want < 1 && side.Got.Low > 1 || side.Want > 1 && side.Got.High < 1
	side.Verified = side.Want < 1 && side.Got.High < 1 || side.Want > 1 && side.Got.Low > 1
	return side, true
}
