package result

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// lognormal returns n random latencies around 2 ms, from some microseconds to seconds.
func lognormal(n int) []time.Duration {
	random := rand.New(rand.NewPCG(1, 2))
	var d []time.Duration
	for range n {
		d = append(d, time.Duration(2e6*math.Exp(1.5*random.NormFloat64())))
	}
	return d
}

func histogramOf(durations ...time.Duration) *Histogram {
	h := NewHistogram()
	for _, d := range durations {
		h.Record(d)
	}
	return h
}

// near reports whether got differs from want by at most a thousandth.
func near(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= float64(want)/1000
}

func TestHistogramQuantiles(t *testing.T) {
	durations := lognormal(20_000)
	h := histogramOf(durations...)
	slices.Sort(durations)
	for _, p := range []float64{.01, .25, .5, .9, .95, .99, .999, 1} {
		// the smallest duration that a share p does not exceed
		exact := durations[int(math.Ceil(p*float64(len(durations))))-1]
		if got := h.Quantile(p); !near(got, exact) {
			t.Errorf("p%v is %v, want %v within 0.1%%", 100*p, got, exact)
		}
	}
	var sum time.Duration
	for _, d := range durations {
		sum += d
	}
	if mean := sum / time.Duration(len(durations)); !near(h.Mean(), mean) {
		t.Errorf("the mean is %v, want %v", h.Mean(), mean)
	}
	if most := durations[len(durations)-1]; !near(h.Max(), most) || h.Count() != 20_000 {
		t.Errorf("%d durations up to %v, want 20000 up to %v", h.Count(), h.Max(), most)
	}
}

func TestHistogramEnds(t *testing.T) {
	empty := NewHistogram()
	if empty.Count() != 0 || empty.Mean() != 0 || empty.Max() != 0 || empty.Quantile(.5) != 0 || empty.Quantile(1) != 0 {
		t.Error("an empty histogram holds something")
	}
	h := histogramOf(-time.Second, 0, 1, 2*time.Hour)
	if h.Count() != 4 || h.Max() != time.Hour || h.Quantile(.5) != 0 || h.Quantile(.75) != 1 {
		t.Errorf("%d durations, median %v, p75 %v, max %v, want 4, 0, 1ns and 1h", h.Count(), h.Quantile(.5), h.Quantile(.75), h.Max())
	}
}

// TestHistogramBeyond counts the durations that a histogram doesn't tell apart, also after it was written
// and merged.
func TestHistogramBeyond(t *testing.T) {
	for _, c := range []struct {
		all  []time.Duration
		want int64
	}{
		{nil, 0},
		{[]time.Duration{time.Millisecond, 59 * time.Minute}, 0},
		{[]time.Duration{time.Millisecond, time.Hour, 61 * time.Minute, 30 * time.Hour}, 3},
	} {
		h := histogramOf(c.all...)
		merged := NewHistogram()
		merged.Merge(h)
		for what, h := range map[string]*Histogram{"recorded": h, "read": decoded(t, h), "merged": merged} {
			if got := h.Beyond(); got != c.want || h.Max() > time.Hour || h.Quantile(1) > time.Hour {
				t.Errorf("%v %s: %d beyond, max %v, want %d", c.all, what, got, h.Max(), c.want)
			}
		}
	}
}

// TestHistogramOfSmallerRange records and merges into a histogram of another tool.
func TestHistogramOfSmallerRange(t *testing.T) {
	h := NewHistogram()
	if err := json.Unmarshal([]byte(`"`+encoded(int64(time.Minute), 2, []byte{2, 4})+`"`), h); err != nil {
		t.Fatal(err)
	}
	h.Record(10 * time.Minute)
	h.Merge(histogramOf(20 * time.Minute))
	if h.Count() != 5 || !near(h.Max(), 20*time.Minute) {
		t.Errorf("%d durations up to %v, want 5 up to 20m", h.Count(), h.Max())
	}
}

