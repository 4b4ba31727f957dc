package wire

import (
	"net"
	"net/url"
	"syscall"
	"testing"
)

// TestProbes holds that the connections of users send nothing by themselves.
func TestProbes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, sources := range map[string]*Sources{"whose source the system chooses": nil, "of a source": NewSources(0, 1)} {
		d := NewDialer(&url.URL{Scheme: "http", Host: l.Addr().String()}, &Counts{})
		d.Sources = sources
		c, err := d.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		socket, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		probed := 0
		controlled := socket.Control(func(fd uintptr) {
			probed, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		})
		if controlled != nil || err != nil {
			t.Fatal(controlled, err)
		}
		if probed != 0 {
			t.Errorf("a connection %s is probed", name)
		}
	}
}
