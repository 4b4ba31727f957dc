package loadgen

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/mem"

	"pushpull/transports"
	"pushpull/transports/process"
)

// A Layout says which processes carry a load, so that their limits are known. Its zero value is this process, and a
// server that it starts on this machine.
type Layout struct {
	Agents    int  // generators on this machine that share the users, as Plan.Part does; 0: this process, which has all
	Elsewhere bool // the generators are on other machines, whose limits are not known here

	Servers int  // that share the users; 0: one
	Spread  bool // each room is on one server, as with Side.Spread
	Running bool // the servers run already: their limits are not known here
	Far     bool // users don't reach them over IPv4 on loopback
	Proxied bool // before each server is a proxy, with two files for each connection

	Relay int  // files that a relay between users and servers has for each connection; 0: two if the scenario has a network
	Calls bool // every user that may send does; else only so many as there are messages
	HTTP2 bool // each user has one connection

	Scalable bool   // --agents auto, --servers and --spread can be advised
	Against  []Side // foreign servers of the scenario's transports

	clients finder // nil: Client
}

// mostAgents and mostServers bound what is advised and taken.
const mostAgents, mostServers = 100, 100

// ownOfServer returns the files of a server that are not for users: those that package server keeps for itself, and
// those for calibrations and stats.
func ownOfServer() int { return 96 + 3*runtime.NumCPU() }

// Memory of a user that rarely says anything, without TLS, in bytes: in the generator and the server together,
// and for each connection in the kernel, at both ends.
const ofUser, ofConnection = 24 << 10, 12 << 10

// A need is the amount of a resource that one process must have for a load.
type need struct {
	who    string // like "this process may"
	of     string
	amount int
	most   int // that the process may have; 0: unknown
}

// find finds the user's side of a transport.
func (l Layout) find(name string) (transports.Client, error) {
	if l.clients != nil {
		return l.clients(name)
	}
	return Client(name, l.Against...)
}

// short returns the first need that is not met; false if all are.
func (l Layout) short(s Scenario) (need, bool) {
	for _, n := range l.needs(s) {
		if n.most > 0 && n.amount > n.most {
			return n, true
		}
	}
	return need{}, false
}

// needs returns the needs of all processes on this machine.
func (l Layout) needs(s Scenario) (all []need) {
	d := l.demand(s)
	files, ports := process.FileLimit(), portLimit()
	agents, servers := max(1, l.Agents), max(1, l.Servers)
	everyone := d.connections(share{s.Users, l.sending(s, s.Users, s.talking())})
	onServer := d.connections(l.ofServer(s, s.Users/s.roomSize(), servers))
	relay := l.Relay
	if relay == 0 && !s.Network.IsNone() {
		relay = 2
	}
	if !l.Elsewhere {
		who := "this process may"
		if l.Agents > 0 {
			who = "each of " + strconv.Itoa(agents) + " agents may"
		}
		all = append(all, need{who, OpenFiles, d.connections(l.ofAgent(s, agents)) + reserved, files})
		if l.Far && relay == 0 {
			all = append(all, need{"this machine may", LocalPorts, onServer + reserved, ports})
		}
	}
	if relay > 0 {
		all = append(all,
			need{"the relay may", OpenFiles, relay*everyone + reserved, files},
			need{"the relay may", LocalPorts, onServer + reserved, ports})
	}
	if !l.Running {
		who := "a server may"
		if servers > 1 {
			who = "each of " + strconv.Itoa(servers) + " servers may"
		}
		all = append(all, need{who, OpenFiles, onServer + ownOfServer(), files})
		if l.Proxied {
			all = append(all,
				need{"a proxy may", OpenFiles, 2*onServer + reserved, files},
				need{"a proxy may", LocalPorts, onServer + reserved, ports})
		}
	}
	if !l.Elsewhere && !l.Running {
		all = append(all, need{"this machine may", Memory, (s.Users*ofUser + everyone*ofConnection) >> 20, freeMemory()})
	}
	return all
}

// demand returns which users of a scenario have a second connection.
func (l Layout) demand(s Scenario) demand {
	if l.HTTP2 {
		return demandsOne
	}
	return demandOf(s, l.find)
}

// files returns how many open files a generator needs that has that many of the rooms.
func (l Layout) files(s Scenario, rooms int) int {
	return l.demand(s).connections(l.rooms(s, rooms)) + reserved
}

// freeMemory returns how many MB of memory processes can take; 0 if unknown.
func freeMemory() int {
	if found, err := mem.VirtualMemory(); err == nil {
		return int(found.Available >> 20)
	}
	return 0
}

// sending returns how many of some users send a message at most, talking of whom may. A part of all users may have more
// of the messages than others: by six standard deviations at most.
func (l Layout) sending(s Scenario, users, talking int) int {
	if l.Calls || s.Users == 0 {
		return talking
	}
	messages := s.sends() * float64(users) / float64(s.Users)
	if users < s.Users {
		messages += 6 * math.Sqrt(messages)
	}
	return int(min(float64(talking), math.Ceil(messages)+2))
}

