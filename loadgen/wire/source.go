package wire

import (
	"net/netip"
	"net/url"
	"sync/atomic"
)

// One address of this machine has some 28,000 ports for connections to one destination, and from half of them on the
// kernel searches for a free one: 84% of the CPU of joining 20,000 users was that of connect. So many connections to
// loopback come from several addresses of it.

const (
	PerSource   = 5000 // connections to one destination that come from one source address
	MostSources = 64   // addresses of one process, which begins with the first one again after these
)

const (
	sourcesOfNet = 250 // addresses of each of the networks 127.0.1.0/24, 127.0.2.0/24 and so on
	netsOfAll    = 250
)

// Sources are the source addresses of the connections to one destination on loopback: 127.0.1.1 and those that follow
// it, each for PerSource connections. Connections to other destinations, over IPv6 and on other systems than Linux are
// left to the system. It is safe for concurrent use.
type Sources struct {
	part, parts int
	made        atomic.Int64 // connections
}

// NewSources returns the sources of part i of n generators that connect to the same destination at the same time: no
// two of them have an address in common.
func NewSources(part, parts int) *Sources { return &Sources{part: part, parts: max(1, parts)} }

// SourcesWork reports whether a process can connect to loopback from other addresses than 127.0.0.1.
func SourcesWork() bool { return sourcesWork }

// Loopback reports whether an address, like those of ParseAddress, is one of IPv4 on loopback by its name.
func Loopback(address *url.URL) bool {
	host := address.Hostname()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Is4() && ip.IsLoopback()
}

// next returns the source of the next connection.
func (s *Sources) next() netip.Addr {
	turn := int((s.made.Add(1) - 1) / PerSource % MostSources)
	i := (s.part + s.parts*turn) % (sourcesOfNet * netsOfAll)
	return netip.AddrFrom4([4]byte{127, 0, byte(1 + i/sourcesOfNet), byte(1 + i%sourcesOfNet)})
}

// source returns the source of a connection to an address, like "127.0.0.1:80"; false: the system chooses it.
func (s *Sources) source(address string) (netip.Addr, bool) {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Is4() || !to.Addr().IsLoopback() {
		return netip.Addr{}, false
	}
	return s.next(), true
}
