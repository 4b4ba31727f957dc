package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/transports"
)

// writeChunk is how many bytes of a response a client must read within the write timeout, unless the
// response has a deadline of its own. So a page that is read slowly but steadily may take longer in all.
const writeChunk = 64 << 10

// A location is the room a user is in and the transport it uses there. The zero location is none.
type location struct{ transport, room string }

// connections tracks every open connection and its user's location. It is safe for concurrent use.
type connections struct {
	limit        int
	writeTimeout time.Duration
	slow         slowness
	refused      atomic.Uint64 // connections beyond limit, or that made room for one
	cutOff       atomic.Uint64 // connections whose client read nothing for writeTimeout

	mu    sync.Mutex
	conns map[*conn]struct{}
	users map[string]int            // by transport
	rooms map[string]map[string]int // users by transport and room; empty rooms are deleted
}

func newConnections(limit int, writeTimeout time.Duration) *connections {
	return &connections{
		limit: limit, writeTimeout: writeTimeout,
		conns: make(map[*conn]struct{}),
		users: make(map[string]int), rooms: make(map[string]map[string]int),
	}
}

// add starts to track c, or returns nil if the limit is reached and no connection makes room.
func (s *connections) add(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.limit {
		s.refused.Add(1)
		if !s.makeRoom() {
			return nil
		}
	}
	tracked := &conn{Conn: c, set: s, since: time.Now().UnixNano()}
	tracked.kept = tracked.tries.open(c)
	s.conns[tracked] = struct{}{}
	return tracked
}

// At the limit, a connection that has not sent a whole request for leastGrace makes room for the next one, so that
// connections that say nothing, or one byte a second, don't keep users out. A look at some connections, in the random
// order of a map, finds one if there are many.
const (
	leastGrace = time.Second
	mostLooks  = 64
)

// makeRoom closes such a connection if it finds one. It must be called with mu held.
func (s *connections) makeRoom() bool {
	before := time.Now().Add(-leastGrace).UnixNano()
	looks := 0
	for c := range s.conns {
		if c.since <= before && !c.spoke.Load() {
			delete(s.conns, c) // it has no location yet
			c.Conn.Close()
			return true
		}
		if looks++; looks == mostLooks {
			return false
		}
	}
	return false
}

// remove stops tracking c and its user's location.
func (s *connections) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		delete(s.conns, c)
		s.leave(c.at)
	}
}

// move sets the location of c's user, which may be none. A closed connection has no user.
func (s *connections) move(c *conn, to location) {
	to.room = strings.Clone(to.room) // a substring would keep the request's whole URL in memory
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; !ok {
		return
	}
	s.leave(c.at)
	c.at = to
	if to.transport == "" {
		return
	}
	s.users[to.transport]++
	if s.rooms[to.transport] == nil {
		s.rooms[to.transport] = make(map[string]int)
	}
	s.rooms[to.transport][to.room]++
}

// leave must be called with mu held.
func (s *connections) leave(from location) {
	if from.transport == "" {
		return
	}
	s.users[from.transport]--
	rooms := s.rooms[from.transport]
	if rooms[from.room]--; rooms[from.room] == 0 {
		delete(rooms, from.room)
	}
}

// open returns how many connections are open.
func (s *connections) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// connected returns the current users by transport, and lists what is asked for.
func (s *connections) connected(asked listing) map[string]Connected {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Connected, len(s.users))
	for transport, users := range s.users {
		c := Connected{Users: users}
		if asked.any() {
			c.Rooms = make(map[string]int)
		}
		for room := range roomsIn(asked, s.rooms[transport]) {
			c.Rooms[room] = s.rooms[transport][room]
		}
		all[transport] = c
	}
	return all
}

// release takes note that no exchange waits for requests on c any more. From then on c has no read deadline.
func (s *connections) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.kept = false
	c.SetReadDeadline(time.Time{})
}

