package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
)

// A value is a flag that is read as the same value in a scenario is: pflag's own numbers take 010 for 8
// and 1_000 for 1000, and its lists are CSV.
type value[T any] struct {
	to    *T
	read  func(string) (T, error)
	write func(T) string
	kind  string
}

var _ pflag.Value = (*value[int])(nil)

func (v *value[T]) Set(text string) error {
	x, err := v.read(text)
	if err != nil {
		return err
	}
	*v.to = x
	return nil
}

func (v *value[T]) String() string {
	if v.to == nil {
		return ""
	}
	return v.write(*v.to)
}

// Type returns what kind of value the flag has.
func (v *value[T]) Type() string { return v.kind }

// intVar adds a flag for a whole number.
func intVar(f *pflag.FlagSet, to *int, name string, usual int, usage string) {
	*to = usual
	f.Var(&value[int]{to, input.Int, strconv.Itoa, "int"}, name, usage)
}

// uintVar adds a flag for a whole number, 0 or more.
func uintVar(f *pflag.FlagSet, to *uint64, name, usage string) {
	f.Var(&value[uint64]{to, input.Uint, func(n uint64) string { return strconv.FormatUint(n, 10) }, "uint"}, name, usage)
}

// floatVar adds a flag for a number.
func floatVar(f *pflag.FlagSet, to *float64, name, usage string) {
	f.Var(&value[float64]{to, input.Float, func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }, "float"}, name, usage)
}

// durationVar adds a flag for a time.
func durationVar(f *pflag.FlagSet, to *time.Duration, name string, usual time.Duration, usage string) {
	*to = usual
	f.Var(&value[time.Duration]{to, input.Duration, func(d time.Duration) string { return result.SecondsOf(d).String() }, "duration"}, name, usage)
}

// listVar adds a flag for a list with commas, and blanks around them. If it is repeated, the lists are
// joined.
func listVar(f *pflag.FlagSet, to *[]string, name, usage string) {
	given := false
	read := func(text string) ([]string, error) {
		words, err := input.List(text)
		if given && err == nil {
			words = append(*to, words...)
		}
		given = given || err == nil
		return words, err
	}
	*to = nil
	f.Var(&value[[]string]{to, read, func(words []string) string { return strings.Join(words, ",") }, "list"}, name, usage)
}

// A share is a flag like 60% or 0.6.
type share float64

var _ pflag.Value = (*share)(nil)

func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	x, err := input.Float(number)
	if err != nil {
		return errors.New("must be a share, like 60% or 0.6")
	}
	if percent {
		x /= 100
	}
	*s = share(x)
	return nil
}

func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'g', 6, 64) + "%" }

// Type returns what kind of value the flag has.
func (*share) Type() string { return "share" }
