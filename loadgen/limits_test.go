package loadgen

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"pushpull/transports/all"
	"pushpull/transports/process"
)

// knownFiles returns how many files this process may have; it skips the test where no limit of files is known.
func knownFiles(t *testing.T) (files int) {
	t.Helper()
	if files = process.FileLimit(); files == 0 || files > 1<<24 {
		if os.Getenv("PUSHPULL_CI") != "" {
			t.Fatal("CI must test the limit of its machine, and none is known")
		}
		t.Skip("no limit is known here")
	}
	return files
}

// TestMost checks that the number of users that Most returns fits, and one more doesn't, whatever carries the load.
func TestMost(t *testing.T) {
	files := knownFiles(t)
	if limit := ConnectionLimit(); limit.Of != OpenFiles || limit.Most != files {
		t.Errorf("%+v, want %d files", limit, files)
	}
	far := Layout{Running: true, Far: true}
	for _, transport := range all.Names() {
		for name, l := range map[string]Layout{
			"one": {}, "calls": {Calls: true}, "agents": {Agents: 3, Servers: 3}, "rooms": {Agents: 3, Servers: 4, Spread: true},
			"relay": {Relay: 2}, "proxy": {Proxied: true}, "far": far,
		} {
			s := small
			s.RoomSize, s.Senders, s.Transports = 10, 3, []string{transport}
			s.Users, _, _ = Most(s, l)
			if s.Users%10 != 0 || s.Users > 3*files {
				t.Errorf("%s, %s: %d users", transport, name, s.Users)
			}
			if err := CheckLimits(s, l); err != nil {
				t.Errorf("%s, %s: %v", transport, name, err)
			}
			if s.Users += 10; CheckLimits(s, l) == nil {
				t.Errorf("%s, %s: %d users fit", transport, name, s.Users)
			}
		}
	}
}