// wake ends the waits of all exchanges.
func (s *connections) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.kept {
			c.SetReadDeadline(past)
		}
	}
}

// close closes the connections that which picks and returns their number.
func (s *connections) close(which func(*conn) bool) int {
	var picked []*conn
	s.mu.Lock()
	for c := range s.conns {
		if which(c) {
			picked = append(picked, c)
		}
	}
	s.mu.Unlock()
	for _, c := range picked {
		c.Close()
	}
	return len(picked)
}

// A conn is one accepted connection. It is tracked until it is closed, by net/http or, once
// hijacked, by its new owner.
type conn struct {
	net.Conn
	set   *connections
	at    location    // written under set.mu, by the connection's one handler, which reads it without the lock
	since int64       // when it was accepted, in Unix nanoseconds
	spoke atomic.Bool // the head of a request has arrived whole
	asked atomic.Bool // a request has begun to arrive
	kept  bool        // an exchange waits for requests; under set.mu
	early []byte      // was read before, and is to be read first
	tries tries

	deadline atomic.Int64 // of all writes of the response or batch under way, in Unix nanoseconds; 0: none
}

var _ transports.TryWriter = (*conn)(nil)

// visit records the location of a request; it is none if the user counts by name. A second request
// for the same location, as all polls but the first are, costs two comparisons.
func (c *conn) visit(to location) {
	if c.at != to {
		c.set.move(c, to)
	}
}

// changed records a change of c's state, as net/http reports it.
func (c *conn) changed(state http.ConnState) {
	c.asked.Store(state != http.StateNew)
	if state == http.StateIdle { // the response is written
		c.deadline.Store(0)
	}
}

// SetWriteDeadline bounds all writes from now on together, until the response to the request under way
// is written; the zero time ends that. Without it each write has the write timeout.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.deadline.Store(0)
	} else {
		c.deadline.Store(t.UnixNano())
	}
	return nil
}

