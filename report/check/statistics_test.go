package check

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// enumerated returns Wilcoxon's p by its definition: the share of all assignments of signs whose sum
// of ranks is at least as large.
func enumerated(d []float64) float64 {
	var sizes []float64
	for _, x := range d {
		if x != 0 {
			sizes = append(sizes, math.Abs(x))
		}
	}
	// The mean rank of equal values is the number of smaller ones, plus half of the equal ones and
	// 1/2. size itself is among the equal ones.
	rank := func(size float64) (r float64) {
		for _, other := range sizes {
			if other < size {
				r++
			} else if other == size {
				r += .5
			}
		}
		return r + .5
	}
	seen := 0.0
	for _, x := range d {
		if x > 0 {
			seen += rank(x)
		}
	}
	asLarge := 0
	for signs := range 1 << len(sizes) {
		sum := 0.0
		for i, size := range sizes {
			if signs>>i&1 == 1 {
				sum += rank(size)
			}
		}
		if sum >= seen {
			asLarge++
		}
	}
	return float64(asLarge) / float64(int(1)<<len(sizes))
}

func TestWilcoxonIsItsDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 11 {
		for range 20 {
			d := make([]float64, n)
			for i := range d {
				d[i] = random.NormFloat64() + .3
			}
			for _, ties := range []bool{false, true} {
				if ties {
					for i := range d {
						d[i] = math.Round(2 * d[i]) // zeros among them
					}
				}
				if got, want := Wilcoxon(d), enumerated(d); got != want {
					t.Fatalf("p of %v is %v, want %v", d, got, want)
				}
			}
		}
	}
}

