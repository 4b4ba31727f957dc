package server

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// writeChunk is how much of an answer must be taken within the write timeout: one that is taken
// slowly but steadily may last longer.
const writeChunk = 64 << 10

// A place is where a user is. Without a transport it is none.
type place struct{ transport, room string }

// connections knows every open connection and where its user is. It is safe for concurrent use.
type connections struct {
	limit        int
	writeTimeout time.Duration
	slow         slowness
	refused      atomic.Uint64 // connections beyond limit
	cutOff       atomic.Uint64 // connections whose user took nothing for writeTimeout

	mu    sync.Mutex
	conns map[*conn]struct{}
	users map[string]int            // by transport
	rooms map[string]map[string]int // by transport and room; rooms that nobody is in have left
}

func newConnections(limit int, writeTimeout time.Duration) *connections {
	return &connections{
		limit: limit, writeTimeout: writeTimeout,
		conns: make(map[*conn]struct{}),
		users: make(map[string]int), rooms: make(map[string]map[string]int),
	}
}

// add returns c as a connection that counts, or nil when there are enough.
func (s *connections) add(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.limit {
		s.refused.Add(1)
		return nil
	}
	counted := &conn{Conn: c, set: s}
	s.conns[counted] = struct{}{}
	return counted
}

// remove forgets c, and where its user was.
func (s *connections) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		delete(s.conns, c)
		s.leave(c.at)
	}
}

// move says that the user of c is at to, which may be no place. A closed connection has no user.
func (s *connections) move(c *conn, to place) {
	to.room = strings.Clone(to.room) // else it would keep the URL of this request in memory
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

// leave is called with mu held.
func (s *connections) leave(from place) {
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

// connected returns who is where; without rooms it takes a time that does not grow with them.
func (s *connections) connected(rooms bool) map[string]Connected {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Connected, len(s.users))
	for transport, users := range s.users {
		c := Connected{Users: users}
		if rooms {
			c.Rooms = maps.Clone(s.rooms[transport])
		}
		all[transport] = c
	}
	return all
}

// close closes the connections that which picks and returns how many they were.
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

// A conn is one accepted connection. It counts until it is closed, be it by net/http or, once
// hijacked, by whoever has it then.
type conn struct {
	net.Conn
	set   *connections
	at    place       // written by the connection's one handler under set.mu, so that it may read without
	asked atomic.Bool // a request has come
}

// visit says that a request for to has come, or for no place when its user counts by name. Its
// cost is two comparisons when the last one was for the same place, as with every poll but the first.
func (c *conn) visit(to place) {
	if c.at != to {
		c.set.move(c, to)
	}
}

// Write gives the user the write timeout to take each chunk, whoever writes: a short answer, a
// poll that was held for longer than that, a WebSocket.
func (c *conn) Write(data []byte) (int, error) {
	c.set.slow.write()
	written := 0
	for {
		chunk := data[written:min(written+writeChunk, len(data))]
		c.Conn.SetWriteDeadline(time.Now().Add(c.set.writeTimeout)) // fails when closed, as Write will
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

// CloseWrite lets net/http end an answer while the user is still sending: closing at once would
// reset the connection, and the answer with it.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection. Its user has left.
func (c *conn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
}

// connKey is the key of a request's *conn in its context.
type connKey struct{}

// Bounds on telling a connection that it is one too many.
const (
	refusals      = 256         // at a time; beyond that connections are closed without a word
	refuseTimeout = time.Second // for the user to ask, so that the answer has a question, and to take it
)

// A listener accepts connections up to the limit. It answers those beyond it, and never waits
// for their users.
type listener struct {
	net.Listener
	service  *service
	refusing atomic.Int64
}

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if counted := l.service.conns.add(c); counted != nil {
			return counted, nil
		}
		if l.service.conns.refused.Load() == 1 {
			l.service.Log.Warn("refusing connections: raise --max-connections", "connections", l.service.Connections)
		}
		if l.refusing.Load() >= refusals {
			c.Close()
			continue
		}
		l.refusing.Add(1)
		l.service.busy.Add(1)
		go func() {
			defer l.service.busy.Add(-1)
			defer l.refusing.Add(-1)
			refuse(c, l.service.Connections)
		}()
	}
}

// refuse answers the first request of c with 503. It returns within refuseTimeout.
func refuse(c net.Conn, limit int) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(refuseTimeout))
	if _, err := c.Read(make([]byte, 4<<10)); err != nil {
		return
	}
	line := fmt.Sprintf(`{"error":"all %d connections are taken: come back later, or raise --max-connections"}`+"\n", limit)
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable), len(line), line)
	if err == nil && closeWrite(c) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}