// TestShares counts the connections of the process that has most of them.
func TestShares(t *testing.T) {
	files := knownFiles(t)
	rooms := small // 1,000 rooms of 10, in which one member sends, often
	rooms.Users, rooms.RoomSize, rooms.Senders, rooms.Transports = 10_000, 10, 1, []string{"long-poll"}
	with := func(change func(s *Scenario)) Scenario {
		s := rooms
		change(&s)
		return s
	}
	duplex := with(func(s *Scenario) { s.Transports = []string{"websocket"} })
	own, quiet := ownOfServer(), with(func(s *Scenario) { s.Rate = .001 }) // 12 messages in all
	for name, c := range map[string]struct {
		s    Scenario
		l    Layout
		want map[string]int // files, by who has them
	}{
		"one of each":             {rooms, Layout{}, map[string]int{"this process may": 11_000 + reserved, "a server may": 11_000 + own}},
		"on one connection":       {duplex, Layout{}, map[string]int{"this process may": 10_000 + reserved, "a server may": 10_000 + own}},
		"over HTTP/2":             {rooms, Layout{HTTP2: true}, map[string]int{"this process may": 10_000 + reserved, "a server may": 10_000 + own}},
		"few messages":            {quiet, Layout{}, map[string]int{"this process may": 10_004 + reserved, "a server may": 10_004 + own}},
		"few messages, and calls": {quiet, Layout{Calls: true}, map[string]int{"this process may": 11_000 + reserved, "a server may": 11_000 + own}},
		"rooms in shares": {rooms, Layout{Agents: 3, Servers: 4, Spread: true}, map[string]int{
			"each of 3 agents may": 334*11 + reserved, "each of 4 servers may": 250*11 + own,
		}},
		"members in agents": {with(func(s *Scenario) { s.RoomSize, s.Senders = 5000, 10 }), Layout{Agents: 3, Running: true}, map[string]int{
			"each of 3 agents may": 2*1667 + 2*4 + reserved,
		}},
		"members in shares": {rooms, Layout{Servers: 4}, map[string]int{ // senders are users 0, 10, 20: on servers 0 and 2 alone
			"this process may": 11_000 + reserved, "each of 4 servers may": 2500 + 500 + own,
		}},
		"all senders on one server": {rooms, Layout{Servers: 5}, map[string]int{
			"this process may": 11_000 + reserved, "each of 5 servers may": 2000 + 1000 + own,
		}},
		"through a relay": {rooms, Layout{Relay: 2}, map[string]int{
			"this process may": 11_000 + reserved, "the relay may": 22_000 + reserved, "a server may": 11_000 + own,
		}},
		"over a network": {with(func(s *Scenario) { s.Network.RTTS = .1 }), Layout{Running: true}, map[string]int{
			"this process may": 11_000 + reserved, "the relay may": 22_000 + reserved,
		}},
		"through proxies": {rooms, Layout{Servers: 2, Spread: true, Proxied: true}, map[string]int{
			"this process may": 11_000 + reserved, "each of 2 servers may": 5500 + own, "a proxy may": 11_000 + reserved,
		}},
		"generators elsewhere": {rooms, Layout{Elsewhere: true}, map[string]int{"a server may": 11_000 + own}},
		"servers elsewhere":    {rooms, Layout{Running: true}, map[string]int{"this process may": 11_000 + reserved}},
		"another server": {with(func(s *Scenario) { s.Transports = []string{"other/sse"} }), Layout{Running: true}, map[string]int{
			"this process may": 20_000 + reserved,
		}},
	} {
		got := map[string]int{}
		for _, n := range c.l.needs(c.s) {
			if n.of == OpenFiles {
				got[n.who] = n.amount
				if n.most != files {
					t.Errorf("%s: %s have %d", name, n.who, n.most)
				}
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPorts counts the ports of one address for one destination where they are what bounds connections.
func TestPorts(t *testing.T) {
	s := small
	s.Users, s.Transports = 1000, []string{"websocket"}
	for name, c := range map[string]struct {
		l    Layout
		want int
	}{
		"near": {Layout{}, 0}, "far": {Layout{Running: true, Far: true}, 1000 + reserved}, "on four": {Layout{Running: true, Far: true, Servers: 4}, 250 + reserved},
		"from a relay": {Layout{Relay: 2}, 1000 + reserved}, "from proxies": {Layout{Proxied: true, Servers: 4}, 250 + reserved},
	} {
		got := 0
		for _, n := range c.l.needs(s) {
			if n.of == LocalPorts {
				got = n.amount
			}
		}
		if got != c.want {
			t.Errorf("%s: %d ports, want %d", name, got, c.want)
		}
	}
}

// TestCrowd has so many agents and servers that all users fit, and not one fewer of either.
func TestCrowd(t *testing.T) {
	files := knownFiles(t)
	if files < 1000 || files > 1<<20 {
		t.Skipf("the numbers are those of other limits than %d files", files)
	}
	s := small
	s.RoomSize, s.Rate, s.Transports = 2, .001, []string{"websocket"}
	s.Users = 6 * files // 7 processes of each kind, as each needs some files for itself
	if need := s.Users * (ofUser + ofConnection) >> 20; need > freeMemory() {
		t.Skipf("%d users need %d MB", s.Users, need)
	}
	agents, servers, err := Crowd(s)
	if err != nil || agents != 7 || servers != 7 {
		t.Fatalf("%d agents and %d servers, %v", agents, servers, err)
	}
	fits := Layout{Agents: agents, Servers: servers, Spread: true}
	if err := CheckLimits(s, fits); err != nil {
		t.Error(err)
	}
	for name, l := range map[string]Layout{"agents": {Agents: 6, Servers: 7, Spread: true}, "servers": {Agents: 7, Servers: 6, Spread: true}} {
		if CheckLimits(s, l) == nil {
			t.Errorf("one fewer of the %s is enough, too", name)
		}
	}
	s.Users, s.RoomSize = 20, 0
	if agents, servers, err := Crowd(s); agents != 1 || servers != 1 || err != nil {
		t.Errorf("20 users need %d agents and %d servers, %v", agents, servers, err)
	}
	s.Users = 2 * files
	if _, _, err := Crowd(s); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("a room of %d users takes more than one server", s.Users)) || !strings.Contains(err.Error(), "--room-size") {
		t.Errorf("with one room: %v", err)
	}
	s.RoomSize, s.Users = 2, maxUsers
	s.Network.RTTS = .1
	if _, _, err := Crowd(s); err == nil || !strings.Contains(err.Error(), "the relay may have") || !strings.Contains(err.Error(), "use --users ") {
		t.Errorf("through a relay: %v", err)
	}
}

// TestLimitAdvice advises what would do it, and nothing that can't be done.
func TestLimitAdvice(t *testing.T) {
	files := knownFiles(t)
	if files < 1000 || files > 1<<20 {
		t.Skipf("the numbers are those of other limits than %d files", files)
	}
	raise := process.MayRaiseFiles(files + 1000)
	s := small
	s.RoomSize, s.Rate, s.Transports = 2, .001, []string{"websocket"}
	s.Users = 2 * files
	for name, c := range map[string]struct {
		l    Layout
		want string // without the number of users
	}{
		"no flag":        {Layout{}, "this process may have %d: use --users "},
		"any":            {Layout{Scalable: true}, "this process may have %d: use --agents auto, or --users "},
		"few servers":    {Layout{Scalable: true, Agents: 3}, "a server may have %d: use --servers 3 --spread rooms, or --users "},
		"servers given":  {Layout{Scalable: true, Servers: 2, Spread: true}, "this process may have %d: use --agents auto --servers 3, or --users "},
		"few agents":     {Layout{Scalable: true, Agents: 2, Running: true}, "each of 2 agents may have %d: use --agents auto, or --users "},
		"through relays": {Layout{Scalable: true, Relay: 2}, "this process may have %d: use --users "},
	} {
		err := CheckLimits(s, c.l)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(c.want, files)) {
			t.Errorf("%s: %v, want %s", name, err, fmt.Sprintf(c.want, files))
			continue
		}
		if strings.Contains(err.Error(), "ulimit") != raise {
			t.Errorf("%s: %v, and the limit can be raised: %t", name, err, raise)
		}
	}
	few := Layout{Scalable: true}
	s.Users = 2 * few.most(s)
	if err := CheckLimits(s, few); err == nil || !regexp.MustCompile(`: use --agents auto --users \d+, or --users \d+`).MatchString(err.Error()) {
		t.Errorf("more than fit in any way: %v", err)
	}
	s.Users, s.RoomSize = 2*files, 0
	if err := CheckLimits(s, Layout{}); err == nil || !strings.Contains(err.Error(), "--users ") {
		t.Errorf("one room: %v", err)
	}
	s.RoomSize = s.Users
	if err := CheckLimits(s, Layout{}); err == nil || !strings.Contains(err.Error(), "not even one room fits") {
		t.Errorf("one large room: %v", err)
	}
}

// A user that never sends needs a connection to read on, and none beside it.
func TestConnectionsOfReaders(t *testing.T) {
	s := small
	s.Users, s.RoomSize, s.Senders = 1000, 10, 1
	for transport, want := range map[string]int{"short-poll@1s": 1100, "sse": 1100, "websocket": 1000, "other/long-poll": 2000} {
		if s.Transports = []string{transport}; Connections(s) != want {
			t.Errorf("%s: %d connections, want %d", transport, Connections(s), want)
		}
	}
}

// TestLimitWindows has room for so many windows, and for one in any case.
func TestLimitWindows(t *testing.T) {
	s := Scenario{Users: 20, RoomSize: 4, Transports: []string{"sse"}} // 40 connections, and as many files as are reserved
	for most, want := range map[int]int{0: 1, 100: 1, 64 + 3*104: 3, 64 + 4*104 - 1: 3} {
		if got := (Limit{Of: OpenFiles, Most: most}).Windows(s); got != want {
			t.Errorf("%d files are enough for %d windows, want %d", most, got, want)
		}
	}
	if got := (Limit{}).Windows(s); got < 1000 {
		t.Errorf("without a limit there are %d windows", got)
	}
}
