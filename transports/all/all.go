// Package all is the one list of transports.
//
// It makes them and knows nothing else about them.
package all

import (
	"fmt"
	"strings"
	"time"

	"pushpull/transports"
	"pushpull/transports/longpoll"
	"pushpull/transports/longpollscan"
	"pushpull/transports/shortpoll"
	"pushpull/transports/websocket"
)

// An entry makes a transport. The duration is the one interval that matters to it, 0 its default.
type entry struct {
	name     string
	interval string        // what the duration is called; empty: it takes none
	usual    time.Duration // the default
	make     func(time.Duration, transports.Limits) transports.Transport
}

func list() []entry {
	return []entry{
		{shortpoll.Name, "poll interval", shortpoll.DefaultInterval, func(d time.Duration, l transports.Limits) transports.Transport {
			return shortpoll.Transport{Interval: d, Limits: l}
		}},
		{longpoll.Name, "hold", longpoll.DefaultHold, func(d time.Duration, l transports.Limits) transports.Transport {
			return longpoll.Transport{Hold: d, Limits: l}
		}},
		{longpollscan.Name, "scan interval", longpollscan.DefaultScan, func(d time.Duration, l transports.Limits) transports.Transport {
			return longpollscan.Transport{Scan: d, Limits: l}
		}},
		{websocket.Name, "", 0, func(_ time.Duration, l transports.Limits) transports.Transport {
			return websocket.Transport{Limits: l}
		}},
	}
}

// Names returns the names of all transports, in the order in which they are listed to people.
func Names() []string {
	var names []string
	for _, e := range list() {
		names = append(names, e.name)
	}
	return names
}

// New makes the transport that spec names, like "short-poll@5s": what follows the @ is the one
// interval that matters to it. limits are those of its server's side.
func New(spec string, limits transports.Limits) (transports.Transport, error) {
	e, interval, err := parse(spec)
	if err != nil {
		return nil, err
	}
	return e.make(interval, limits), nil
}

// Interval returns the one interval that matters to the transport that spec names: its poll
// interval, hold or scan interval. 0 means that it has none.
func Interval(spec string) (time.Duration, error) {
	_, interval, err := parse(spec)
	return interval, err
}

func parse(spec string) (entry, time.Duration, error) {
	name, value, timed := strings.Cut(spec, "@")
	for _, e := range list() {
		if e.name != name {
			continue
		}
		if !timed {
			return e, e.usual, nil
		}
		if e.interval == "" {
			return entry{}, 0, fmt.Errorf("bad transport %q: %s takes no interval", spec, name)
		}
		interval, err := time.ParseDuration(value)
		if err != nil || interval < time.Millisecond || interval > time.Hour {
			return entry{}, 0, fmt.Errorf("bad transport %q: the %s must be a time from 1ms to 1h, like %s@%v", spec, e.interval, name, e.usual)
		}
		return e, interval, nil
	}
	return entry{}, 0, fmt.Errorf("unknown transport %q: use %s", name, strings.Join(Names(), ", "))
}
