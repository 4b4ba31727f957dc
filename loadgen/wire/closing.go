package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// The side that closes a TCP connection first keeps its port for a minute (TIME_WAIT, RFC 9293,
// section 3.6). A generator that closes first would run out of ports after some windows. So a
// connection on which nothing of the user's is under way is reset instead: one that is idle, whose
// answer has come, that waits for the answer to a GET, or carries a stream that goes one way. After a POST without an answer it is closed
// as usual, because a reset could overtake the message; so it is after a handshake that led to nothing,
// as some servers crash on a reset then. A WebSocket is left to the server, which
// closes it first (RFC 6455, section 7.1.1), and reset once it has.

// closeWait is how long a server may take to close a WebSocket before the user resets it.
const closeWait = time.Second

// close closes the connection; it resets it unless a message may be under way. All that is written has
// gone or is given up, so an error makes no difference.
func (c *conn) close() {
	if c.gentle {
		c.Conn.Close()
		return
	}
	if tcp, ok := c.meter.Conn.(interface{ SetLinger(sec int) error }); ok { // a *net.TCPConn, or one around it
		_ = tcp.SetLinger(0) // if it fails, the connection is closed as usual
	}
	c.meter.Conn.Close()
}

// Departures are the connections that users have left and that servers are still to close. Each holds
// a file and a port until then. It is safe for concurrent use; its zero value is ready.
type Departures struct {
	mu    sync.Mutex
	conns []departed // the oldest first
}

type departed struct {
	*conn

	at time.Time
}

// leave ends all reads and writes on a connection, and leaves it to the server to close it.
func (d *Departures) leave(c *conn) {
	c.SetDeadline(time.Unix(1, 0))
	d.mu.Lock()
	d.conns = append(d.conns, departed{c, time.Now()})
	d.mu.Unlock()
}

// take returns the connections that users left longer ago than age.
func (d *Departures) take(age time.Duration) []departed {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.conns) && time.Since(d.conns[n].at) >= age {
		n++
	}
	old := d.conns[:n:n]
	if d.conns = d.conns[n:]; len(d.conns) == 0 {
		d.conns = nil
	}
	return old
}

// reset closes the connections that servers have had enough time to close. Each dial does so.
func (d *Departures) reset() {
	for _, c := range d.take(closeWait) {
		c.close()
	}
}

// Close waits until the servers have closed all connections, for up to a second, and resets those that
// are still open then. Call it once the users have gone.
func (d *Departures) Close() {
	until := time.Now().Add(closeWait)
	for _, c := range d.take(0) {
		if c.SetReadDeadline(until) == nil {
			_, _ = io.Copy(io.Discard, c.meter.Conn) // whatever ends it, the connection is closed next
		}
		c.close()
	}
}

// portError explains the error of a dial that found no local port.
func portError(err error) error {
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("%w: no local port is free, as other connections to that address use them or did within the last minute: use fewer users, or wait for a minute", err)
	}
	return err
}
