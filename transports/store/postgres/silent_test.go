package postgres

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/storetest"
)

// silent puts a network between the store and its server that drops everything without an error.
func silent(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	network := newNetwork(t, u.Host)
	u.Host = network.Addr().String()
	s := open(t, u.String(), transports.StoreOptions{})
	fill(t, s, "room", 1)
	_, stop := s.Watch("room")
	defer stop()

	network.lose()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := s.Append(ctx, "room", []byte("lost"), ""); err == nil {
			t.Error("a lost message is acknowledged")
		}
		if _, err := s.After(ctx, "room", 0, 1); err == nil {
			t.Error("an unreachable server returns messages")
		}
		cancel()
	}
	begin := time.Now()
	if _, err := s.After(t.Context(), "room", 0, 1); err == nil || time.Since(begin) > 2*answerTimeout {
		t.Errorf("After = %v after %v", err, time.Since(begin))
	}
	begin = time.Now()
	s.Close()
	if took := time.Since(begin); took > answerTimeout {
		t.Errorf("closing takes %v", took)
	}
}

// A network passes on all bytes until lose is called; then it drops them.
type network struct {
	net.Listener
	mu    sync.Mutex
	lost  bool
	conns []net.Conn
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{Listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			n.mu.Lock()
			n.conns = append(n.conns, near, far)
			n.mu.Unlock()
			wg.Go(func() { n.pass(near, far) })
			wg.Go(func() { n.pass(far, near) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.mu.Lock()
		for _, c := range n.conns {
			c.Close()
		}
		n.mu.Unlock()
		wg.Wait()
	})
	return n
}

func (n *network) lose() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = true
}

func (n *network) pass(from, to net.Conn) {
	defer from.Close()
	for buf := make([]byte, 1<<16); ; {
		read, err := from.Read(buf)
		n.mu.Lock()
		lost := n.lost
		n.mu.Unlock()
		if lost {
			_, _ = io.Copy(io.Discard, from) // the other side doesn't see the end of this one
			return
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:read]); err != nil {
			return
		}
	}
}
