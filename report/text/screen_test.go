package text_test

import (
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		words   string
		columns int
		indent  int
		want    []string
	}{
		{"", 10, 0, []string{""}},
		{"one", 10, 2, []string{"one"}},
		{"one two three", 7, 0, []string{"one two", "three"}},
		{"one two three four", 8, 2, []string{"one two", "  three", "  four"}},
		{"arrived within 405 µs, and 4 more", 17, 0, []string{"arrived within", "405 µs, and 4", "more"}},
		{"a 250 KB/user b", 9, 0, []string{"a 250", "KB/user b"}}, // only a short unit stays
		{"! abcdefghijklmno p", 6, 2, []string{"!", " abcde", " fghij", " klmno", " p"}},
		{"日本日本日本", 5, 0, []string{"日本", "日本", "日本"}},
		{"日本", 1, 0, []string{"日本"}}, // it can't be narrower
		{"  spaces\n and lines ", 80, 0, []string{"spaces and lines"}},
		{strings.Repeat("x", 81), 0, 0, []string{strings.Repeat("x", 80), "x"}},
	} {
		got := text.Screen{Columns: test.columns}.Wrap(test.words, test.indent)
		if !slices.Equal(got, test.want) {
			t.Errorf("%q in %d columns is %q, want %q", test.words, test.columns, got, test.want)
		}
	}
}

// What a screen can't show is written in ASCII, or spelled, and different names stay different.
func TestScreenText(t *testing.T) {
	plain, full := text.Screen{}, text.Screen{UTF8: true, Colour: true}
	const words = "p50 · 405 µs… 日本"
	if got, want := plain.Text(words), "p50 - 405 us... [U+65E5 672C]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := full.Text(words); got != words {
		t.Errorf("UTF-8 is changed to %q", got)
	}
	if a, b := plain.Name("5µs"), plain.Name("5us"); a == b || full.Name("5µs") != "5µs" {
		t.Errorf("the names are %q and %q", a, b)
	}
	cpu, _ := result.MetricOf("server-cpu")
	if a, b := plain.Metric(cpu).Measure(), full.Metric(cpu).Measure(); a != "us/message" || b != "µs/message" {
		t.Errorf("the units are %q and %q", a, b)
	}
	if a, b := plain.Paint(text.Bold, "x"), full.Paint(text.Bold, "x"); a != "x" || b != "\x1b[1mx\x1b[0m" {
		t.Errorf("painted: %q and %q", a, b)
	}
	if got := full.Paint(text.Better, "") + full.Paint(text.Plain, "x"); got != "x" {
		t.Errorf("nothing to paint becomes %q", got)
	}
}
