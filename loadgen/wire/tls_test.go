package wire

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

// securePeers is peers with a user's connections to them, over TLS if secure.
func securePeers(t *testing.T, secure bool, serve func(*peer)) (*url.URL, *Pool) {
	if !secure {
		base := peers(t, serve)
		return base, newPool(t, base)
	}
	return tlsPeers(t, tls.VersionTLS13, new(atomic.Int64), new(atomic.Int64), serve)
}

// TestTLSCounts compares the counts with what the server's side carries below TLS: the handshake ends
// with the head of its answer, also in the middle of a record, and whatever else has arrived by then.
func TestTLSCounts(t *testing.T) {
	const event = "a message"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name     string
			together []string // written at once, each in one record
		}{
			{"alone", []string{handshake}},
			{"with a message", []string{handshake + event}},
			{"with messages in the records after it", []string{handshake, event, event, event, event}},
			{"with a message in its record and some after it", []string{handshake + event, event, event}},
			{"in two records", []string{handshake[:30], handshake[30:] + event, event}},
		} {
			t.Run(tls.VersionName(version)+"/"+c.name, func(t *testing.T) {
				var in, out, opened atomic.Int64
				asked := make(chan struct{})
				base, pool := tlsPeers(t, version, &in, &out, func(p *peer) {
					p.next()
					<-asked
					opened.Store(in.Load())
					sofar := 0
					for _, text := range c.together {
						before := out.Load()
						p.say(text)
						if sofar < len(handshake) { // this record has some of the head
							sofar += len(text)
							if opened.Store(in.Load() + out.Load()); sofar > len(handshake) {
								opened.Add(int64(len(handshake) - sofar))
							}
						}
						if before == out.Load() {
							t.Error("nothing is written")
						}
					}
					io.Copy(p, p.request)
				})
				go close(asked)
				conn := upgrade(t, pool, base)
				total := 0
				for _, text := range c.together {
					total += len(text)
				}
				got := make([]byte, total-len(handshake)+len("echo"))
				io.WriteString(conn, "echo")
				if _, err := io.ReadFull(conn, got); err != nil {
					t.Fatal(err)
				}
				traffic := pool.Dialer.Counts.Total()
				if traffic.HandshakeBytes != opened.Load() {
					t.Errorf("a handshake of %d bytes, want %d", traffic.HandshakeBytes, opened.Load())
				}
				if connections, bytes := pool.Carried(); connections != 1 || bytes != in.Load()+out.Load() {
					t.Errorf("the user has carried %d bytes on %d connections, the server %d", bytes, connections, in.Load()+out.Load())
				}
				if sum := traffic.HandshakeBytes + traffic.BytesIn + traffic.BytesOut; sum != in.Load()+out.Load() {
					t.Errorf("%+v, the server has carried %d bytes", traffic, in.Load()+out.Load())
				}
			})
		}
	}
}

// tlsPeers is securePeers with a version of TLS, and the bytes below it.
func tlsPeers(t *testing.T, version uint16, in, out *atomic.Int64, serve func(*peer)) (*url.URL, *Pool) {
	owner := httptest.NewTLSServer(nil)
	owner.Close()
	config := &tls.Config{Certificates: owner.TLS.Certificates, MinVersion: version, MaxVersion: version}
	base := peers(t, func(p *peer) {
		p.Conn = tls.Server(tally{p.Conn, in, out}, config)
		p.request = bufio.NewReader(p.Conn)
		serve(p)
	})
	base.Scheme = "https"
	pool := newPool(t, base)
	pool.Dialer.tls.RootCAs = x509.NewCertPool()
	pool.Dialer.tls.RootCAs.AddCert(owner.Certificate())
	return base, pool
}

// TestExchanged polls on new connections: the TLS handshake and the session tickets before the first
// answer belong to no exchange, so that the first one takes as many bytes as the next.
func TestExchanged(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS=%t", secure), func(t *testing.T) {
			base, pool := securePeers(t, secure, func(p *peer) {
				for p.next() != nil {
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				}
			})
			var sofar, first int64
			for i := range 4 {
				if _, _, err := ask(t, pool, base, http.MethodGet, ""); err != nil {
					t.Fatal(err)
				}
				now := pool.Dialer.Counts.Exchanged()
				if i == 0 {
					first = now
				}
				if took := now - sofar; took != first || took < 100 {
					t.Errorf("exchange %d took %d bytes, the first one %d", i+1, took, first)
				}
				if sofar = now; i == 1 {
					pool.take().close()
				}
			}
			if got := pool.Dialer.Counts.Total().Connections; got != 2 {
				t.Errorf("%d connections, want 2", got)
			}
		})
	}
}

// FuzzRecords cuts a stream of TLS records in pieces: none goes beyond the end of a record, and none
// is empty.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x17\x03\x03\x00\x05hello\x16\x03\x03\x00\x00\x17\x03\x03\x00\x02ok"), byte(3))
	f.Add([]byte("\x17\x03"), byte(1))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), byte(255))
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		ends := map[int]bool{len(data): true} // of records
		for at := 0; at+5 <= len(data); {
			at += 5 + int(data[at+3])<<8 + int(data[at+4])
			ends[at] = true
		}
		r := &records{}
		start := 0 // of the record
		for at := 0; at < len(data); {
			if ends[at] {
				start = at
			}
			piece := data[at:min(len(data), at+1+int(size))]
			n := r.next(piece)
			if n <= 0 || n > len(piece) {
				t.Fatalf("%d of %d bytes", n, len(piece))
			}
			for cut := at + 1; cut < at+n; cut++ {
				if ends[cut] {
					t.Fatalf("bytes %d to %d go beyond the record that ends at %d", at, at+n, cut)
				}
			}
			if at += n; r.start != int64(start) || r.passed != int64(at) {
				t.Fatalf("after %d bytes the record begins at %d, of %d; want %d", at, r.start, r.passed, start)
			}
		}
	})
}
