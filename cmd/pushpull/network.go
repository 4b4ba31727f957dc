package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"pushpull/loadgen/network"
)

// aboutNetwork is the part of a command's help on networks.
var aboutNetwork = `--network puts a network between the users and the servers, in place of the scenario's: none, one of

` + network.Usage() + `

or one of your own, like
'` + network.Example + `'.
What is left out has no delay, limit or loss. Half of the round trip is the delay each way, and the
round trip varies by the jitter, more or less. Each connection has the bandwidth for itself, and
connecting takes a round trip. A lost segment of TCP is sent again, and what follows waits for it.
The delay is a relay's, a process of its own, on top of that of the way to the server.`

// A networksValue is the flag of the network of a scenario, which may be given several times. The scenario gets the
// first one that needs a relay.
type networksValue struct {
	to  *network.Profile
	all *[]network.Profile
}

var _ pflag.Value = (*networksValue)(nil)

func (v *networksValue) Set(text string) error {
	p, err := network.Parse(text)
	if err != nil {
		return err
	}
	if slices.Contains(*v.all, p) {
		return fmt.Errorf("%s is there twice: leave one out", p)
	}
	if *v.all = append(*v.all, p); v.to.IsNone() {
		*v.to = p
	}
	return nil
}

func (v *networksValue) String() string {
	if v.to == nil {
		return ""
	}
	return v.to.String()
}

// Type returns what kind of value the flag has.
func (*networksValue) Type() string { return "network" }

// texts returns the networks as they are written.
func (v *networksValue) texts() (all []string) {
	for _, p := range *v.all {
		all = append(all, p.String())
	}
	return all
}

// networkNames returns the names of the variants over the networks, which are those of their directories too.
func networkNames(networks []network.Profile) (names []string) {
	for _, p := range networks {
		name := p.Label()
		for n := 2; slices.Contains(names, name); n++ {
			name = fmt.Sprintf("%s-%d", p.Label(), n)
		}
		names = append(names, name)
	}
	return names
}

// networkVar adds the flag --network with its help. several says that networks are compared.
func networkVar(f *pflag.FlagSet, v networksValue, usage string, several bool) {
	if several {
		usage += "; repeat it to compare networks"
	}
	f.Var(&v, networkFlag, usage)
	f.Lookup(networkFlag).DefValue = "" // the default is the scenario's
}

// networkFlag is the key of the knob of a network, and the name of its flag.
const networkFlag = "network"

// oneNetwork returns an error if several networks are given to a command that compares none.
func oneNetwork(all []network.Profile) error {
	if len(all) > 1 {
		return errors.New("--network can be given once: only pushpull run compares networks")
	}
	return nil
}
