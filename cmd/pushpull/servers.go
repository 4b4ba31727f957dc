package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/store"
)

// aboutSpread is the part of a command's help on servers that share the users.
const aboutSpread = `--servers starts several servers. They share a store, and the members of each room are spread over them. With
--spread rooms each room is on one server instead, so the servers share nothing, and each may keep its messages in memory.`

// serversOptions are the flags that say how many servers share the users, how, and how they are set. The zero value,
// without flags, is one.
type serversOptions struct {
	n         int
	by        string
	heartbeat time.Duration // 0: the default of serve
}

// The values of --spread.
const (
	spreadMembers = "members"
	spreadRooms   = result.SpreadRooms
)

func (o *serversOptions) addFlags(f *pflag.FlagSet) {
	intVar(f, &o.n, "servers", 1, "`N` how many servers share the users")
	o.by = spreadMembers
	f.Var(&value[string]{&o.by, readSpread, func(text string) string { return text }, "spread"}, "spread",
		"`members|rooms` how: the members of a room are on all servers, which share a store, or each room is on one")
	durationVar(f, &o.heartbeat, "heartbeat", 0, "`TIME` between two signs of life of the servers on each stream, as of serve (default "+result.SecondsOf(transports.Heartbeat).String()+")")
	f.Lookup("heartbeat").DefValue = ""
}

func readSpread(text string) (string, error) {
	if text != spreadMembers && text != spreadRooms {
		return "", fmt.Errorf("must be %s or %s, not %q", spreadMembers, spreadRooms, text)
	}
	return text, nil
}

// spread reports whether each room is on one server.
func (o serversOptions) spread() bool { return o.by == spreadRooms }

// placed reports whether a flag says how many servers there are, or what is spread over them.
func (o serversOptions) placed() bool { return o.n != 1 || o.spread() }

// given reports whether a flag has another value than without it.
func (o serversOptions) given() bool { return o.placed() || o.heartbeat != 0 }

// validate returns an error if so many servers can't be started, or can't share each of the stores.
func (o serversOptions) validate(stores ...string) error {
	switch {
	case o.n < 1 || o.n > 100:
		return fmt.Errorf("--servers must be 1 to 100, not %d", o.n)
	case o.heartbeat != 0 && (o.heartbeat < time.Millisecond || o.heartbeat > time.Hour):
		return errors.New("--heartbeat must be 1ms to 1h")
	case o.n == 1 && o.spread():
		return errors.New("--spread rooms is for several servers: say how many with --servers")
	}
	for _, address := range stores {
		if err := store.Validate(address); err != nil {
			return fmt.Errorf("bad --store: %w", err)
		}
		if o.n == 1 || o.spread() {
			continue
		}
		if err := store.ValidateShared(address); err != nil {
			return fmt.Errorf("--servers %d need a --store that they can share: %w, or --spread rooms", o.n, err)
		}
	}
	return nil
}

// describe enters the servers that are started, and their store, into the scenario that a result keeps.
func (o serversOptions) describe(s *result.Scenario, store string) {
	s.Store, s.Servers, s.Heartbeat = store, o.n, result.SecondsOf(o.heartbeat)
	if o.spread() {
		s.Spread = o.by
	}
}

// serversOf returns the servers that a scenario describes.
func serversOf(s result.Scenario) serversOptions {
	return serversOptions{max(1, s.Servers), s.Spread, s.Heartbeat.Duration()}
}

// flags returns the flags of serve that set the servers.
func (o serversOptions) flags() []string {
	if o.heartbeat == 0 {
		return nil
	}
	return []string{"--heartbeat", o.heartbeat.String()}
}

// layout returns what carries a load on these servers, that users reach as access says.
func (o serversOptions) layout(access variant, against *foreigns) loadgen.Layout {
	return loadgen.Layout{
		Servers: o.n, Spread: o.spread(), Proxied: access.via != "", HTTP2: access.http == http2, Against: against.all(),
	}
}
