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
		"one":  {runOptions{stores: []string{"memory:"}}, []variant{{"", 0, false, ""}}},
		"only": {runOptions{stores: []string{"memory:"}, tls: tlsOnly}, []variant{{"", 0, true, ""}}},
		"both": {runOptions{stores: []string{"memory:"}, tls: tlsBoth}, []variant{{"plain", 0, false, ""}, {"tls", 0, true, ""}}},
		"stores with and without": {
			runOptions{stores: []string{"memory:", "sqlite:a.db"}, tls: tlsBoth},
			[]variant{{"memory-plain", 0, false, ""}, {"memory-tls", 0, true, ""}, {"sqlite-plain", 1, false, ""}, {"sqlite-tls", 1, true, ""}},
		},
		"proxies": {
			runOptions{stores: []string{"memory:"}, via: []string{"none", "nginx"}},
			[]variant{{"direct", 0, false, ""}, {"nginx", 0, false, "nginx"}},
		},
		"one proxy": {runOptions{stores: []string{"memory:"}, via: []string{"nginx"}}, []variant{{"", 0, false, "nginx"}}},
		"proxies with TLS alone": {
			runOptions{stores: []string{"memory:"}, via: []string{"nginx", "haproxy"}, tls: tlsOnly},
			[]variant{{"nginx", 0, true, "nginx"}, {"haproxy", 0, true, "haproxy"}},
		},
	} {
		if got := tc.o.variants(); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
