package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNotice holds that a client is gone after two heartbeats without a sign of life, that a stream with heartbeats is
// not probed, and that a connection outlives the loss of a probe: the system ends it at the first one that is due after
// TCP_USER_TIMEOUT if the one before had no answer (tcp(7)).
func TestNotice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const heartbeat = 15 * time.Second
	notice(c, heartbeat)
	socket, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (value int) {
		t.Helper()
		controlled := socket.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) })
		if controlled != nil || err != nil {
			t.Fatal(controlled, err)
		}
		return value
	}
	if option(unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
		t.Error("nobody asks whether the client is there")
	}
	gone := time.Duration(option(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)) * time.Millisecond
	idle := time.Duration(option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)) * time.Second
	interval := time.Duration(option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)) * time.Second
	if gone != 2*heartbeat {
		t.Errorf("the client is gone after %v, want %v", gone, 2*heartbeat)
	}
	if idle <= heartbeat {
		t.Errorf("a stream with heartbeats each %v is probed after %v", heartbeat, idle)
	}
	if probes := int((gone - idle) / interval); probes != 5 || probes != option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT) {
		t.Errorf("%d probes, each %v from %v on, and %d by their number", probes, interval, idle, option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT))
	}
}
