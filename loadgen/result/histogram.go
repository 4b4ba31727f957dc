package result

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the largest latency that a Histogram tells apart; longer ones count as this.
const longest = time.Hour

// A Histogram is a HdrHistogram of nanoseconds: three significant digits, so that 200 us is known
// to 0.2 us. In JSON it is HdrHistogram's own compressed encoding (V2, base64), which other
// HdrHistogram tools read. It is not safe for concurrent use.
type Histogram struct {
	hdr *hdrhistogram.Histogram
}

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(1, int64(longest), 3)}
}

// Record counts d once. Less than nothing counts as nothing.
func (h *Histogram) Record(d time.Duration) {
	_ = h.hdr.RecordValue(min(max(int64(d), 0), int64(longest))) // always in range
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return h.hdr.TotalCount() }

// Mean returns the mean; 0 when nothing was recorded.
func (h *Histogram) Mean() time.Duration { return time.Duration(h.hdr.Mean()) }

// Max returns the largest duration recorded; 0 when nothing was recorded.
func (h *Histogram) Max() time.Duration { return time.Duration(h.hdr.Max()) }

// Quantile returns the smallest duration that a share p of those recorded, 0 to 1, does not exceed.
func (h *Histogram) Quantile(p float64) time.Duration {
	return time.Duration(h.hdr.ValueAtQuantile(100 * p))
}

// Merge adds what was recorded in other; nil adds nothing.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.hdr.Merge(other.hdr)
	}
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	encoded, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encoding a histogram: %w", err)
	}
	return json.Marshal(string(encoded))
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var encoded string
	if err := json.Unmarshal(data, &encoded); err != nil {
		return fmt.Errorf("decoding a histogram: %w", err)
	}
	hdr, err := hdrhistogram.Decode([]byte(encoded))
	if err != nil {
		return fmt.Errorf("decoding a histogram: %w", err)
	}
	h.hdr = hdr
	return nil
}
