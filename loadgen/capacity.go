package loadgen

import (
	"fmt"
	"strconv"

	"pushpull/transports"
	"pushpull/transports/all"
)

// reserved is how many files and ports are left to everything but the users' connections.
const reserved = 64

// Connections returns how many connections the users of a scenario open, at most, on the transport
// that needs the most.
func Connections(s Scenario) int {
	most := 0
	for _, spec := range s.Transports {
		each := 2
		if t, err := all.New(spec, transports.Limits{}); err == nil {
			if _, ok := t.(transports.Duplex); ok {
				each = 1
			}
		}
		most = max(most, each)
	}
	return most * s.Users
}

// A limit is of something that each connection takes one of.
type limit struct {
	of    string // empty: none is known
	most  int    // that this process may have
	raise func(need int) string
}

// tightest returns the limit that is met first.
func tightest() limit {
	l := limit{}
	if files := fileLimit(); files > 0 {
		l = limit{"open files", files, func(need int) string { return "ulimit -n " + strconv.Itoa(need) }}
	}
	if ports := portLimit(); ports > 0 && (l.of == "" || ports < l.most) {
		l = limit{"local ports", ports, func(int) string { return "sysctl net.ipv4.ip_local_port_range" }}
	}
	return l
}

// Capacity returns how many users of a transport, like "short-poll@5s", can be connected from
// this process, by which limit, and how many of those things there may be. The limit is empty
// when none is known.
func Capacity(transport string) (users int, of string, most int) {
	l := tightest()
	each := Connections(Scenario{Users: 1, Transports: []string{transport}})
	return max(0, l.most-reserved) / each, l.of, l.most
}

// Fit returns an error that says how many users would fit when those of the scenario can't all be
// connected from this process.
func Fit(s Scenario) error {
	need, l := Connections(s)+reserved, tightest()
	if l.of == "" || need <= l.most {
		return nil
	}
	fits := s.Users
	for _, transport := range s.Transports {
		users, _, _ := Capacity(transport)
		fits = min(fits, users/s.roomSize()*s.roomSize())
	}
	advice := fmt.Sprintf("use --users %d, or raise the limit", fits)
	if fits == 0 {
		advice = "not even one room fits, raise the limit"
	}
	return fmt.Errorf("%d users need %d %s and this process may have %d: %s (%s)", s.Users, need, l.of, l.most, advice, l.raise(need))
}
