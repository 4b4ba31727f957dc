package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
)

// aboutServerAt is the part of a command's help on several running servers.
const aboutServerAt = `--server-at names several running servers, over all of which the users are spread as --spread says: the members of a room, if
the servers share a store, or the rooms. Their stats are added up.`

// targetsOptions are the flags that name running servers.
type targetsOptions struct {
	target string
	at     []string
}

func (o *targetsOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.target, "target", "", "`URL` a running server to measure, instead of a new one for each window")
	listVar(f, &o.at, "server-at", "`URLS` running servers that share the users, with commas between them")
}

// given reports whether running servers are named.
func (o *targetsOptions) given() bool { return o.target != "" || len(o.at) > 0 }

// flag returns the flag that names them.
func (o *targetsOptions) flag() string {
	if len(o.at) > 0 {
		return "--server-at"
	}
	return "--target"
}

// all returns their addresses.
func (o *targetsOptions) all() []string {
	if o.target != "" {
		return []string{o.target}
	}
	return o.at
}

// servers returns how many there are.
func (o *targetsOptions) servers() int { return len(o.all()) }

// urls reports whether there is a URL among them.
func (o *targetsOptions) urls() bool { return slices.ContainsFunc(o.all(), isURL) }

// far reports whether any of them is not reached over IPv4 on loopback.
func (o *targetsOptions) far() bool {
	return slices.ContainsFunc(o.all(), func(address string) bool {
		u, err := loadgen.ParseTarget(address)
		return err == nil && !wire.Loopback(u)
	})
}

// validate checks the flags together with those for servers that are started.
func (o *targetsOptions) validate(started serversOptions) error {
	switch {
	case o.target != "" && len(o.at) > 0:
		return errors.New("--target names one running server and --server-at several: leave out one of them")
	case o.given() && started.heartbeat != 0:
		return fmt.Errorf("%s names running servers, whose heartbeat is a flag of pushpull serve: leave out --heartbeat", o.flag())
	case o.given() && started.spread() && o.servers() == 1:
		return errors.New("--spread rooms is for several servers: name them with --server-at")
	}
	for i, address := range o.at {
		if slices.Contains(o.at[:i], address) {
			return fmt.Errorf("--server-at names %s twice: leave out one", shown(address))
		}
	}
	return nil
}

// reach returns the running servers that are named, and checks that each answers, and that all run the same program.
func (o *targetsOptions) reach(ctx context.Context, authorities *x509.CertPool) (all targets, err error) {
	for _, address := range o.all() {
		one, err := reach(ctx, strings.TrimPrefix(o.flag(), "--"), address, authorities)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) > 1 {
		return all, all.alike(ctx)
	}
	return all, nil
}

// targets are the running servers that a run measures; none: it starts servers.
type targets []*target

// alike returns an error if two of the servers say that they run different programs. Servers that don't say what they
// run are left alone.
func (t targets) alike(ctx context.Context) error {
	first, said := "", ""
	for _, one := range t {
		program, err := loadgen.ProgramAt(ctx, one.url, one.authorities)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || program == "":
		case said == "":
			first, said = one.asked, program
		case program != said:
			return fmt.Errorf("the servers at %s and %s run different programs: start the same version of pushpull on both", first, one.asked)
		}
	}
	return nil
}

// side returns the side of a run that measures them.
func (t targets) side(spread bool) loadgen.Side {
	side := t[0].side()
	side.Spread = spread
	for _, other := range t[1:] {
		side.Others = append(side.Others, other.url)
	}
	return side
}

// describe enters the servers into the scenario that a result keeps.
func (t targets) describe(s *result.Scenario) {
	var asked, led []string
	redirected := false
	for _, one := range t {
		redirected = redirected || one.led != ""
		asked = append(asked, one.asked)
		led = append(led, cmp.Or(one.led, one.asked))
	}
	s.Target = strings.Join(asked, ", ")
	if redirected {
		s.Redirected = strings.Join(led, ", ")
	}
}
