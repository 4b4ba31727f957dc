package loadgen

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/process"
)

// reserved is the number of files and ports that are kept for other purposes than users' connections.
const reserved = 64

// Connections returns the largest number of connections that the users of a scenario have open at a
// time, on the transport that needs most, as Client finds it.
func Connections(s Scenario, against ...Side) int {
	return demandOf(s, Layout{Calls: true, Against: against}.find).connections(share{s.Users, s.talking()})
}

// talking returns how many users may send.
func (s Scenario) talking() int { return s.Users / max(1, s.roomSize()) * s.talkers() }

// A finder finds the user's side of a transport by its name.
type finder func(name string) (transports.Client, error)

// A demand is which users have a second connection.
type demand int

const (
	demandsOne     demand = iota // none
	demandsSending               // those that send: one may read on one while it sends on another
	demandsTwo                   // all: another server may want requests from users that only read, too
)

// demandOf returns the demand of the transport of a scenario that needs most.
func demandOf(s Scenario, find finder) (most demand) {
	for _, name := range s.Measured() {
		client, err := find(name)
		switch {
		case err == nil && client.Way().Duplex:
		case err == nil && !strings.Contains(name, "/"):
			most = max(most, demandsSending)
		default:
			most = demandsTwo
		}
	}
	return most
}

// A share is the users of one process, and how many of them send at most.
type share struct{ users, sending int }

// connections returns how many connections the users of a share have at most.
func (d demand) connections(s share) int {
	switch d {
	case demandsSending:
		return s.users + s.sending
	case demandsTwo:
		return 2 * s.users
	}
	return s.users
}

// A Limit bounds the connections of this process: each takes one of a resource.
type Limit struct {
	Of   string // the resource, like "open files"; empty: no limit is known
	Most int    // the amount of it that this process may have
}

// The resources that bound the number of users.
const (
	OpenFiles  = "open files"
	LocalPorts = "local ports"
	Memory     = "MB of memory"
)

// ConnectionLimit returns the limit that connections of this process to one server on this machine reach first.
func ConnectionLimit() Limit {
	l := Limit{}
	if files := process.FileLimit(); files > 0 {
		l = Limit{Of: OpenFiles, Most: files}
	}
	ports := portLimit()
	if wire.SourcesWork() {
		ports *= wire.MostSources
	}
	if ports > 0 && (l.Of == "" || ports < l.Most) {
		l = Limit{Of: LocalPorts, Most: ports}
	}
	return l
}

// Windows returns how many windows of a scenario this process can measure at a time, at least one: each has its users'
// connections, and files of the processes that it starts.
func (l Limit) Windows(s Scenario, against ...Side) int {
	if l.Of == "" {
		return math.MaxInt
	}
	return max(1, (l.Most-reserved)/(Connections(s, against...)+reserved))
}

// Most returns the largest number of users that fit the limits of this machine, in whole rooms of the scenario, and the
// resource of which more would need too much, like "open files", of which a process may have limit. If none is known to
// be a limit, it is empty. The users of a scenario without a size of rooms are all in one room.
func Most(s Scenario, l Layout) (users int, resource string, limit int) {
	room := max(1, s.RoomSize)
	fits := sort.Search(math.MaxInt32/room, func(rooms int) bool {
		s.Users = (rooms + 1) * room
		short, ok := l.short(s)
		if ok {
			resource, limit = short.of, short.most
		}
		return ok
	})
	if resource == "" {
		return math.MaxInt32, "", 0
	}
	return fits * room, resource, limit
}

// CheckLimits returns an error unless all users of the scenario can be connected within the limits of this machine. The
// error says what would do it, and how many fit as it is.
func CheckLimits(s Scenario, l Layout) error {
	n, ok := l.short(s)
	if !ok {
		return nil
	}
	var advice []string
	fits, _, _ := Most(s, l)
	if flags := l.larger(s, fits); flags != "" {
		advice = append(advice, "use "+flags)
	}
	switch use := "--users " + strconv.Itoa(fits); {
	case fits == 0:
	case len(advice) == 0:
		advice = append(advice, "use "+use)
	default:
		advice = append(advice, use)
	}
	if n.of == OpenFiles && process.MayRaiseFiles(n.amount) {
		advice = append(advice, "raise the limit (ulimit -n "+strconv.Itoa(n.amount)+")")
	}
	if n.of == LocalPorts {
		advice = append(advice, "have more (sysctl net.ipv4.ip_local_port_range)")
	}
	all := strings.Join(advice, ", or ")
	if fits == 0 {
		all = strings.TrimSuffix("not even one room fits: "+all, ": ")
	}
	return fmt.Errorf("%d users need %d %s and %s have %d: %s", s.Users, n.amount, n.of, n.who, n.most, all)
}
