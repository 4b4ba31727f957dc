//go:build !race

package web_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"pushpull/transports"
	"pushpull/transports/all"
)

// TestLanesCountBytes compares the bytes that a lane shows with those of its connections.
func TestLanesCountBytes(t *testing.T) {
	for _, lane := range allLanes {
		t.Run(lane.Name, func(t *testing.T) {
			var tapped tap
			s := newSite(t, lane)
			s.wrap = tapped.listen
			s.transports = all.Endpoints(transports.Limits{Heartbeat: time.Hour}) // no script sees the pings of a WebSocket
			s.start()
			p := openLanes(t, s)
			if lane.Way.EveryS > 0 {
				p.slide("interval", kb.Home)
			}
			texts := []string{"hello", "größer", strings.Repeat("long ", 100)}
			for i, text := range texts {
				p.say(text)
				p.maryHas(texts[:i+1]...)
			}
			p.slide("interval", kb.End)
			p.Until(`document.querySelectorAll('[data-view="John"] li[data-sent="stored"]').length === 3`)
			got := p.still(lane.Name).Bytes
			s.end()               // answers held requests
			p.Open("about:blank") // stops the reconnecting page
			p.Faults()
			want := tapped.count(t)
			// Both users may have a request whose answer came, or ended, only with the server. No script sees the
			// sizes of chunks in a stream.
			exact := lane.Way.EveryS > 0 || lane.Way.Duplex
			if slack := 2 * 400; got > want || got < want-slack || exact && got != want {
				t.Errorf("the lane shows %d bytes, its connections carried %d", got, want)
			}
		})
	}
}

// A tap records the bytes of connections.
type tap struct {
	mu    sync.Mutex
	conns []*tapped
}

type tapped struct {
	net.Conn
	tap     *tap
	in, out bytes.Buffer
}

type tapListener struct {
	net.Listener
	tap *tap
}

func (t *tap) listen(l net.Listener) net.Listener { return tapListener{l, t} }

func (l tapListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	conn := &tapped{Conn: c, tap: l.tap}
	l.tap.conns = append(l.tap.conns, conn)
	return conn, nil
}

func (c *tapped) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.in.Write(data[:n])
	return n, err
}

func (c *tapped) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.out.Write(data[:n])
	return n, err
}

// count returns the bytes of all exchanges of rooms, without handshakes.
func (t *tap) count(tt *testing.T) (n int) {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		in, out := &counting{r: &c.in}, &counting{r: &c.out}
		requests, answers := bufio.NewReader(in), bufio.NewReader(out)
		at := func(r *bufio.Reader, c *counting) int { return c.n - r.Buffered() }
		for {
			asked, answered := at(requests, in), at(answers, out)
			req, err := http.ReadRequest(requests)
			if err != nil {
				break
			}
			io.Copy(io.Discard, req.Body)
			resp, err := http.ReadResponse(answers, req)
			if err != nil {
				break // the client gave the request up
			}
			if resp.StatusCode == http.StatusSwitchingProtocols {
				sent, _ := io.Copy(io.Discard, requests)
				received, _ := io.Copy(io.Discard, answers)
				n += int(sent+received) - closing
				break
			}
			io.Copy(io.Discard, resp.Body)
			if strings.HasPrefix(req.URL.Path, "/rooms/") {
				n += at(requests, in) - asked + at(answers, out) - answered
			}
		}
	}
	return n
}

// closing is the size of a WebSocket's closing handshake: a close frame with a code and a reason, and
// the same again with a mask.
var closing = 2 + 2 + len(transports.ErrStopping.Error()) + 6 + 2 + len(transports.ErrStopping.Error())

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(data []byte) (int, error) {
	n, err := c.r.Read(data)
	c.n += n
	return n, err
}
