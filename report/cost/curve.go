package cost

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// An event is what causes cost in a second of a window.
type events struct {
	messages float64 // sent
	vain     float64 // theory.Rate.Vain
	answers  float64 // polls that brought messages; 0 for users that don't poll on a timer
}

// A point is a window: its events, and the seconds of server CPU in each second.
type point struct {
	events
	cores float64
}

// A curve is the server CPU of a transport as a function of the events:
//
//	cores = k (messages + x vain + a answers)^β
//
// x and a say how many messages an event in vain and an answer are worth. With β = 1 the cost is a line through
// 0. With β < 1 a message costs less the more there are: a process that is awake already need not be woken,
// so under load one wake-up serves several events.
type curve struct {
	theta  [parameters]float64 // log k, β, x, a
	free   []int               // the parameters that were fitted
	cov    *mat.Dense          // of the free ones
	degree float64             // of freedom
	spread float64             // standard deviation of log cores in a window
}

// The parameters of a curve.
const (
	logK = iota
	beta
	worthVain
	worthAnswer
	parameters
)

// work returns the events in messages.
func (c *curve) work(e events) float64 {
	return e.messages + c.theta[worthVain]*e.vain + c.theta[worthAnswer]*e.answers
}

// log returns the logarithm of the cores and its gradient.
func (c *curve) log(e events) (value float64, gradient [parameters]float64) {
	work := c.work(e)
	l := math.Log(work)
	b := c.theta[beta]
	return c.theta[logK] + b*l, [parameters]float64{1, l, b * e.vain / work, b * e.answers / work}
}

// at returns the cores, and the standard error of their logarithm.
func (c *curve) at(e events) (cores, se float64) {
	value, gradient := c.log(e)
	return math.Exp(value), math.Sqrt(max(0, c.variance(gradient)))
}

// variance returns that of a linear function of the parameters.
func (c *curve) variance(gradient [parameters]float64) float64 {
	sum := 0.0
	for i, p := range c.free {
		for j, q := range c.free {
			sum += gradient[p] * gradient[q] * c.cov.At(i, j)
		}
	}
	return sum
}

// student returns how many standard errors a 95% interval has on each side.
func (c *curve) student() float64 {
	return distuv.StudentsT{Sigma: 1, Nu: max(1, c.degree)}.Quantile(.975)
}

// linear reports whether the 95% interval of β holds 1.
func (c *curve) linear() bool {
	return math.Abs(c.theta[beta]-1) <= c.student()*math.Sqrt(c.variance([parameters]float64{beta: 1}))
}

// huber is from how many standard deviations on a window counts less, as a noisy neighbour may have slowed it:
// 95% of the efficiency of least squares if there is none (P. J. Huber, "Robust Estimation of a Location
// Parameter", 1964).
const huber = 1.345

// fit fits the free parameters to the points by least squares of log cores, in which windows that are far off count
// less. The others keep the values of start. It returns false if the points don't determine them.
func fit(points []point, start [parameters]float64, free []int) (curve, bool) {
	c := curve{theta: start, free: free, degree: float64(len(points) - len(free))}
	if c.degree < 1 {
		return c, false
	}
	residuals := make([]float64, len(points))
	off := func(c *curve) {
		for i, p := range points {
			value, _ := c.log(p.events)
			residuals[i] = math.Log(p.cores) - value
		}
	}
	weights := make([]float64, len(points))
	loss := func() float64 {
		sum := 0.0
		for i, r := range residuals {
			sum += weights[i] * r * r
		}
		return sum
	}
	n := len(free)
	normal := mat.NewDense(n, n, nil)
	right := mat.NewVecDense(n, nil)
	off(&c)
	for range rounds {
		c.spread = scale(residuals)
		for i, r := range residuals {
			weights[i] = 1
			if d := math.Abs(r) / c.spread; c.spread > 0 && d > huber {
				weights[i] = huber / d
			}
		}
		damping := 1e-6
		for range steps { // Levenberg and Marquardt
			before := loss()
			c.system(points, residuals, weights, normal, right)
			var step mat.VecDense
			moved := false
			for range 12 {
				damped := mat.DenseCopyOf(normal)
				for i := range n {
					damped.Set(i, i, damped.At(i, i)*(1+damping)+1e-12)
				}
				if step.SolveVec(damped, right) == nil {
					next := c
					for i, p := range free {
						next.theta[p] += step.AtVec(i)
					}
					next.theta[worthVain], next.theta[worthAnswer] = max(0, next.theta[worthVain]), max(0, next.theta[worthAnswer])
					off(&next)
					if loss() <= before {
						c, moved, damping = next, true, damping/4
						break
					}
				}
				damping *= 8
			}
			if !moved {
				off(&c)
				break
			}
			if before-loss() < 1e-12*(1e-9+before) {
				break
			}
		}
	}
	c.system(points, residuals, weights, normal, right)
	var inverse mat.Dense
	if inverse.Inverse(normal) != nil {
		return c, false
	}
	sum := 0.0
	for _, r := range residuals {
		d := min(math.Abs(r), huber*c.spread)
		sum += d * d
	}
	// The asymptotic variance of Huber's estimate, whose weights are in the normal equations already.
	c.spread = math.Sqrt(sum / c.degree)
	inverse.Scale(c.spread*c.spread, &inverse)
	c.cov = &inverse
	return c, true
}

const (
	rounds = 8  // of weighting
	steps  = 50 // at most, of a round
)

// system sets the normal equations of a step.
func (c *curve) system(points []point, residuals, weights []float64, normal *mat.Dense, right *mat.VecDense) {
	normal.Zero()
	right.Zero()
	for i, p := range points {
		_, gradient := c.log(p.events)
		for j, a := range c.free {
			right.SetVec(j, right.AtVec(j)+weights[i]*gradient[a]*residuals[i])
			for k, b := range c.free {
				normal.Set(j, k, normal.At(j, k)+weights[i]*gradient[a]*gradient[b])
			}
		}
	}
}

// scale returns the standard deviation of residuals without those that are far off: that of the middle half
// of a normal distribution.
func scale(residuals []float64) float64 {
	sizes := make([]float64, len(residuals))
	for i, r := range residuals {
		sizes[i] = math.Abs(r)
	}
	slices.Sort(sizes)
	n := len(sizes)
	return (sizes[(n-1)/2] + sizes[n/2]) / 2 / distuv.UnitNormal.Quantile(.75)
}
