package input

import (
	"fmt"
	"math"
	"reflect"
	"testing"
)

// TestNumbers reads spellings of numbers that YAML 1.1, YAML 1.2, Go and people don't agree on. An
// empty want is an error.
func TestNumbers(t *testing.T) {
	const whole, natural, number, large = "must be a whole number, like 200", "must be a whole number, 0 or more, like 200",
		"must be a number, like 0.25", "must be a number that a computer can hold"
	for _, c := range []struct{ text, asInt, asUint, asFloat string }{
		{"0100", "100", "100", "100"}, // 64 in YAML 1.1 and in Go
		{"010", "10", "10", "10"},
		{"08", "8", "8", "8"},
		{"00", "0", "0", "0"},
		{"+5", "5", "5", "5"},
		{"-5", "-5", natural, "-5"},
		{"-0", "0", "0", "-0"},
		{"0o17", "15", "15", "15"},
		{"0x1F", "31", "31", "31"},
		{"0X1F", whole, natural, number},
		{"-0x1F", whole, natural, number},
		{"0O17", whole, natural, number},
		{"0o8", whole, natural, number},
		{"0b1", whole, natural, number},
		{"1_000", whole, natural, number},
		{"1,000", whole, natural, number},
		{"1e3", whole, natural, "1000"},
		{"5.0", whole, natural, "5"},
		{"5.", whole, natural, "5"},
		{".5", whole, natural, "0.5"},
		{".", whole, natural, number},
		{"1e", whole, natural, number},
		{"0x1p4", whole, natural, number},
		{"1:30", whole, natural, number}, // 90 in YAML 1.1
		{" 5", whole, natural, number},
		{"5 ", whole, natural, number},
		{"5\n", whole, natural, number},
		{"٥", whole, natural, number},
		{"", whole, natural, number},
		{"-", whole, natural, number},
		{"+-5", whole, natural, number},
		{"64k", whole, natural, number},
		{"NaN", whole, natural, number},
		{"inf", whole, natural, number},
		{".inf", whole, natural, "+Inf"},
		{"-.INF", whole, natural, "-Inf"},
		{".nan", whole, natural, "NaN"},
		{"1e999", whole, natural, large},
		{"18446744073709551615", large, "18446744073709551615", "1.8446744073709552e+19"},
		{"99999999999999999999", large, large, "1e+20"},
		{"0xfffffffffffffffff", large, large, large},
	} {
		said := func(x any, err error) string {
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(x)
		}
		if got := said(Int(c.text)); got != c.asInt {
			t.Errorf("Int(%q) is %s, want %s", c.text, got, c.asInt)
		}
		if got := said(Uint(c.text)); got != c.asUint {
			t.Errorf("Uint(%q) is %s, want %s", c.text, got, c.asUint)
		}
		if got := said(Float(c.text)); got != c.asFloat {
			t.Errorf("Float(%q) is %s, want %s", c.text, got, c.asFloat)
		}
	}
}

// TestRoundTrip reads numbers as Go writes them.
func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, -1, 100, math.MaxInt, math.MinInt} {
		if got, err := Int(fmt.Sprint(n)); err != nil || got != n {
			t.Errorf("%d is read as %d, %v", n, got, err)
		}
	}
	for _, x := range []float64{0, 1e-9, .1, 1e21, math.MaxFloat64} {
		if got, err := Float(fmt.Sprint(x)); err != nil || got != x {
			t.Errorf("%v is read as %v, %v", x, got, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"5s": "5s", "010s": "10s", "1m30s": "1m30s", ".5s": "500ms", "0": "0s", "-1s": "-1s", "5us": "5µs",
	} {
		if got, err := Duration(text); err != nil || got.String() != want {
			t.Errorf("%q is %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "5 s", " 5s", "5S", "1:30", "1_0s", "0x5s", "1e3s", "1d", "five", "9999999999h"} {
		if got, err := Duration(text); err != errTime {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestIsText(t *testing.T) {
	for text, want := range map[string]bool{
		"chat": true, "yes": true, "no": true, "on": true, "off": true, "1_000": true, "0b1": true, "1:30": true,
		"2026-03-01": true, "1.2.3": true, "nul": true, "x1": true,
		"1": false, "0100": false, "08": false, "1e3": false, ".5": false, "+.inf": false, ".NaN": false,
		"true": false, "FALSE": false, "null": false, "~": false, "": false, "99999999999999999999": false,
	} {
		if got := IsText(text); got != want {
			t.Errorf("%q is a text: %v", text, got)
		}
	}
}

func TestList(t *testing.T) {
	for text, want := range map[string][]string{
		"a": {"a"}, "a,b": {"a", "b"}, "a, b": {"a", "b"}, " a ,\tb ": {"a", "b"}, "a b,c": {"a b", "c"},
		`"a`: {`"a`},
	} {
		if got, err := List(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", ",", "a,", ",a", "a,,b", "a, ,b"} {
		if got, err := List(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}
