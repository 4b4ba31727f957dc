package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/transports/store"
)

// A variant is one of the set-ups that a run lays side by side, on servers of its own.
type variant struct {
	name  string // of its side and of its directory; "" if it is the only one
	store int    // index of its store in runOptions.stores
	tls   bool
}

// describe enters the variant into the scenario that a result keeps.
func (v variant) describe(s *result.Scenario, o *runOptions) {
	s.Store, s.Servers, s.TLS = store.Kind(o.stores[v.store]), o.servers, v.tls
}

// The values of --tls of a run.
const (
	tlsBoth = "both" // without a value
	tlsOnly = "only"
)

// validateTLS checks --tls.
func (o *runOptions) validateTLS() error {
	switch {
	case !slices.Contains([]string{"", tlsBoth, tlsOnly}, o.tls):
		return fmt.Errorf("bad --tls=%s: write --tls to compare with and without, or --tls=only", o.tls)
	case o.tls != "" && o.target != "":
		return errors.New("--tls is for the servers that the run starts: leave it out, and write https:// in --target")
	case o.tls != "" && o.against.only:
		return errors.New("--tls is for pushpull's own server, which --only-against leaves out: leave out one of them")
	}
	return nil
}

// variants returns what the run lays side by side: each store, without and with TLS. The options must be valid.
func (o *runOptions) variants() []variant {
	stores := storeNames(o.stores)
	secured := []bool{o.tls == tlsOnly}
	if o.tls == tlsBoth {
		secured = []bool{false, true}
	}
	var all []variant
	for i, name := range stores {
		for _, tls := range secured {
			words := []string{name}
			if len(secured) > 1 {
				words = append(words, map[bool]string{false: "plain", true: "tls"}[tls])
			}
			words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
			all = append(all, variant{name: strings.Join(words, "-"), store: i, tls: tls})
		}
	}
	return all
}

// variantNames returns the names of the variants, which are those of their directories too.
func variantNames(all []variant) (names []string) {
	for _, v := range all {
		names = append(names, v.name)
	}
	return names
}
