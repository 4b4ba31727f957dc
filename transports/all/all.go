// Package all is the list of all transports.
//
// It only creates them: what a transport is, its Way says.
package all

import (
	"fmt"
	"strings"

	"pushpull/transports"
	"pushpull/transports/longpoll"
	"pushpull/transports/longpollscan"
	"pushpull/transports/shortpoll"
	"pushpull/transports/sse"
	"pushpull/transports/typo"
	"pushpull/transports/websocket"
)

// An entry creates a transport. setting is the text after the @ in its spec; empty means the
// default. limits apply to its server's side.
type entry struct {
	name string
	make func(setting string, limits transports.Limits) (transports.Transport, error)
}

// list returns the transports in the order in which they are shown.
func list() []entry {
	return []entry{
		{shortpoll.Name, shortpoll.New},
		{longpoll.Name, longpoll.New},
		{longpollscan.Name, longpollscan.New},
		{sse.Name, sse.New},
		{websocket.Name, websocket.New},
		{websocket.NameLean, websocket.NewLean},
	}
}

// Names returns the names of all transports, in the order in which they are shown.
func Names() []string {
	var names []string
	for _, e := range list() {
		names = append(names, e.name)
	}
	return names
}

// Client returns the user's side of the transport that spec names, like "short-poll@5s". The text
// after the @ is the transport's one setting.
func Client(spec string) (transports.Client, error) {
	name, setting, given := strings.Cut(spec, "@")
	for _, e := range list() {
		if e.name != name {
			continue
		}
		if given && setting == "" {
			return nil, fmt.Errorf("bad transport %q: put a setting after the @, or leave it out", spec)
		}
		client, err := e.make(setting, transports.Limits{})
		if err != nil {
			return nil, fmt.Errorf("bad transport %q: %w", spec, err)
		}
		return client, nil
	}
	return nil, typo.Unknown("transport", name, Names())
}

// Endpoints returns the server's side of every transport by name. They have the default settings, as
// users send theirs with each request.
func Endpoints(limits transports.Limits) map[string]transports.Endpoint {
	endpoints := map[string]transports.Endpoint{}
	for _, e := range list() {
		endpoint, err := e.make("", limits)
		if err != nil {
			panic(err) // can't happen: TestEndpoints creates all
		}
		endpoints[e.name] = endpoint
	}
	return endpoints
}
