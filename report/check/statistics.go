package check

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// mostExact is the largest number of differences for which the exact distribution is used. Its
// probabilities are multiples of 2^-n, which a float64 holds without rounding up to here.
const mostExact = 50

// Wilcoxon returns the one-sided p-value of "d is above zero": the probability of a signed-rank sum
// at least as large as that of the differences d, if each difference is as likely to be above zero
// as below. Differences of zero are dropped, as Wilcoxon did, and equal ones share the mean of their
// ranks. Without differences the p-value is 1.
//
// It is exact for up to 50 differences, with ties too. For more it is the normal approximation,
// corrected for ties and continuity.
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
	return distuv.UnitNormal.Survival((float64(sum)/2 - mean - .5) / deviation)
}

// signedRanks returns the ranks of the differences that are not zero, the sum of the ranks of those
// above zero, and the sum of t^3-t over all groups of t equal ones. Ranks and their sum are doubled,
// so that the mean of two ranks is an integer.
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
		rank := first + 1 + next // first and last rank of the group: twice its mean
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

// atLeast returns the probability that a random subset of ranks, each included with probability 1/2,
// adds up to sum or more.
func atLeast(ranks []int, sum int) float64 {
	p := 0.0
	for _, chance := range slices.Backward(sums(ranks)[sum:]) { // small ones first, for less rounding
		p += chance
	}
	return p
}

// sums returns the probability of each sum of a random subset of ranks, by the sum.
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

// HodgesLehmann returns the median of the means of all pairs of d, including each value paired with
// itself, and a confidence interval that contains the true centre in at least 95% of cases. They are
// the estimate and the interval that belong to Wilcoxon's test. All are in the unit of d: if d are
// logarithms of ratios, exp turns them into ratios. With fewer than 6 values no interval reaches 95%,
// and it is -Inf to +Inf. Without values the estimate is NaN.
//
// For up to 50 values the interval is that of the exact distribution without ties, for more that of
// the normal approximation.
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

// beyond returns the largest c such that a signed-rank sum of n values is below c with a probability
// of at most 2.5%; 0 if there is none. The c-th mean of pairs from either end bounds the interval.
func beyond(n int) int {
	const tail = .025
	if n > mostExact {
		n := float64(n)
		return int(n*(n+1)/4 - distuv.UnitNormal.Quantile(1-tail)*math.Sqrt(n*(n+1)*(2*n+1)/24) + .5)
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

// Detectable returns the smallest ratio above 1 that pairs with these logarithms of ratios d could
// have detected: exp(3.3 s/sqrt(n)), where s is their standard deviation. The 3.3 standard errors are
// 2.5 for p < .05/8, as with eight gated timings, and .8 for detecting it in four of five cases. With
// fewer than two values it is 0.
func Detectable(d []float64) float64 {
	if len(d) < 2 {
		return 0
	}
	return math.Exp(3.3 * stat.StdErr(stat.StdDev(d, nil), float64(len(d))))
}

// median returns the median of sorted values, the mean of the two middle ones if their number is
// even; NaN without values.
func median(sorted []float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	// An empirical quantile is one of the values: just above one half, it is the upper one of the two in
	// the middle.
	lower := stat.Quantile(.5, stat.Empirical, sorted, nil)
	upper := stat.Quantile(math.Nextafter(.5, 1), stat.Empirical, sorted, nil)
	return (lower + upper) / 2
}