// depression returns the example of R's wilcox.test: differences of nine patients before and after a
// tranquilizer (Hollander and Wolfe, table 3.1).
func depression() []float64 {
	before := []float64{1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	for i := range before {
		before[i] -= after[i]
	}
	return before
}

func TestPublishedExample(t *testing.T) {
	d := depression()
	if p := Wilcoxon(d); p != 10./512 { // R: V = 40, p-value = 0.01953
		t.Errorf("p is %v, want .01953", p)
	}
	centre, low, high := HodgesLehmann(d)
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"estimate", centre, .46}, {"low end", low, .010}, {"high end", high, .786}} {
		if math.Abs(c.got-c.want) > .0005 {
			t.Errorf("%s is %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestWilcoxonEdges(t *testing.T) {
	large := make([]float64, 7)
	for i := range large {
		large[i] = float64(i + 1)
	}
	for _, c := range []struct {
		d    []float64
		want float64
	}{
		{nil, 1},
		{[]float64{0, 0, 0}, 1},
		{[]float64{1}, .5},
		{[]float64{-1}, 1},
		{[]float64{1, 1, 1}, .125},
		{[]float64{1, 0, 1}, .25},
		{[]float64{1, -1}, .75},
		{large, 1. / 128}, // the smallest possible p of 7 pairs, which is not below .0071
	} {
		if got := Wilcoxon(c.d); got != c.want {
			t.Errorf("p of %v is %v, want %v", c.d, got, c.want)
		}
	}
}

// TestWilcoxonBeyondExact compares the normal approximation with the exact distribution just above
// mostExact.
func TestWilcoxonBeyondExact(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	for range 50 {
		d := make([]float64, mostExact+1+random.IntN(10))
		shift, ties := .4*random.Float64(), random.IntN(2) == 1
		for i := range d {
			d[i] = random.NormFloat64() + shift
			if ties {
				d[i] = math.Round(3 * d[i])
			}
		}
		ranks, sum, _ := signedRanks(d)
		got, want := Wilcoxon(d), atLeast(ranks, sum)
		if apart := math.Abs(got - want); !(apart <= .003) || want < .02 && apart > .0005 {
			t.Errorf("p is about %v, exactly %v", got, want)
		}
	}
}

// TestMostExact has as many differences as the exact distribution is used for, and one more.
func TestMostExact(t *testing.T) {
	d := make([]float64, 51)
	for i := range d {
		d[i] = float64(i + 1)
		if i%3 == 0 {
			d[i] = -d[i]
		}
	}
	for _, n := range []int{50, 51} {
		ranks, sum, _ := signedRanks(d[:n])
		if got, exact := Wilcoxon(d[:n]), atLeast(ranks, sum); (got == exact) != (n == 50) {
			t.Errorf("p of %d differences is %v, exactly %v", n, got, exact)
		}
	}
}

// TestWilcoxonCorrectsForTies has 60 differences of two sizes. With the mean ranks 15.5 and 45.5
// their sum is 1311, its mean 915, and its variance 60*61*121/24 - 2*(30^3-30)/48 = 17328.75.
func TestWilcoxonCorrectsForTies(t *testing.T) {
	var d []float64
	for i := range 30 {
		small, large := 1., 2.
		if i >= 20 {
			small = -1
		}
		if i >= 22 {
			large = -2
		}
		d = append(d, small, large)
	}
	if got, want := Wilcoxon(d), .00133037129928; math.Abs(got-want) > 1e-12 {
		t.Errorf("p is %v, want %v", got, want)
	}
}

// TestBeyond compares with the published critical values of T at two-sided .05, which are one less.
func TestBeyond(t *testing.T) {
	for n, want := range map[int]int{
		0: 0, 1: 0, 5: 0, 6: 0 + 1, 7: 2 + 1, 8: 3 + 1, 9: 5 + 1, 10: 8 + 1, 15: 25 + 1, 20: 52 + 1, 25: 89 + 1, 30: 137 + 1, 50: 434 + 1,
	} {
		if got := beyond(n); got != want {
			t.Errorf("%d values: the interval begins at mean %d, want %d", n, got, want)
		}
	}
	// 51: mean 663, deviation 106.6
	if got := beyond(51); got != 454 {
		t.Errorf("51 values: the interval begins at mean %d, want 454", got)
	}
	// 100: mean 2525, deviation 290.8; by the exact distribution it would be 1956
	if got := beyond(100); got != 1955 {
		t.Errorf("100 values: the interval begins at mean %d, want 1955", got)
	}
}

func TestHodgesLehmann(t *testing.T) {
	if centre, low, high := HodgesLehmann(nil); !math.IsNaN(centre) || !math.IsInf(low, -1) || !math.IsInf(high, 1) {
		t.Errorf("no values: %v, %v to %v", centre, low, high)
	}
	// The means of pairs are 1 1.5 2 3 3.5 5. With fewer than six values there is no interval.
	if centre, low, high := HodgesLehmann([]float64{5, 1, 2}); centre != 2.5 || !math.IsInf(low, -1) || !math.IsInf(high, 1) {
		t.Errorf("5, 1, 2: %v, %v to %v", centre, low, high)
	}
	if centre, low, high := HodgesLehmann(make([]float64, 6)); centre != 0 || low != 0 || high != 0 {
		t.Errorf("six zeros: %v, %v to %v", centre, low, high)
	}
}

// TestCoverage draws random values: their intervals must contain the true centre in 95% of cases.
func TestCoverage(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	const draws = 1000
	for _, n := range []int{6, 10, 20} {
		held := 0
		for range draws {
			if _, low, high := HodgesLehmann(noise(random, n, .1)); low <= .1 && .1 <= high {
				held++
			}
		}
		if share := float64(held) / draws; share < .935 || share > .985 {
			t.Errorf("%d values: %.1f%% of the intervals hold the centre", n, 100*share)
		}
	}
}

func TestDetectable(t *testing.T) {
	if got := Detectable([]float64{.1}); got != 0 {
		t.Errorf("one pair could have detected %v, want 0", got)
	}
	if got, want := Detectable([]float64{-.1, .1}), math.Exp(.33); math.Abs(got-want) > 1e-12 { // s = .1 sqrt(2)
		t.Errorf("two pairs could have detected %v, want %v", got, want)
	}
	if got := Detectable([]float64{.2, .2, .2}); math.Abs(got-1) > 1e-12 {
		t.Errorf("%v could have been detected without noise, want 1", got)
	}
	// s = .2, n = 4
	d := []float64{-.1, .1, -.2, .2}
	s := math.Sqrt((.01 + .01 + .04 + .04) / 3)
	if got, want := Detectable(d), math.Exp(3.3*s/2); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v could have been detected, want %v", got, want)
	}
}

func TestStatisticsLeaveValuesAlone(t *testing.T) {
	d := []float64{3, -1, 2, 0, 5, 4, 7}
	before := slices.Clone(d)
	Wilcoxon(d)
	HodgesLehmann(d)
	if !slices.Equal(d, before) {
		t.Errorf("%v was changed to %v", before, d)
	}
}

// noise draws n logarithms of ratios around centre, with the standard deviation between neighbouring
// windows that was recorded on a shared machine.
func noise(random *rand.Rand, n int, centre float64) []float64 {
	d := make([]float64, n)
	for i := range d {
		d[i] = centre + .17*random.NormFloat64()
	}
	return d
}

// TestMedian has numbers of values for which a quantile must not round to its neighbour.
func TestMedian(t *testing.T) {
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
	var sorted []float64
	for n := 1; n <= 2000; n++ {
		sorted = append(sorted, float64(n))
		if got, want := median(sorted), float64(n+1)/2; got != want {
			t.Errorf("the median of 1 to %d is %v, want %v", n, got, want)
		}
	}
}
