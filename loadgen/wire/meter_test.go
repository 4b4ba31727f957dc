package wire

import (
	"io"
	"net"
	"testing"
	"time"
)

// A shortConn takes only so many bytes of a write, and calls written while it takes them.
type shortConn struct {
	net.Conn

	takes   int
	written func()
}

func (c shortConn) Write(p []byte) (int, error) {
	c.written()
	if n := min(len(p), c.takes); n < len(p) {
		return n, io.ErrShortWrite
	}
	return len(p), nil
}

// TestWritten looks at the counts during a write, when the answer over HTTP/2 may be read already, and after it.
func TestWritten(t *testing.T) {
	counts, user := &Counts{}, &carried{}
	m := &meter{counts: counts, user: user, opened: time.Now()}
	var during int64
	m.Conn = shortConn{takes: 10, written: func() { during = counts.Total().BytesOut }}
	for _, c := range []struct{ size, during, after int64 }{{10, 10, 10}, {15, 25, 20}} {
		_, _ = m.Write(make([]byte, c.size)) // the second one fails
		if after := counts.Total().BytesOut; during != c.during || after != c.after || user.bytes.Load() != after || m.out.Load() != after {
			t.Errorf("%d bytes: %d are counted during the write, and %d after it; want %d and %d", c.size, during, after, c.during, c.after)
		}
	}
}