func TestHistogramMerge(t *testing.T) {
	durations := lognormal(2000)
	whole := histogramOf(durations...)
	merged := NewHistogram()
	merged.Merge(nil)
	merged.Merge(NewHistogram())
	merged.Merge(histogramOf(durations[:700]...))
	merged.Merge(decoded(t, histogramOf(durations[700:]...)))
	if merged.Count() != whole.Count() || merged.Mean() != whole.Mean() || merged.Max() != whole.Max() || merged.Quantile(.99) != whole.Quantile(.99) {
		t.Errorf("merged %d with mean %v, want %d with %v", merged.Count(), merged.Mean(), whole.Count(), whole.Mean())
	}
}

// decoded returns a histogram after a round trip through JSON.
func decoded(t *testing.T, h *Histogram) *Histogram {
	t.Helper()
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	again := NewHistogram()
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestHistogramJSON(t *testing.T) {
	for _, h := range []*Histogram{
		NewHistogram(), histogramOf(0), histogramOf(time.Hour), histogramOf(lognormal(5000)...),
	} {
		again := decoded(t, decoded(t, h))
		if again.Count() != h.Count() || again.Mean() != h.Mean() || again.Max() != h.Max() || again.Quantile(.9) != h.Quantile(.9) {
			t.Errorf("wrote %d with mean %v, read %d with %v", h.Count(), h.Mean(), again.Count(), again.Mean())
		}
		again.Record(time.Minute)
		if got, want := again.Count(), h.Count()+1; got != want {
			t.Errorf("%d after one more, want %d", got, want)
		}
	}
}

// encoded returns an encoded histogram with the given range, digits and counts, which need not match.
func encoded(highest int64, digits int32, counts []byte) string {
	var inner bytes.Buffer
	z := zlib.NewWriter(&inner)
	for _, field := range []any{
		hdrhistogram.V2EncodingCookieBase | 0x10, int32(len(counts)), int32(0), digits, int64(1), highest, float64(1), counts,
	} {
		if err := binary.Write(z, binary.BigEndian, field); err != nil {
			panic(err) // can't happen: it writes to memory
		}
	}
	z.Close()
	head := binary.BigEndian.AppendUint32(nil, uint32(hdrhistogram.V2CompressedEncodingCookieBase|0x10))
	head = binary.BigEndian.AppendUint32(head, uint32(inner.Len()))
	return base64.StdEncoding.EncodeToString(append(head, inner.Bytes()...))
}

func TestHistogramOfOthers(t *testing.T) {
	for name, text := range map[string]string{
		"a number":       "7",
		"no text":        `""`,
		"no base64":      `"????"`,
		"too short":      `"AAAA"`,
		"garbage":        `"` + strings.Repeat("HISTFAAA", 12) + `"`,
		"larger":         `"` + encoded(math.MaxInt64, 3, []byte{2}) + `"`,
		"finer":          `"` + encoded(int64(time.Hour), 5, []byte{2}) + `"`,
		"too many":       `"` + encoded(int64(time.Hour), 3, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}) + `"`,
		"a broken count": `"` + encoded(int64(time.Hour), 3, []byte{0xff}) + `"`,
	} {
		if err := json.Unmarshal([]byte(text), NewHistogram()); err == nil || !strings.HasPrefix(err.Error(), "decoding a histogram: ") {
			t.Errorf("%s gives %v", name, err)
		}
	}
	// Other tools may write histograms of a smaller range and precision.
	h := NewHistogram()
	if err := json.Unmarshal([]byte(`"`+encoded(int64(time.Minute), 2, []byte{2, 4})+`"`), h); err != nil || h.Count() != 3 {
		t.Errorf("a histogram of a smaller range holds %d durations, %v", h.Count(), err)
	}
}

// TestHistogramMemory checks that decoded histograms take little memory.
func TestHistogramMemory(t *testing.T) {
	data, err := json.Marshal(histogramOf(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) (kept []*Histogram, grown uint64) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range n {
			h := NewHistogram()
			if err := json.Unmarshal(data, h); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, h)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		return kept, after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
	}
	if kept, grown := read(1000); grown > 10<<20 {
		t.Errorf("%d histograms of %d bytes keep %d bytes", len(kept), len(data), grown)
	}
}
