package theory_test

import (
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// compressed makes the windows of made those of users over HTTP/2, with a calibration of the bytes that HPACK writes
// once.
func compressed(l *result.Literals) func(*result.Result) {
	return func(r *result.Result) {
		for i := range r.Windows {
			w := &r.Windows[i]
			w.Way.HTTP2 = true
			c, b := *w.Calibration, *w.Calibration.Bytes
			b.Literals = l
			c.Bytes = &b
			w.Calibration = &c
		}
	}
}

// TestNotCompressed has results whose bytes were measured without regard to HPACK, and one that would have been over
// HTTP/1.1.
func TestNotCompressed(t *testing.T) {
	for _, way := range []result.Way{onTimer, held, scanned, stream} {
		r := made(way)
		compressed(nil)(r)
		if p := theory.Rows(r)[0].Theory; p == nil || p.BytesPerDelivery != nil {
			t.Errorf("%s: theory knows bytes of old results over HTTP/2: %+v", way.Title, p)
		}
		compressed(&result.Literals{Date: 23})(r)
		if p := theory.Rows(r)[0].Theory; p == nil || p.BytesPerDelivery == nil {
			t.Errorf("%s: theory knows no bytes over HTTP/2: %+v", way.Title, p)
		}
		for i := range r.Windows {
			r.Windows[i].Way.HTTP2 = false
		}
		if p := theory.Rows(r)[0].Theory; p == nil || p.BytesPerDelivery != nil {
			t.Errorf("%s: theory takes bytes over HTTP/2 for those over HTTP/1.1: %+v", way.Title, p)
		}
	}
}
