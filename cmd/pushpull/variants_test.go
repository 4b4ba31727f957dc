package main

import (
	"reflect"
	"testing"
)

func TestVariants(t *testing.T) {
	for name, tc := range map[string]struct {
		o    runOptions
		want []variant
	}{
		"one":  {runOptions{stores: []string{"memory:"}}, []variant{{"", 0, false}}},
		"only": {runOptions{stores: []string{"memory:"}, tls: tlsOnly}, []variant{{"", 0, true}}},
		"both": {runOptions{stores: []string{"memory:"}, tls: tlsBoth}, []variant{{"plain", 0, false}, {"tls", 0, true}}},
		"stores with and without": {
			runOptions{stores: []string{"memory:", "sqlite:a.db"}, tls: tlsBoth},
			[]variant{{"memory-plain", 0, false}, {"memory-tls", 0, true}, {"sqlite-plain", 1, false}, {"sqlite-tls", 1, true}},
		},
	} {
		if got := tc.o.variants(); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
