package check

import (
	"math"
	"slices"
)

// mostExact is how many differences the exact distribution is taken for. Its probabilities are
// multiples of 2^-n, which a float64 holds without rounding up to here.
const mostExact = 50

// Wilcoxon returns the probability of a signed-rank sum as large as that of the differences d, or
// larger, when each difference is as likely to be above zero as below: the one-sided p-value of "d
// is above zero". Differences of zero are dropped, as Wilcoxon did, and equal ones share the mean
// of their ranks. Without a difference it is 1.
//
// Up to 50 differences it is exact, with ties too; beyond, it is the normal approximation with its
// corrections for ties and continuity.
//
// F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945);
// M. Hollander, D. A. Wolfe, Nonparametric Statistical Methods, section 3.1.
func Wilcoxon(d []float64) float64 {
	ranks, sum, ties := signedRanks(d)
	n := float64(len(ranks))
	switch {
	case n == 0:
		return 1
	case n <= mostExact:
		return atLeast(ranks, sum)
	}
	mean := n * (n + 1) / 4
	deviation := math.Sqrt(n*(n+1)*(2*n+1)/24 - ties/48)
	return math.Erfc((float64(sum)/2-mean-.5)/deviation/math.Sqrt2) / 2
}

// signedRanks returns the ranks of the differences that are not zero, the sum of those that belong
// to differences above zero, and the sum of t^3-t over the groups of t equal ones. Ranks and sum
// are doubled, which makes a mean of two ranks whole.
func signedRanks(d []float64) (ranks []int, sum int, ties float64) {
	d = slices.DeleteFunc(slices.Clone(d), func(x float64) bool { return x == 0 })
	slices.SortFunc(d, func(a, b float64) int {
		switch a, b := math.Abs(a), math.Abs(b); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	for first := 0; first < len(d); {
		next := first + 1
		for next < len(d) && math.Abs(d[next]) == math.Abs(d[first]) {
			next++
		}
		rank := first + 1 + next // of both ends, which is twice their mean
		for _, x := range d[first:next] {
			ranks = append(ranks, rank)
			if x > 0 {
				sum += rank
			}
		}
		t := float64(next - first)
		ties += t*t*t - t
		first = next
	}
	return ranks, sum, ties
}

// atLeast returns the probability that ranks, each taken or left with equal chance, add up to sum
// or more.
func atLeast(ranks []int, sum int) float64 {
	p := 0.0
	for _, chance := range slices.Backward(sums(ranks)[sum:]) { // the small ones first
		p += chance
	}
	return p
}

// sums returns the probability of each sum of ranks, of which each is taken or left with equal
// chance.
func sums(ranks []int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	chance := make([]float64, total+1)
	chance[0] = 1
	reached := 0
	for _, r := range ranks {
		reached += r
		for s := reached; s >= 0; s-- {
			chance[s] /= 2
			if s >= r {
				chance[s] += chance[s-r] / 2
			}
		}
	}
	return chance
}

// HodgesLehmann returns the median of the means of all pairs of d, each value with itself among
// them, and the interval that holds the true centre in at least 95% of cases: the estimate and the
// interval that belong to Wilcoxon. All are in the unit of d: of logarithms of ratios, exp makes
// them ratios. The interval has no ends, -Inf and +Inf, with fewer than 6 values, which no interval
// covers with 95%. Without a value the estimate is NaN.
//
// Up to 50 values the interval is that of the exact distribution without ties, beyond of the
// normal approximation.
//
// J. L. Hodges, E. L. Lehmann, Estimates of location based on rank tests, Annals of Mathematical
// Statistics 34 (1963); Hollander and Wolfe, sections 3.2 and 3.3.
func HodgesLehmann(d []float64) (estimate, low, high float64) {
	means := make([]float64, 0, len(d)*(len(d)+1)/2)
	for i, x := range d {
		for _, y := range d[:i+1] {
			means = append(means, (x+y)/2)
		}
	}
	slices.Sort(means)
	low, high = math.Inf(-1), math.Inf(1)
	if outside := beyond(len(d)); outside > 0 {
		low, high = means[outside-1], means[len(means)-outside]
	}
	return median(means), low, high
}

// beyond returns the largest c for which a signed-rank sum of n values is below c with a
// probability of at most 2.5%: the c-th mean of pairs from either end bounds the interval. It is 0
// where there is none.
func beyond(n int) int {
	const tail = .025
	if n > mostExact {
		n := float64(n)
		return int(n*(n+1)/4 - 1.959964*math.Sqrt(n*(n+1)*(2*n+1)/24) + .5)
	}
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	below := 0.0
	for c, chance := range sums(ranks) {
		if below += chance; below > tail {
			return c
		}
	}
	return 0
}

// Detectable returns the smallest ratio, above 1, that pairs with these logarithms of ratios d
// could have told from none: exp(3.3 s/sqrt(n)), where s is their standard deviation. The 3.3
// standard errors are 2.5 for p < .05/8, as with eight gated timings, and .8 for seeing it in four of
// five cases. With fewer than two values it is 0.
func Detectable(d []float64) float64 {
	n := float64(len(d))
	if n < 2 {
		return 0
	}
	mean, squares := 0.0, 0.0
	for _, x := range d {
		mean += x / n
	}
	for _, x := range d {
		squares += (x - mean) * (x - mean)
	}
	return math.Exp(3.3 * math.Sqrt(squares/(n-1)) / math.Sqrt(n))
}

// median returns the middle of sorted values, the mean of two if their number is even; NaN without
// a value.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
