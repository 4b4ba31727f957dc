package cost

import (
	"cmp"
	"math"
	"slices"
)

// wide is by which factor the 95% interval of a crossing may be away from it: further ones are guesses.
const wide = 3

// beyond is how far behind a crossing, seen from the load, the costs must differ for sure.
const beyond = 3

// grid is the number of values at which a crossing is looked for, at equal ratios of each to the next.
const grid = 200

// Cross returns where the costs of a and b cross if a knob of the load varies between low and high, nearest to the
// load first. Crossings that the windows don't show for sure are left out: those whose interval is wider than a factor
// of 3 on each side, and those behind which, seen from the load, the costs don't differ for sure.
//
// It finds the changes of sign of the logarithm of the ratio of the costs, and refines each by bisection.
func Cross(a, b *Model, l Load, knob Knob, low, high float64, cost Cost) []Crossing {
	ratio := func(x float64) (log, half float64, ok bool) {
		l := knob.With(l, math.Exp(x))
		f, okF := a.At(l)
		g, okG := b.At(l)
		if !okF || !okG {
			return 0, 0, false
		}
		c, d := cost(f), cost(g)
		if c.Value <= 0 || d.Value <= 0 {
			return 0, 0, false
		}
		return math.Log(c.Value / d.Value), math.Hypot(c.halfLog(), d.halfLog()), true
	}
	from, to := math.Log(low), math.Log(high)
	var found []Crossing
	last, known := 0.0, false
	for i := range grid + 1 {
		x := from + (to-from)*float64(i)/grid
		value, _, ok := ratio(x)
		if ok && known && (value > 0) != (last > 0) {
			left, right := x-(to-from)/grid, x
			for range 40 {
				middle := (left + right) / 2
				if v, _, _ := ratio(middle); (v > 0) == (last > 0) {
					left = middle
				} else {
					right = middle
				}
			}
			const step = .05
			before, _, _ := ratio(left - step)
			after, half, _ := ratio(left + step)
			slope := math.Abs(after-before) / (2 * step)
			if reach := half / slope; reach <= math.Log(wide) {
				under, unsureUnder, _ := ratio(max(from, left-math.Log(beyond)))
				over, unsureOver, _ := ratio(min(to, left+math.Log(beyond)))
				clear := math.Abs(over) > unsureOver
				if left < math.Log(knob.Of(l)) {
					clear = math.Abs(under) > unsureUnder
				}
				if !clear { // the order may not turn at all
					last, known = value, ok
					continue
				}
				found = append(found, Crossing{
					Knob: knob, At: Estimate{Value: math.Exp(left), Low: math.Exp(left - reach), High: math.Exp(left + reach)},
					Below: math.Exp(under), Above: math.Exp(over),
				})
			}
		}
		last, known = value, ok
	}
	here := math.Log(knob.Of(l))
	slices.SortStableFunc(found, func(p, q Crossing) int {
		return cmp.Compare(math.Abs(math.Log(p.At.Value)-here), math.Abs(math.Log(q.At.Value)-here))
	})
	return found
}

// halfLog returns half the width of the interval of the logarithm, for comparisons of transports.
func (e Estimate) halfLog() float64 {
	if e.noise > 0 {
		return e.noise
	}
	if e.Low <= 0 || e.High <= 0 {
		return math.Inf(1)
	}
	return math.Log(e.High/e.Low) / 2
}
