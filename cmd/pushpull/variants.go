package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/proxy"
	"pushpull/loadgen/result"
	"pushpull/transports/store"
	"pushpull/transports/typo"
)

// A variant is one of the set-ups that a run lays side by side, on servers of its own.
type variant struct {
	name  string // of its side and of its directory; "" if it is the only one
	store int    // index of its store in runOptions.stores
	tls   bool
	via   string // the kind of the proxy; "": none
}

// describe enters the variant into the scenario that a result keeps.
func (v variant) describe(s *result.Scenario, o *runOptions) {
	s.Store, s.Servers, s.TLS, s.Via = store.Kind(o.stores[v.store]), o.servers, v.tls, v.via
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

// noProxy is the value of --via for users that connect to the server itself.
const noProxy = "none"

// proxies returns the values of --via.
func proxies() []string { return append([]string{noProxy}, proxy.Names()...) }

// findProxies returns an error if the program of a proxy is missing.
func (o *runOptions) findProxies() error {
	for _, name := range o.via {
		if kind, ok := proxy.Find(name); ok {
			if _, err := kind.Path(); err != nil {
				return fmt.Errorf("--via %s: %w", name, err)
			}
		}
	}
	return nil
}

// validateVia checks --via.
func (o *runOptions) validateVia() error {
	for i, name := range o.via {
		_, ok := proxy.Find(name)
		switch {
		case slices.Contains(o.via[:i], name):
			return fmt.Errorf("--via %s stands there twice: leave out one", name)
		case name != noProxy && !ok:
			return fmt.Errorf("bad --via: %w", typo.Unknown("proxy", name, proxies()))
		}
	}
	switch {
	case len(o.via) == 0:
		return nil
	case o.target != "":
		return errors.New("--via is for the servers that the run starts: leave it out, and name the proxy in --target")
	case o.against.only:
		return errors.New("--via is for pushpull's own server, which --only-against leaves out: leave out one of them")
	case len(o.against.named) > 0 && len(o.via) > 1:
		return errors.New("--against is measured beside one set-up: leave out the others of --via, or --against")
	}
	return nil
}

// variants returns what the run lays side by side: each store, without and with TLS, through each proxy. The options must be
// valid.
func (o *runOptions) variants() []variant {
	stores := storeNames(o.stores)
	secured := []bool{o.tls == tlsOnly}
	if o.tls == tlsBoth {
		secured = []bool{false, true}
	}
	proxies := o.via
	if len(proxies) == 0 {
		proxies = []string{noProxy}
	}
	var all []variant
	for i, name := range stores {
		for _, tls := range secured {
			for _, via := range proxies {
				v := variant{store: i, tls: tls}
				words := []string{name}
				if len(secured) > 1 {
					words = append(words, map[bool]string{false: "plain", true: "tls"}[tls])
				}
				if len(proxies) > 1 {
					words = append(words, map[bool]string{false: via, true: "direct"}[via == noProxy])
				}
				if via != noProxy {
					v.via = via
				}
				v.name = strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), "-")
				all = append(all, v)
			}
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
