package main

import (
	"fmt"
	"slices"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

// A variant is a way to reach or to run the servers. With several of them, every transport is measured on each, and the
// results are shown side by side.
type variant struct {
	name  string                 // of its result, in a table and as a directory
	apply func(*loadgen.Side)    // to every side, foreign ones too
	keep  func(*result.Scenario) // what the result keeps of it
}

// A choice is the variants that one flag names, in order. Without any the flag was not given.
type choice struct {
	flag     string
	variants []variant
}

// choices are the flags that name variants. At most one of them, --store included, may name several.
func (o *runOptions) choices(networks []network.Profile) ([]choice, error) {
	overHTTP, err := httpVariants(o.http)
	return []choice{{"store", storeVariants(o.stores)}, {"network", networkVariants(networks)}, {"http", overHTTP}}, err
}

// varied returns the choice with several variants; its zero value if no choice has several. The error names two that do.
func varied(all []choice) (several choice, err error) {
	for _, c := range all {
		switch {
		case len(c.variants) < 2:
		case len(several.variants) > 0:
			return c, fmt.Errorf("--%s and --%s both name several: repeat one of them", several.flag, c.flag)
		default:
			several = c
		}
	}
	return several, nil
}

// variants returns what a run measures side by side: those of the choice that has several, each with what the other
// choices ask for. A run without any has one, with the name "".
func variantsOf(all []choice) []variant {
	several, _ := varied(all) // validate has reported the error
	if len(several.variants) == 0 {
		several.variants = []variant{{}}
	}
	var out []variant
	for _, v := range several.variants {
		chosen := []variant{v}
		for _, c := range all {
			if len(c.variants) == 1 {
				chosen = append(chosen, c.variants[0])
			}
		}
		out = append(out, variant{
			name: v.name,
			apply: func(s *loadgen.Side) {
				for _, c := range chosen {
					if c.apply != nil {
						c.apply(s)
					}
				}
			},
			keep: func(s *result.Scenario) {
				for _, c := range chosen {
					if c.keep != nil {
						c.keep(s)
					}
				}
			},
		})
	}
	return out
}

// namesOf returns the names of variants.
func namesOf(all []variant) []string {
	var names []string
	for _, v := range all {
		names = append(names, v.name)
	}
	return names
}

// The versions of HTTP that users may speak.
const http1, http2 = "1.1", "2"

// httpVariants returns the variants of --http.
func httpVariants(versions []string) (all []variant, err error) {
	for i, version := range versions {
		switch {
		case version != http1 && version != http2:
			return nil, fmt.Errorf("--http must be %s or %s, not %q", http1, http2, version)
		case slices.Contains(versions[:i], version):
			return nil, fmt.Errorf("--http names %s twice", version)
		}
		all = append(all, variant{
			name:  "http-" + version,
			apply: func(s *loadgen.Side) { s.HTTP2 = version == http2 },
			keep: func(s *result.Scenario) {
				if s.HTTP = ""; version != http1 {
					s.HTTP = version
				}
			},
		})
	}
	return all, nil
}
