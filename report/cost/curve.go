package cost

import (
	"math"

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
//	cores = rest + k (messages + x vain + a answers)^β
//
// rest is what the server needs for its users although nothing happens, like the timers that all share. x and a say
// how many messages an event in vain and an answer are worth. Either β is 1, so that the cost is a line, or rest is 0:
// windows with noise don't tell both. Both describe that a message costs less the more there are, as a process that
// is awake already need not be woken.
type curve struct {
	theta  [parameters]float64
	free   []int      // the parameters that were fitted
	cov    *mat.Dense // of the free ones
	degree float64    // of freedom
	spread float64    // standard deviation of log cores in a window
}

// The parameters of a curve.
const (
	rest = iota
	logK
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
	work, b := c.work(e), c.theta[beta]
	l := math.Log(work)
	busy := math.Exp(c.theta[logK] + b*l)
	all := c.theta[rest] + busy
	share := busy / all
	return math.Log(all), [parameters]float64{1 / all, share, share * l, share * b * e.vain / work, share * b * e.answers / work}
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

// linear reports whether the cost is a line, as far as the windows show.
func (c *curve) linear() bool {
	return math.Abs(c.theta[beta]-1) <= c.student()*math.Sqrt(c.variance([parameters]float64{beta: 1}))
}

// huber is from how many standard deviations on a window counts less, as a noisy neighbour may have slowed it:
// 95% of the efficiency of least squares if there is none (P. J. Huber, "Robust Estimation of a Location
// Parameter", 1964).
const huber = 1.345

// fit fits the free parameters to the points by least squares of log cores, in which windows that are far off count
// less. The others keep the values of start. It returns false if the points don't determine them.
//
// An exponent with a prior is drawn to it like a further window that shows it.
func fit(points []point, start [parameters]float64, free []int, exponent *prior) (curve, bool) {
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
	pull := func(c *curve) float64 { // how much of a window's weight the distance from the prior has
		if exponent == nil || c.spread == 0 {
			return 0
		}
		return c.spread * c.spread / (exponent.deviation * exponent.deviation)
	}
	loss := func(c *curve) float64 {
		sum := 0.0
		if exponent != nil {
			d := c.theta[beta] - exponent.mean
			sum = pull(c) * d * d
		}
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
			before := loss(&c)
			c.system(points, residuals, weights, normal, right)
			c.draw(exponent, pull(&c), normal, right)
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
					for _, p := range []int{rest, worthVain, worthAnswer} {
						next.theta[p] = max(0, next.theta[p])
					}
					off(&next)
					if loss(&next) <= before {
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
			if before-loss(&c) < 1e-12*(1e-9+before) {
				break
			}
		}
	}
	inside := 0.0
	for i := range weights {
		if weights[i] == 1 {
			inside++
		}
		weights[i] = 1
	}
	c.system(points, residuals, weights, normal, right)
	c.draw(exponent, pull(&c), normal, right)
	var inverse mat.Dense
	if inverse.Inverse(normal) != nil {
		return c, false
	}
	squares := 0.0
	for _, r := range residuals {
		d := min(math.Abs(r), huber*c.spread)
		squares += d * d
	}
	// The variance of Huber's estimate (P. J. Huber, Robust Statistics, 1981, section 7.6).
	all := float64(len(points))
	share := inside / all
	correction := 1 + float64(n)/all*(1-share)/share
	variance := squares / c.degree / (share * share) * correction * correction
	inverse.Scale(variance, &inverse)
	c.cov, c.spread = &inverse, math.Sqrt(variance)
	return c, true
}

const (
	rounds = 8  // of weighting
	steps  = 50 // at most, of a round
)

// A prior is what is known of a parameter beforehand.
type prior struct{ mean, deviation float64 }

// draw adds the pull of the prior of the exponent to the normal equations.
func (c *curve) draw(exponent *prior, pull float64, normal *mat.Dense, right *mat.VecDense) {
	if exponent == nil {
		return
	}
	for i, p := range c.free {
		if p == beta {
			normal.Set(i, i, normal.At(i, i)+pull)
			right.SetVec(i, right.AtVec(i)+pull*(exponent.mean-c.theta[beta]))
		}
	}
}

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
	return median(sizes) / distuv.UnitNormal.Quantile(.75)
}
