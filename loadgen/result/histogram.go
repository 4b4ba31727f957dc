package result

import (
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Longest is the largest duration that a Histogram distinguishes: all longer ones count as this.
const Longest = time.Hour

// digits is the number of significant digits that a Histogram keeps of a duration.
const digits = 3

// A Histogram is an HdrHistogram of nanoseconds with three significant digits: it keeps 200 us to
// 0.2 us. It distinguishes durations up to an hour: longer ones count as an hour, see Beyond. In JSON it
// has HdrHistogram's own compressed encoding (V2, base64), which other HdrHistogram tools read.
// Concurrent use is safe as long as no call writes to it.
type Histogram struct {
	// At most one is set, none if the histogram is empty. A decoded histogram stays encoded until the
	// first write, as the encoding may take a hundred bytes, the histogram a quarter of a megabyte.
	hdr     *hdrhistogram.Histogram
	encoded []byte
}

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram { return &Histogram{} }

// open returns the histogram for reading.
func (h *Histogram) open() *hdrhistogram.Histogram {
	if h.hdr != nil {
		return h.hdr
	}
	if h.encoded != nil {
		if hdr, err := hdrhistogram.Decode(h.encoded); err == nil { // UnmarshalJSON has decoded it once
			return hdr
		}
	}
	return hdrhistogram.New(1, int64(Longest), digits)
}

// change returns the histogram for writing.
func (h *Histogram) change() *hdrhistogram.Histogram {
	if h.hdr == nil {
		h.hdr, h.encoded = h.open(), nil
		if h.hdr.HighestTrackableValue() < int64(Longest) || h.hdr.SignificantFigures() < digits {
			whole := hdrhistogram.New(1, int64(Longest), digits)
			whole.Merge(h.hdr) // that of another tool would drop what is beyond its own range
			h.hdr = whole
		}
	}
	return h.hdr
}

// Record counts d once. A negative duration counts as 0.
func (h *Histogram) Record(d time.Duration) {
	_ = h.change().RecordValue(min(max(int64(d), 0), int64(Longest))) // fails only for values out of range
}

// IsZero reports whether h is nil or empty, and may be left out of JSON.
func (h *Histogram) IsZero() bool { return h == nil || h.Count() == 0 }

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return h.open().TotalCount() }

// Mean returns the mean; 0 if nothing was recorded. It is too small if a duration was beyond an hour.
func (h *Histogram) Mean() time.Duration { return atMost(int64(h.open().Mean())) }

// Max returns the largest duration recorded; 0 if nothing was recorded. An hour stands for an hour or
// longer.
func (h *Histogram) Max() time.Duration { return atMost(h.open().Max()) }

// Quantile returns the p-quantile, 0 <= p <= 1: the smallest duration that at least a share p of the
// recorded ones don't exceed. An hour stands for an hour or longer.
func (h *Histogram) Quantile(p float64) time.Duration {
	return atMost(h.open().ValueAtQuantile(100 * p))
}

// atMost returns n nanoseconds. HdrHistogram returns the end of a range of durations that it doesn't
// tell apart, and that of the last range is beyond an hour.
func atMost(n int64) time.Duration { return min(time.Duration(n), Longest) }

// Beyond returns how many of the recorded durations were an hour or longer, to the three digits that are
// kept. How much longer is unknown.
func (h *Histogram) Beyond() int64 {
	if h.Max() < Longest {
		return 0
	}
	n := int64(0)
	for _, bar := range h.open().Distribution() {
		if bar.To >= int64(Longest) {
			n += bar.Count
		}
	}
	return n
}

// A Bar counts recorded durations that a Histogram doesn't tell apart.
type Bar struct {
	Longest time.Duration // of them, the value that Quantile returns for each
	Count   int64
}

// Bars returns the recorded durations in ascending order.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	for _, bar := range h.open().Distribution() {
		if bar.Count > 0 {
			bars = append(bars, Bar{atMost(bar.To), bar.Count})
		}
	}
	return bars
}

// Merge adds the durations recorded in other; nil adds nothing.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.change().Merge(other.open())
	}
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	if h.encoded != nil {
		return json.Marshal(string(h.encoded))
	}
	encoded, err := h.open().Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encoding a histogram: %w", err)
	}
	return json.Marshal(string(encoded))
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var encoded string
	err := json.Unmarshal(data, &encoded)
	if err == nil {
		err = checkRange(encoded)
	}
	var hdr *hdrhistogram.Histogram
	if err == nil {
		hdr, err = hdrhistogram.Decode([]byte(encoded))
	}
	if err != nil {
		return fmt.Errorf("decoding a histogram: %w", err)
	}
	if hdr.TotalCount() > mostRecorded {
		return fmt.Errorf("decoding a histogram: %d durations are more than a run can record", hdr.TotalCount())
	}
	h.hdr, h.encoded = nil, []byte(encoded)
	return nil
}

// mostRecorded is more than any run records, and so little that merging many files doesn't overflow a
// count.
const mostRecorded = 1 << 48

// checkRange checks the head of an encoded histogram, which holds its range and precision. Beyond
// those of a Histogram, decoding would waste memory, and merging would fail.
func checkRange(encoded string) error {
	const cookies, size = 8, 40 // see HdrHistogram's encodeIntoByteBuffer
	raw := base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded))
	if _, err := io.CopyN(io.Discard, raw, cookies); err != nil {
		return err
	}
	inflated, err := zlib.NewReader(raw)
	if err != nil {
		return err
	}
	var head [size]byte
	if _, err := io.ReadFull(inflated, head[:]); err != nil {
		return err
	}
	precision := int32(binary.BigEndian.Uint32(head[12:]))
	highest := time.Duration(binary.BigEndian.Uint64(head[24:]))
	if precision > digits || highest > Longest {
		return fmt.Errorf("it goes up to %v with %d digits, more than %v with %d", highest, precision, Longest, digits)
	}
	return nil
}
