package text_test

import (
	"math"
	"testing"

	"pushpull/report/text"
)

func TestDuration(t *testing.T) {
	for _, test := range []struct {
		ms     float64
		digits int
		want   string
	}{
		{0, 3, "0 µs"},
		{.000004, 2, "0.0040 µs"},
		{.41234, 3, "412 µs"},
		{.41234, 2, "412 µs"},
		{.9996, 3, "1.00 ms"},
		{1, 3, "1.00 ms"},
		{12.345, 3, "12.3 ms"},
		{999.4, 3, "999 ms"},
		{999.6, 3, "1.00 s"},
		{2513, 2, "2.5 s"},
		{90_000, 3, "90.0 s"},
		{3.6e6, 3, "3600 s"},
	} {
		if got := text.Duration(test.ms, test.digits); got != test.want {
			t.Errorf("text.Duration(%v, %d) is %q, want %q", test.ms, test.digits, got, test.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, test := range []struct {
		x      float64
		digits int
		want   string
	}{
		{0, 3, "0"},
		{math.NaN(), 3, "0"},
		{math.Inf(1), 3, "0"},
		{.2704, 3, "0.270"},
		{9.996, 3, "10.0"},
		{1234.5, 3, "1234"},
		{-2.5, 3, "-2.50"},
		{1000, 3, "1000"},
	} {
		if got := text.Number(test.x, test.digits); got != test.want {
			t.Errorf("Number(%v, %d) is %q, want %q", test.x, test.digits, got, test.want)
		}
	}
}

func TestClean(t *testing.T) {
	const said, want = "\x1b[2Jlong\npoll\u202e é 語", "\uFFFD[2Jlong\uFFFDpoll\uFFFD é 語"
	if got := text.Clean(said); got != want {
		t.Errorf("Clean(%q) is %q, want %q", said, got, want)
	}
}
