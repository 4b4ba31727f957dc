package wire

import (
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"testing"
)

// TestSources has each address for so many connections, and no two generators with one in common.
func TestSources(t *testing.T) {
	const parts = 7
	owner := map[netip.Addr]int{}
	for part := range parts {
		s := NewSources(part, parts)
		counts := map[netip.Addr]int{}
		for range 4 * PerSource {
			from := s.next()
			counts[from]++
			if had, ok := owner[from]; ok && had != part || !from.IsLoopback() {
				t.Fatalf("generators %d and %d connect from %v", had, part, from)
			}
			owner[from] = part
		}
		if len(counts) != 4 {
			t.Errorf("generator %d has %d addresses", part, len(counts))
		}
		for from, n := range counts {
			if n != PerSource {
				t.Errorf("%d connections come from %v", n, from)
			}
		}
	}
	s := NewSources(0, 1)
	first := s.next()
	s.made.Store(MostSources * PerSource)
	if again := s.next(); again != first {
		t.Errorf("after all addresses comes %v, not the first one, %v", again, first)
	}
	for address, want := range map[string]bool{"127.0.0.1:80": true, "127.5.5.5:80": true, "[::1]:80": false, "192.0.2.1:80": false, "x": false} {
		if _, ok := s.source(address); ok != want {
			t.Errorf("%s is loopback over IPv4: %t", address, ok)
		}
	}
}

// TestConnectFrom connects to loopback from several of its addresses.
func TestConnectFrom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := []string{"127.0.1.3", "127.0.1.8"}
	if !SourcesWork() {
		if runtime.GOOS == "linux" {
			t.Fatal("sources don't work on Linux")
		}
		want = []string{"127.0.0.1", "127.0.0.1"}
	}
	d := NewDialer(&url.URL{Scheme: "http", Host: l.Addr().String()}, &Counts{})
	d.Sources = NewSources(2, 5)
	d.Sources.made.Store(PerSource - 1)
	for _, from := range want {
		p := &Pool{Dialer: d}
		if err := p.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != from {
			t.Errorf("connected from %s, want %s", host, from)
		}
		p.Close()
		c.Close()
	}
}
