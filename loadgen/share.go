package loadgen

import (
	"fmt"
	"math/big"
	"net/url"
	"sort"

	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
)

// MostParts is the most generators that share a window.
const MostParts = result.MostAgents

// A Capacity is what a generator of a team may use.
type Capacity struct {
	Machine string // by its name: the generators of a team on the same machine share its cores and ports
	Cores   int    // 0 if unknown, like 1
	Files   int    // that the process may have open; 0 if unknown
	Ports   int    // of the machine for connections to one address; 0 if unknown
}

// Among returns the task as one that the generators of a team share, in the order of the parts.
//
// The shares are in proportion to the cores of each generator's machine, divided by the number of generators there.
// A generator takes no more rooms than its open files are enough for, and those of a machine not more than it has
// ports, unless the servers are reached over IPv4 on loopback. The others take what is left. Each generator takes at
// least one room, and equal generators take the parts that there are without shares. The shares are those of the scenario's
// most demanding transport, so that they are the same for all.
//
// Where there are more generators than rooms, each has members of all rooms: their shares are equal, whatever they may
// use, and Check finds what is too much for one of them. An error says how many users the generators hold together.
func (t Task) Among(generators []Capacity) (Task, error) {
	t.Parts, t.Shares = len(generators), nil
	s := t.Scenario
	rooms := s.Users / s.roomSize()
	if t.Parts == 0 || t.Parts > rooms {
		return t, nil
	}
	machines := map[string][]int{} // the generators of each
	for i, c := range generators {
		machines[c.Machine] = append(machines[c.Machine], i)
	}
	l, weights, most := t.layout(), make([]*big.Rat, t.Parts), make([]int, t.Parts)
	for i, c := range generators {
		weights[i] = big.NewRat(int64(max(1, c.Cores)), int64(len(machines[c.Machine])))
		if most[i] = rooms; c.Files > 0 {
			most[i] = largest(rooms, func(n int) bool { return l.files(s, n) <= c.Files })
		}
		if most[i] == 0 {
			return t, fmt.Errorf("an agent on %s may have %d open files and a room of %d users needs %d: use smaller rooms, end it, or raise its limit of files to %d",
				c.Machine, c.Files, s.roomSize(), l.files(s, 1), l.files(s, 1))
		}
	}
	for i, c := range generators {
		here, ports := machines[c.Machine], c.Ports
		if ports <= 0 || !l.Far || i != here[0] {
			continue
		}
		fit := largest(rooms, func(n int) bool { return t.ports(l, n) <= ports })
		if fit < len(here) {
			return t, fmt.Errorf("%s has %d local ports and %d agents with a room of %d users each need %d: give it more (sysctl net.ipv4.ip_local_port_range), end some, or use smaller rooms",
				c.Machine, ports, len(here), s.roomSize(), t.ports(l, len(here)))
		}
		// The share of a generator grows with that of its machine, so it is never larger than when the machine has all that
		// it can have.
		theirs, own := make([]*big.Rat, len(here)), make([]int, len(here))
		for n, i := range here {
			theirs[n], own[n] = weights[i], most[i]
		}
		for n, share := range fill(min(fit, sum(own)), theirs, own) {
			most[here[n]] = share
		}
	}
	if fit := sum(most); fit < rooms {
		agents := "1 agent holds"
		if t.Parts > 1 {
			agents = fmt.Sprintf("%d agents hold", t.Parts)
		}
		return t, fmt.Errorf("%s %d of %d users, as open files or local ports are too few for more: start more agents, or use --users %d",
			agents, fit*s.roomSize(), s.Users, fit*s.roomSize())
	}
	t.Shares = fill(rooms, weights, most)
	return t, nil
}

// layout returns what a generator knows of how its users reach the servers.
func (t Task) layout() Layout {
	l := Layout{Spread: t.Spread, HTTP2: t.HTTP2}
	for _, server := range t.Servers {
		address, err := url.Parse(server.URL)
		if server.Through != "" {
			address, err = &url.URL{Host: server.Through}, nil
		}
		l.Far = l.Far || err != nil || !wire.Loopback(address)
	}
	return l
}

// ports returns how many local ports a machine needs whose generators have that many of the rooms.
func (t Task) ports(l Layout, rooms int) int {
	servers := map[string]int{} // by where users connect to them
	most := 0
	for _, server := range t.Servers {
		at := server.Through
		if at == "" {
			at = server.URL
		}
		servers[at]++
		most = max(most, servers[at])
	}
	return most*l.demand(t.Scenario).connections(l.ofServer(t.Scenario, rooms, len(t.Servers))) + reserved
}

// largest returns the largest number up to most that fits; 0 if none does. Of those below most, all that are smaller than
// one that fits must fit. A part of all rooms may need more than all of them, as its messages are less certain.
func largest(most int, fits func(n int) bool) int {
	if fits(most) {
		return most
	}
	return sort.Search(most, func(n int) bool { return !fits(n + 1) })
}

// fill divides n among takers in proportion to their weights. A taker gets no more than its most, and the others what
// that leaves over; each gets at least 1. There are at most as many takers as n, and at least n can be taken.
func fill(n int, weights []*big.Rat, most []int) []int {
	shares := make([]int, len(most))
	for left, full := n, make([]bool, len(most)); ; {
		all := new(big.Rat)
		for i, w := range weights {
			if !full[i] {
				all.Add(all, w)
			}
		}
		// Takers get what is between two rounded places: rounding each share would not add up to n.
		before, place, over := 0, new(big.Rat), 0
		for i, w := range weights {
			if full[i] {
				continue
			}
			place.Add(place, w)
			at := new(big.Rat).Quo(place, all)
			at.Mul(at, big.NewRat(int64(left), 1))
			end := int(new(big.Int).Quo(at.Num(), at.Denom()).Int64())
			shares[i], before = end-before, end
		}
		for i := range shares {
			if !full[i] && shares[i] > most[i] {
				full[i], shares[i] = true, most[i]
				over += most[i]
			}
		}
		if over == 0 {
			break
		}
		left -= over
	}
	for i := range shares {
		if shares[i] == 0 {
			richest := 0
			for k := range shares {
				if shares[k] > shares[richest] {
					richest = k
				}
			}
			shares[i]++
			shares[richest]--
		}
	}
	return shares
}

func sum(all []int) (n int) {
	for _, one := range all {
		n += one
	}
	return n
}
