package main

import (
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/proxy"
	"pushpull/loadgen/result"
)

// A variant is one of the set-ups that a run lays side by side, on servers of its own. Other commands have one.
type variant struct {
	name    string // of its side and of its directory; "" if it is the only one
	store   int    // index of its store in runOptions.stores
	tls     bool
	via     string // the kind of the proxy; "": none
	network network.Profile
	http    string // version; "": 1.1
}

// front makes the servers that a side starts speak TLS, as the variant says, and puts its proxy before them.
func (v variant) front(s *loadgen.Side, a *authority) error {
	if v.via != "" {
		s.Via = proxyCommand(v.via)
	}
	if v.tls {
		return a.secure(s)
	}
	return nil
}

// findProxy returns an error if the program of the proxy is missing.
func (v variant) findProxy() error {
	kind, ok := proxy.Find(v.via)
	if !ok {
		return nil
	}
	if _, err := kind.Path(); err != nil {
		return fmt.Errorf("--via %s: %w", v.via, err)
	}
	return nil
}

// reach makes the users of a side, also of a foreign one, reach its servers as the variant says.
func (v variant) reach(s *loadgen.Side) {
	if s.HTTP2 = v.http == http2; !v.network.IsNone() {
		s.Network, s.Relay = v.network, relayCommand()
	}
}

// reachAll returns the sides, whose users reach the servers as the variant says.
func (v variant) reachAll(sides []loadgen.Side) []loadgen.Side {
	sides = slices.Clone(sides)
	for i := range sides {
		v.reach(&sides[i])
	}
	return sides
}

// describe enters the variant into the scenario that a result keeps. started says that pushpull's own servers were
// started.
func (v variant) describe(s *result.Scenario, started bool) {
	s.Network, s.HTTP = v.network, v.http
	if started {
		s.TLS, s.Via = v.tls, v.via
	}
}

// described returns the variant that describe has entered.
func described(s result.Scenario) variant {
	return variant{tls: s.TLS, via: s.Via, network: s.Network, http: s.HTTP}
}

// lacking returns those of a scenario's transports that can't be measured because of how the users of a variant speak.
func (v variant) lacking(s loadgen.Scenario, against *foreigns) []result.Lack {
	o := loadgen.Options{Sides: []loadgen.Side{{}}, Against: v.reachAll(against.all())}
	v.reach(&o.Sides[0])
	return o.Lacking(0, s)
}

// measurable returns the transports of a scenario without those that their servers lack, and those of lacking.
func (v variant) measurable(s loadgen.Scenario, against *foreigns) []string {
	if resolved, err := against.resolved(s); err == nil {
		s = resolved
	}
	s.Lacking = append(s.Lacking, v.lacking(s, against)...)
	return s.Measured()
}

// A choice is the values of one flag that variants differ in.
type choice struct {
	flag string
	n    int                                   // how many values; at least one
	set  func(v *variant, i int) (name string) // sets value i; the name may be ""
}

// choices returns the choices of the run, whose options must be valid.
func (o *runOptions) choices(networks []network.Profile) []choice {
	stores, ways := storeNames(o.stores), networkNames(networks)
	return append([]choice{
		{"store", len(stores), func(v *variant, i int) string {
			v.store = i
			return stores[i]
		}},
		{"network", max(1, len(networks)), func(v *variant, i int) string {
			if len(networks) == 0 {
				return ""
			}
			v.network = networks[i]
			return ways[i]
		}},
	}, o.access.choices()...)
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
