package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen/input"
	"pushpull/report/cost"
	"pushpull/transports/typo"
)

// prices is the flag --price.
type prices map[string]float64

var _ pflag.Value = (*prices)(nil)

// tariffs returns the names of what may have a price, in the order of the help.
func tariffs() (names []string) {
	for _, t := range new(cost.Price).Tariffs() {
		names = append(names, t.Name)
	}
	return names
}

func (p *prices) Set(text string) error {
	words, err := input.List(text)
	if err != nil {
		return err
	}
	names := tariffs()
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return fmt.Errorf("write %.40q like cpu-hour=0.04", word)
		}
		if !slices.Contains(names, name) {
			return typo.Unknown("price", name, names)
		}
		x, err := input.Float(value)
		if err != nil || !(x >= 0 && x <= 1e9) {
			return fmt.Errorf("the price of %s must be a number from 0 on, like 0.04, not %.40q", name, value)
		}
		if _, twice := (*p)[name]; twice {
			return fmt.Errorf("%s has two prices: give one", name)
		}
		if *p == nil {
			*p = prices{}
		}
		(*p)[name] = x
	}
	return nil
}

func (p *prices) String() string {
	var words []string
	for _, name := range tariffs() {
		if x, ok := (*p)[name]; ok {
			words = append(words, name+"="+strconv.FormatFloat(x, 'g', -1, 64))
		}
	}
	return strings.Join(words, ",")
}

// Type returns what kind of value the flag has.
func (*prices) Type() string { return "prices" }
