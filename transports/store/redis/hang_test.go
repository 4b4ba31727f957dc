package redis_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"pushpull/transports/store/storetest"
)

// A mute stands between a store and its server. While it is on, it passes on requests and drops
// answers.
type mute struct {
	net.Listener
	work sync.WaitGroup

	mu    sync.Mutex
	on    bool
	conns []net.Conn
}

// before returns the address of a log through the mute.
func (m *mute) before(t *testing.T, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	if m.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	m.work.Go(func() {
		defer m.cut()
		for {
			conn, err := m.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				conn.Close()
				continue
			}
			m.mu.Lock()
			m.conns = append(m.conns, conn, to)
			m.mu.Unlock()
			m.work.Go(func() { m.pass(to, conn, false) })
			m.work.Go(func() { m.pass(conn, to, true) })
		}
	})
	t.Cleanup(func() {
		m.Close()
		m.work.Wait()
	})
	u.Host = m.Addr().String()
	return u.String()
}

// cut closes all connections.
func (m *mute) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
}

func (m *mute) pass(to io.WriteCloser, from io.ReadCloser, answers bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		m.mu.Lock()
		on := m.on
		m.mu.Unlock()
		if on && answers {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (m *mute) turn(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on = on
}

// Calls to a server that no longer answers fail in time, and a message whose answer is lost isn't
// stored twice.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	direct := fresh(t, storetest.Redis(t))
	m := new(mute)
	store := openAt(t, m.before(t, direct), 0)
	write(t, store, "room", "first")
	grown, stop := store.Watch("room")
	defer stop()

	m.turn(true)
	begin := time.Now()
	if seq, err := store.Append(t.Context(), "room", []byte("second"), ""); err == nil {
		t.Errorf("a server that doesn't answer has stored a message as %d", seq)
	}
	if _, err := store.After(t.Context(), "room", 0, 1); err == nil {
		t.Error("a server that doesn't answer returns messages")
	}
	if took := time.Since(begin); took > testTimeout/2 {
		t.Errorf("two requests took %v", took)
	}
	expectRing(t, grown)

	m.turn(false)
	for {
		messages, err := store.After(t.Context(), "room", 0, 10)
		if err == nil {
			if len(messages) != 2 {
				t.Errorf("%d messages are stored, want 2", len(messages))
			}
			break
		}
		expectRing(t, grown) // once it is back
	}
	write(t, store, "room", "third")
}

func TestCloseWhileServerHangs(t *testing.T) {
	t.Parallel()
	m := new(mute)
	store := openAt(t, m.before(t, fresh(t, storetest.Redis(t))), 0)
	_, stop := store.Watch("room")
	defer stop()
	m.turn(true)
	begin := time.Now()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
}

// Requests wait together for a connection. When one is canceled, the others must not fail.
func TestOthersGiveUp(t *testing.T) {
	t.Parallel()
	m := new(mute)
	store := openAt(t, m.before(t, fresh(t, storetest.Redis(t))), 0)
	m.turn(true)
	m.cut()
	ctx, cancel := context.WithCancel(t.Context())
	var work, asked sync.WaitGroup
	ask := func(ctx context.Context) {
		asked.Add(1)
		work.Go(func() {
			asked.Done()
			if _, err := store.After(ctx, "room", 0, 1); errors.Is(err, context.Canceled) && ctx.Err() == nil {
				t.Errorf("a request fails because another one was canceled: %v", err)
			}
		})
	}
	for range 8 {
		ask(ctx)
	}
	asked.Wait()
	for range 8 {
		ask(t.Context())
	}
	asked.Wait()
	m.turn(false)
	cancel()
	work.Wait()
}