// Write gives the client the write timeout to read each chunk, but not longer than until the deadline.
// http.Server.WriteTimeout would not do: it counts from the request, so it would end held polls, and it
// doesn't apply to WebSockets.
func (c *conn) Write(data []byte) (int, error) {
	c.set.slow.write()
	written := 0
	for {
		chunk := data[written:min(written+writeChunk, len(data))]
		until := time.Now().Add(c.set.writeTimeout)
		if all := c.deadline.Load(); all != 0 {
			until = time.Unix(0, min(all, until.UnixNano()))
		}
		c.Conn.SetWriteDeadline(until) // fails only if closed, and then Write fails too
		n, err := c.Conn.Write(chunk)
		written += n
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.set.cutOff.Add(1)
			}
			return written, err
		}
		if written == len(data) {
			return written, nil
		}
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if n := copy(p, c.early); n > 0 {
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// TryWrite implements transports.TryWriter. A connection that is slow on purpose takes nothing.
func (c *conn) TryWrite(data []byte) (int, error) {
	if len(data) > 0 {
		if c.set.slow.Delay > 0 {
			return 0, nil
		}
		c.set.slow.write()
	}
	return c.tries.try(c.Conn, data)
}

// tryWrapped tries a connection that is none of the system's.
func tryWrapped(c net.Conn, data []byte) (int, error) {
	if t, ok := c.(transports.TryWriter); ok {
		return t.TryWrite(data)
	}
	return 0, errors.ErrUnsupported
}

// send writes data, at once if the system takes it, which saves setting a deadline.
func (c *conn) send(data []byte) error {
	n, err := c.TryWrite(data)
	if err == nil && n < len(data) {
		_, err = c.Write(data[n:])
	}
	return err
}

// CloseWrite lets net/http end a response while the client is still sending. Closing at once would
// reset the connection, and the response would be lost.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection and stops tracking it.
func (c *conn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
}

// connKey is the key of a request's *conn in its context.
type connKey struct{}

// refuseTimeout is the time for the client of a connection beyond the limit to send its request and to
// read the response.
const refuseTimeout = time.Second

// accept accepts connections until l is closed or fails for good, serves those within the limit, and
// answers those beyond it with 503, without delaying the next.
func (sv *service) accept(ctx context.Context, l net.Listener) error {
	wait := leastWait
	for {
		c, err := l.Accept()
		if err != nil {
			if !passing(err) {
				return err
			}
			sv.Logger.Warn("accepting a connection", errorKey, err, "retry", wait.String())
			if !sleep(ctx, wait) {
				return err
			}
			wait = min(2*wait, mostWait)
			continue
		}
		wait = leastWait
		notice(c, sv.Limits.Heartbeat)
		var secure *secured
		if sv.TLS != nil {
			secure = newSecured(c, sv.TLS)
			c = secure
		}
		tracked := sv.conns.add(c)
		switch {
		case tracked == nil:
			sv.refuse(c)
		case secure != nil:
			sv.busy.Add(1)
			go sv.secure(ctx, tracked, secure)
		default:
			sv.dispatch(ctx, tracked)
		}
	}
}

// dispatch gives c to an exchange, or to net/http if it can't be tried.
func (sv *service) dispatch(ctx context.Context, c *conn) {
	if c.kept {
		sv.busy.Add(1)
		go sv.serve(ctx, c)
		return
	}
	select {
	case sv.foreign <- c:
	case <-ctx.Done():
		c.Close()
	}
}

// notice makes the system find out whether the client of c is still there: it is gone once it has been silent for
// transports.MissedHeartbeats. A held poll sends nothing, and what is sent on a stream may get no answer but that of
// the client's system. That answer says enough, so a stream with heartbeats is never silent for long enough to be
// probed. Any probe may be lost on the way, so there are several.
func notice(c net.Conn, heartbeat time.Duration) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	const probes = 5
	gone := transports.MissedHeartbeats * heartbeat
	idle := gone * 2 / 3
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: idle, Interval: (gone - idle) / probes, Count: probes})
	if socket, err := tcp.SyscallConn(); err == nil {
		giveUp(socket, gone)
	}
}

// How long accepting waits after an error that passes, like that of a process without files: twice as long
// after each.
const leastWait, mostWait = 5 * time.Millisecond, time.Second

// passing reports whether accepting may work again, as net/http decides it.
func passing(err error) bool {
	temporary, ok := errors.AsType[net.Error](err)
	return ok && temporary.Temporary() //nolint:staticcheck // deprecated, and what says so of an Accept
}

// sleep waits, and returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A handedOver is the listener of the connections that are left to net/http.
type handedOver struct {
	addr   net.Addr
	conns  <-chan *conn
	closed chan struct{}
	once   sync.Once
}

func (l *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handedOver) Addr() net.Addr { return l.addr }

func (l *handedOver) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// refuse answers a connection beyond the limit.
func (sv *service) refuse(c net.Conn) {
	if sv.conns.refused.Load() == 1 {
		sv.Logger.Warn("refusing connections: "+sv.more, "connections", sv.Connections)
	}
	if sv.refusing.Load() >= int64(sv.shares.refusals) {
		c.Close()
		return
	}
	sv.refusing.Add(1)
	sv.busy.Add(1)
	go func() {
		defer sv.busy.Add(-1)
		defer sv.refusing.Add(-1)
		refuse(c, sv.Connections, sv.more)
	}()
}

// refuse answers the first request of c with 503. It returns within refuseTimeout.
func refuse(c net.Conn, limit int, more string) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(refuseTimeout))
	if _, err := c.Read(make([]byte, 4<<10)); err != nil {
		return
	}
	line := fmt.Sprintf(`{"error":"all %d connections are in use: try again later, or %s"}`+"\n", limit, more)
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable), len(line), line)
	if err == nil && closeWrite(c) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}
