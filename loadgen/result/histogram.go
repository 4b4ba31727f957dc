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

// longest is the largest latency that a Histogram tells apart; longer ones count as this.
const longest = time.Hour

// digits is how many significant digits of a latency a Histogram keeps.
const digits = 3

// A Histogram is a HdrHistogram of nanoseconds: three significant digits, so that 200 us is known
// to 0.2 us. In JSON it is HdrHistogram's own compressed encoding (V2, base64), which other
// HdrHistogram tools read. It is safe for concurrent use as long as nobody writes to it.
type Histogram struct {
	// One of them is set, or none when it is empty. What was read stays as it was read until it is
	// written to: a hundred bytes can stand for a quarter of a megabyte.
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
		if hdr, err := hdrhistogram.Decode(h.encoded); err == nil { // as it was when it was read
			return hdr
		}
	}
	return hdrhistogram.New(1, int64(longest), digits)
}

// change returns the histogram for writing.
func (h *Histogram) change() *hdrhistogram.Histogram {
	if h.hdr == nil {
		h.hdr, h.encoded = h.open(), nil
	}
	return h.hdr
}

// Record counts d once. Less than nothing counts as nothing.
func (h *Histogram) Record(d time.Duration) {
	_ = h.change().RecordValue(min(max(int64(d), 0), int64(longest))) // always in range
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return h.open().TotalCount() }

// Mean returns the mean; 0 when nothing was recorded.
func (h *Histogram) Mean() time.Duration { return time.Duration(h.open().Mean()) }

// Max returns the largest duration recorded; 0 when nothing was recorded.
func (h *Histogram) Max() time.Duration { return time.Duration(h.open().Max()) }

// Quantile returns the smallest duration that a share p of those recorded, 0 to 1, does not exceed.
func (h *Histogram) Quantile(p float64) time.Duration {
	return time.Duration(h.open().ValueAtQuantile(100 * p))
}

// Merge adds what was recorded in other; nil adds nothing.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.change().Merge(other.open())
	}
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
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
		return fmt.Errorf("decoding a histogram: %d durations are more than anybody has recorded", hdr.TotalCount())
	}
	h.hdr, h.encoded = nil, []byte(encoded)
	return nil
}

// mostRecorded is more than a run has; so many files of that can be merged before a count overflows.
const mostRecorded = 1 << 48

// checkRange looks at the head of an encoded histogram, which says what it takes to hold it: more
// than our own would be memory for nothing, and out of the range of what it is merged into.
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
	if precision > digits || highest > longest {
		return fmt.Errorf("it goes up to %v with %d digits, more than %v with %d", highest, precision, longest, digits)
	}
	return nil
}
