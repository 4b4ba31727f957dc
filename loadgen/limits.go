package loadgen

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pushpull/transports"
	"pushpull/transports/process"
)

// reserved is the number of files and ports that are kept for other purposes than users' connections.
const reserved = 64

// Connections returns the largest number of connections that the users of a scenario have open at a
// time, on the transport that needs most, as Client finds it.
func Connections(s Scenario, against ...Side) int {
	return connectionsOf(s, func(name string) (transports.Client, error) { return Client(name, against...) })
}

// A finder finds the user's side of a transport by its name.
type finder func(name string) (transports.Client, error)

func connectionsOf(s Scenario, find finder) int {
	most, senders := 0, s.Users/max(1, s.roomSize())*s.talkers()
	for _, name := range s.Measured() {
		client, err := find(name)
		switch {
		case err == nil && client.Way().Duplex:
			most = max(most, s.Users)
		case err == nil && !strings.Contains(name, "/"):
			most = max(most, s.Users+senders) // a sender may read on one while it sends on another
		default:
			most = max(most, 2*s.Users) // another server may want requests from users that only read, too
		}
	}
	return most
}

// A Limit bounds the connections of this process: each takes one of a resource.
type Limit struct {
	Of   string // the resource, like "open files"; empty: no limit is known
	Most int    // the amount of it that this process may have

	each  int                   // of it that a connection takes; 0: one
	raise func(need int) string // the command that raises it
}

const openFiles = "open files"

// ConnectionLimit returns the limit that connections reach first.
func ConnectionLimit() Limit {
	l := Limit{}
	if files := process.FileLimit(); files > 0 {
		l = Limit{Of: openFiles, Most: files, raise: func(need int) string { return "ulimit -n " + strconv.Itoa(need) }}
	}
	if ports := portLimit(); ports > 0 && (l.Of == "" || ports < l.Most) {
		l = Limit{Of: "local ports", Most: ports, raise: func(int) string { return "sysctl net.ipv4.ip_local_port_range" }}
	}
	return l
}

// Users returns how many users of a transport, like "short-poll@5s", this process can connect.
func (l Limit) Users(transport string, against ...Side) int {
	return l.users(transport, func(name string) (transports.Client, error) { return Client(name, against...) })
}

func (l Limit) users(transport string, find finder) int {
	each := connectionsOf(Scenario{Users: 1, Transports: []string{transport}}, find)
	return max(0, l.Most-reserved) / (max(1, l.each) * each)
}

// Windows returns how many windows of a scenario this process can measure at a time, at least one: each has its users'
// connections, and files of the processes that it starts.
func (l Limit) Windows(s Scenario, against ...Side) int {
	if l.Of == "" {
		return math.MaxInt
	}
	return max(1, (l.Most-reserved)/(Connections(s, against...)+reserved))
}

// CheckLimits returns an error unless this process can connect all users of the scenario. The error
// says how many it can connect.
func CheckLimits(s Scenario, against ...Side) error {
	return checkLimits(s, func(name string) (transports.Client, error) { return Client(name, against...) })
}

func checkLimits(s Scenario, find finder) error {
	l := ConnectionLimit()
	if !s.Network.IsNone() && l.Of == openFiles { // the relay has two files for each connection
		l.each = 2
	}
	need := max(1, l.each)*connectionsOf(s, find) + reserved
	if l.Of == "" || need <= l.Most {
		return nil
	}
	fits := s.Users
	for _, transport := range s.Measured() {
		fits = min(fits, l.users(transport, find)/s.roomSize()*s.roomSize())
	}
	advice := fmt.Sprintf("use --users %d, or raise the limit", fits)
	if fits == 0 {
		advice = "not even one room fits, raise the limit"
	}
	return fmt.Errorf("%d users need %d %s and this process may have %d: %s (%s)", s.Users, need, l.Of, l.Most, advice, l.raise(need))
}