// rooms returns the share of a process that has that many of the rooms.
func (l Layout) rooms(s Scenario, rooms int) share {
	users := rooms * s.roomSize()
	return share{users, l.sending(s, users, rooms*s.talkers())}
}

// ofAgent returns the largest share of one of so many generators.
func (l Layout) ofAgent(s Scenario, agents int) share {
	rooms := s.Users / s.roomSize()
	if agents > rooms { // each has members of all rooms
		users := rooms * over(s.roomSize(), agents)
		return share{users, l.sending(s, users, rooms*over(s.talkers(), agents))}
	}
	return l.rooms(s, over(rooms, agents))
}

// ofServer returns the largest share of one of so many servers among which that many of the rooms are divided.
func (l Layout) ofServer(s Scenario, rooms, servers int) share {
	if l.Spread {
		return l.rooms(s, over(rooms, servers))
	}
	// Users are dealt out one by one. Where the members that send are the same of each room, a server may have more of
	// them than another; after as many rooms as there are servers it is the same again.
	talkers := make([]int, servers)
	turns := min(rooms, servers)
	for room := range turns {
		for member := range s.talkers() % servers {
			talkers[(room*s.roomSize()+member)%servers]++
		}
	}
	most := 0
	for _, n := range talkers {
		most = max(most, n+turns*(s.talkers()/servers))
	}
	users := over(rooms*s.roomSize(), servers)
	return share{users, l.sending(s, users, min(users, most*over(rooms, max(1, turns))))}
}

// over divides n by d, rounded up.
func over(n, d int) int { return (n + d - 1) / d }

// larger returns flags by which the users of a scenario fit, or more of them than fits without; "" if there are none.
func (l Layout) larger(s Scenario, fits int) string {
	if !l.Scalable {
		return ""
	}
	wants, err := l.crowd(s)
	if err != nil {
		if more := l.most(s); more > fits && s.RoomSize > 0 {
			return "--agents auto --users " + strconv.Itoa(more)
		}
		return ""
	}
	var flags []string
	if wants.Agents > max(1, l.Agents) {
		flags = append(flags, "--agents auto")
	}
	asked := l.Servers > 1 || l.Spread // else --agents auto finds their number, too
	if wants.Servers > max(1, l.Servers) && (asked || len(flags) == 0) {
		flags = append(flags, "--servers "+strconv.Itoa(wants.Servers))
		if !l.Spread {
			flags = append(flags, "--spread rooms")
		}
	}
	return strings.Join(flags, " ")
}

// crowd returns the layout with as many agents and servers as it takes.
func (l Layout) crowd(s Scenario) (Layout, error) {
	for l.Agents, l.Servers = max(1, l.Agents), max(1, l.Servers); ; {
		n, short := l.short(s)
		rooms := s.Users / s.roomSize()
		switch {
		case !short:
			return l, nil
		case strings.HasSuffix(n.who, "agents may") && l.Agents < mostAgents:
			l.Agents++
		case !l.Running && strings.Contains(n.who, "server") && l.Servers < min(rooms, mostServers):
			l.Servers, l.Spread = l.Servers+1, true
		case !l.Running && strings.Contains(n.who, "server") && l.Servers >= rooms:
			return l, fmt.Errorf("a room of %d users takes more than one server: use --servers with a --store that they can share, or --room-size for smaller rooms", s.roomSize())
		default:
			return l, fmt.Errorf("%d users need %d %s and %s have %d", s.Users, n.amount, n.of, n.who, n.most)
		}
	}
}

// Crowd returns the least numbers of generator processes and of servers by which the users of a scenario fit this
// machine, with each room on one server, and in one generator unless there are more generators than rooms. Each process
// has as many files as this one, of which a connection takes one at either end. Ports are no limit on Linux, where
// connections to loopback come from as many addresses as it takes (wire.Sources). More processes take no memory from
// the users, so if there is not enough of it for all, or if one room is too large for a server, the error says so, and
// how many users fit. CPU is not reckoned with: how long users take to join depends on the cores, not on the number of
// processes.
func Crowd(s Scenario, against ...Side) (agents, servers int, err error) {
	l := Layout{Spread: true, Scalable: true, Against: against}
	found, err := l.crowd(s)
	if err != nil {
		return 0, 0, l.tooMany(s, err)
	}
	return found.Agents, found.Servers, nil
}

// most returns how many users fit with as many agents and servers as there may be.
func (l Layout) most(s Scenario) int {
	l.Agents = mostAgents
	if !l.Running {
		l.Servers, l.Spread = mostServers, true
	}
	fits, _, _ := Most(s, l)
	return fits
}

// tooMany adds to the reason why the users of a scenario don't fit how many would.
func (l Layout) tooMany(s Scenario, err error) error {
	if fits := l.most(s); s.RoomSize > 0 && fits > 0 {
		return fmt.Errorf("%w: use --users %d", err, fits)
	}
	return err
}
