package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/input"
	"pushpull/loadgen/network"
	"pushpull/loadgen/proxy"
	"pushpull/loadgen/result"
	"pushpull/transports/store"
	"pushpull/transports/typo"
)

// A variant is one of the set-ups that a run lays side by side, on servers of its own.
type variant struct {
	name    string // of its side and of its directory; "" if it is the only one
	store   int    // index of its store in runOptions.stores
	tls     bool
	via     string // the kind of the proxy; "": none
	network network.Profile
	http    string // version; "": 1.1
}

// reach makes the users of a side, also of a foreign one, reach its servers as the variant says.
func (v variant) reach(s *loadgen.Side) {
	s.HTTP2 = v.http == http2
	*s = overNetwork([]loadgen.Side{*s}, v.network)[0]
}

// describe enters the variant into the scenario that a result keeps. started says that the run starts pushpull's own servers.
func (v variant) describe(s *result.Scenario, o *runOptions, started bool) {
	s.Network, s.HTTP = v.network, v.http
	if started {
		s.Store, s.Servers, s.TLS, s.Via = store.Kind(o.stores[v.store]), o.servers, v.tls, v.via
	}
}

// A choice is the values of one flag that variants differ in.
type choice struct {
	flag string
	n    int                                   // how many values; at least one
	set  func(v *variant, i int) (name string) // sets value i; the name may be ""
}

// choices returns the choices of the run, whose options must be valid.
func (o *runOptions) choices(networks []network.Profile) []choice {
	secured := []bool{o.tls == tlsOnly}
	if o.tls == tlsBoth {
		secured = []bool{false, true}
	}
	stores, ways := storeNames(o.stores), networkNames(networks)
	return []choice{
		{"store", len(stores), func(v *variant, i int) string {
			v.store = i
			return stores[i]
		}},
		{"tls", len(secured), func(v *variant, i int) string {
			v.tls = secured[i]
			return map[bool]string{false: "plain", true: "tls"}[v.tls]
		}},
		{"via", max(1, len(o.via)), func(v *variant, i int) string {
			if len(o.via) == 0 || o.via[i] == noProxy {
				return "direct"
			}
			v.via = o.via[i]
			return v.via
		}},
		{"network", max(1, len(networks)), func(v *variant, i int) string {
			if len(networks) == 0 {
				return ""
			}
			v.network = networks[i]
			return ways[i]
		}},
		{"http", max(1, len(o.http)), func(v *variant, i int) string {
			if len(o.http) == 0 {
				return ""
			}
			if o.http[i] != http1 {
				v.http = o.http[i]
			}
			return "http-" + o.http[i]
		}},
	}
}

// variantsOf returns the variants: all combinations of the values of all choices. The names say what differs.
func variantsOf(choices []choice) []variant {
	all := []variant{{}}
	for _, c := range choices {
		var next []variant
		for _, v := range all {
			for i := range c.n {
				one := v
				if name := c.set(&one, i); c.n > 1 && name != "" {
					one.name = strings.TrimPrefix(one.name+"-"+name, "-")
				}
				next = append(next, one)
			}
		}
		all = next
	}
	return all
}

// namesOf returns the names of the variants, which are those of their directories too.
func namesOf(all []variant) (names []string) {
	for _, v := range all {
		names = append(names, v.name)
	}
	return names
}

// The versions of HTTP that users may speak.
const http1, http2 = "1.1", "2"

// versionsVar adds a flag for versions of HTTP, as a list with commas.
func versionsVar(f *pflag.FlagSet, to *[]string, name, usage string) {
	read := func(text string) ([]string, error) {
		versions, err := input.List(text)
		for i, version := range versions {
			switch {
			case version != http1 && version != http2:
				return nil, fmt.Errorf("must be %s, %s or both with a comma, not %q", http1, http2, version)
			case slices.Contains(versions[:i], version):
				return nil, fmt.Errorf("names %s twice", version)
			}
		}
		return versions, err
	}
	f.Var(&value[[]string]{to, read, func(versions []string) string { return strings.Join(versions, ",") }, "versions"}, name, usage)
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
	}
	return nil
}
