package wire

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A meter counts the bytes of a connection, in its own totals and in those of all users.
type meter struct {
	net.Conn

	counts  *Counts
	user    *carried // the totals of one user
	in, out atomic.Int64
	socket  syscall.RawConn // nil: what has arrived is not known
	reads   reads
	records *records // nil without TLS

	// When bytes were read or written, in nanoseconds since opened: last, and last before a silence.
	heard, before atomic.Int64
	opened        time.Time
}

// carried is what the connections of one user have carried, in both directions.
type carried struct{ connections, bytes atomic.Int64 }

// reads says what a Read does if there is nothing to return at once.
type reads int8

const (
	waiting reads = iota // wait, as usual
	arrived              // read what has arrived, without waiting
	stopped              // read nothing at all
)

// errNothing is the error of a Read that doesn't wait. It is temporary, so that a tls.Conn can be read
// again after it.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has arrived" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

func (m *meter) open(plain net.Conn, counts *Counts, user *carried) {
	m.Conn, m.counts, m.user, m.opened = plain, counts, user, time.Now()
	user.connections.Add(1)
	if c, ok := plain.(syscall.Conn); ok {
		m.socket, _ = c.SyscallConn() // only a closed connection has none
	}
}

// Read reads from the network. Below TLS it returns at most the rest of the current record, so that
// the tls.Conn never holds bytes of a later one: whatever it has read belongs to the plaintext that it
// has returned last, or to what came before that.
func (m *meter) Read(p []byte) (int, error) {
	if m.reads == stopped {
		return 0, errNothing
	}
	r := m.records
	if r == nil {
		return m.receive(p)
	}
	if n := copy(p, r.rest); n > 0 {
		whole := r.next(p[:n])
		if r.rest = r.rest[whole:]; len(r.rest) == 0 {
			r.rest = nil
		}
		return whole, nil
	}
	n, err := m.receive(p)
	if whole := r.next(p[:n]); whole < n {
		r.rest = bytes.Clone(p[whole:n])
		return whole, nil
	}
	return n, err
}

func (m *meter) receive(p []byte) (n int, err error) {
	switch {
	case m.reads == waiting:
		n, err = m.Conn.Read(p)
		if n == 0 && err != nil {
			m.counts.silences.ended(err, m.silent())
		}
	case m.socket == nil:
		return 0, errNothing
	default:
		n, err = readArrived(m.socket, p)
	}
	if n > 0 {
		m.sound()
		m.counts.in.Add(int64(n))
		m.in.Add(int64(n))
		m.user.bytes.Add(int64(n))
	}
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	m.wrote(len(p)) // before it is: over HTTP/2 another goroutine may read the answer before Write returns
	n, err := m.Conn.Write(p)
	m.sound()
	if n < len(p) {
		m.wrote(n - len(p))
	}
	return n, err
}

// wrote counts bytes that are written; fewer than 0 were not.
func (m *meter) wrote(n int) {
	m.counts.out.Add(int64(n))
	m.out.Add(int64(n))
	m.user.bytes.Add(int64(n))
}

// farewell is within which a connection ends after the words by which TLS, HTTP or a WebSocket says that it will.
const farewell = 50 * time.Millisecond

// sound takes note of bytes.
func (m *meter) sound() {
	now := int64(time.Since(m.opened))
	if old := m.heard.Swap(now); now-old > int64(farewell) {
		m.before.Store(old)
	}
}

// silent returns how long the connection, which ends now, has been silent but for a farewell.
func (m *meter) silent() time.Duration {
	now, since := time.Since(m.opened), time.Duration(m.heard.Load())
	if now-since <= farewell {
		since = time.Duration(m.before.Load())
	}
	return now - since
}

// consumed returns the bytes that were read and passed on; the others belong to later TLS records.
func (m *meter) consumed() int64 {
	n := m.in.Load()
	if m.records != nil {
		n -= int64(len(m.records.rest))
	}
	return n
}

// recordStart returns the bytes before the current TLS record; 0 without TLS.
func (m *meter) recordStart() int64 {
	if m.records == nil {
		return 0
	}
	return m.records.start
}

// records finds the ends of TLS records (RFC 8446, section 5.1; RFC 5246, section 6.2.1).
type records struct {
	rest   []byte // read from the network, but after the current record
	passed int64  // bytes of all records so far
	start  int64  // passed at the start of the current record
	head   [5]byte
	have   int // bytes of head
	left   int // bytes of the current record after its head
}

// next returns how many of the next bytes belong to the current record.
func (r *records) next(p []byte) int {
	n := 0
	if r.left == 0 {
		if r.have == 0 {
			r.start = r.passed
		}
		n = copy(r.head[r.have:], p)
		if r.have += n; r.have == len(r.head) {
			r.left, r.have = int(binary.BigEndian.Uint16(r.head[3:])), 0
		}
	}
	if r.have == 0 {
		more := min(r.left, len(p)-n)
		r.left -= more
		n += more
	}
	r.passed += int64(n)
	return n
}
