//go:build timed

package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"pushpull/loadgen/alarm"
	"pushpull/loadgen/result"
	"pushpull/transports/dialect/servers"
)

// TestTimedPlainClient measures nchan with the dialect, and with clients that were written for nchan alone: what they
// count must be equal. All send the messages of the same plans, in turns, each time to a server of its own. The median
// must be at most 5% above that of a client on net/http, as people write them. It is 1.1 to 1.3 times that of a client on
// bare sockets: after a rest of some milliseconds, what pushpull does for a request besides (counts, limits, rules) takes
// some 20 µs before it is written and as much after its answer, as the code is no longer in the processor's caches.
// Without rests both clients take as long.
func TestTimedPlainClient(t *testing.T) {
	script, err := filepath.Abs("../testdata/servers/nchan/start.sh")
	if err != nil {
		t.Fatal(err)
	}
	nchan, err := servers.Find("nchan")
	if err != nil {
		t.Fatal(err)
	}
	program, err := OpenProgram(script)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	side := Side{Name: "nchan", Dialect: nchan, Program: program, Command: []string{script}}
	for transport, listen := range map[string]func(*plain, context.Context, int, string) error{"websocket": (*plain).socket, "long-poll": (*plain).poll} {
		s := Scenario{
			Name: "pairs", Users: 200, RoomSize: 2, Rate: 1, Size: 100, Warmup: .5, Duration: 3, Drain: 5, Rounds: 1, Seed: 1,
			Transports: []string{"nchan/" + transport},
		}
		ratios := map[bool][]float64{} // by whether the plain client has bare sockets
		for round := 1; round <= 5; round++ {
			var ours *result.Window
			err := Run(t.Context(), Options{Scenario: s, Sides: []Side{{}}, Against: []Side{side}, First: round}, func(_ int, w *result.Window) error {
				ours = w
				return nil
			})
			if err != nil || ours.Failed != "" {
				t.Fatalf("%s: %v %+v", transport, err, ours)
			}
			for _, bare := range []bool{false, true} {
				theirs := &plain{t: t, plan: NewPlan(s, round), size: s.Size, bare: bare}
				theirs.measure(side, listen)
				if ours.Delivered != len(theirs.latency) || ours.Lost > 0 || ours.Expected != len(theirs.latency) {
					t.Errorf("%s: pushpull counts %d deliveries of %d, the plain client %d", transport, ours.Delivered, ours.Expected, len(theirs.latency))
				}
				slices.Sort(theirs.latency)
				p50 := theirs.latency[len(theirs.latency)/2]
				ratios[bare] = append(ratios[bare], float64(ours.Latency.Quantile(.5))/float64(p50))
				t.Logf("%s, round %d: %d deliveries, p50 %v, of a plain client (bare sockets: %t) %v", transport, round, ours.Delivered, ours.Latency.Quantile(.5), bare, p50)
			}
		}
		for bare, r := range ratios {
			slices.Sort(r)
			t.Logf("%s: the median of pushpull is %.3f of that of a plain client (bare sockets: %t): %.3f", transport, r[len(r)/2], bare, r)
		}
		if most := ratios[false][len(ratios[false])/2]; most > 1.05 {
			t.Errorf("%s: the median of pushpull is %.3f of that of a client on net/http, want at most 1.05", transport, most)
		}
	}
}

// A plain is a client of nchan.
type plain struct {
	t    *testing.T
	plan *Plan
	size int
	bare bool // it has bare sockets, not net/http
	base *url.URL

	mu      sync.Mutex
	start   time.Time
	latency []time.Duration // of the measured messages
}

// measure starts a server, lets all users listen and sends the messages of the plan.
func (p *plain) measure(side Side, listen func(*plain, context.Context, int, string) error) {
	started, err := side.start(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer stopAll(started)
	p.base = started[0].Base
	ctx, cancel := context.WithCancel(p.t.Context())
	var users sync.WaitGroup
	for u := range p.plan.Users {
		users.Go(func() {
			if err := listen(p, ctx, u, "room-"+strconv.Itoa(p.plan.Room(u))); err != nil && ctx.Err() == nil {
				p.t.Error(err)
			}
		})
	}
	time.Sleep(time.Second) // for all to listen
	p.start = time.Now()
	senders := make([]asker, p.plan.Users)
	for i := range senders {
		if senders[i], err = p.dial(ctx); err != nil {
			p.t.Fatal(err)
		}
		defer senders[i].Close()
	}
	var sending sync.WaitGroup
	ringing, err := alarm.New() // time.Sleep would be up to a millisecond late
	if err != nil {
		p.t.Fatal(err)
	}
	defer ringing.Close()
	for _, send := range p.plan.Sends {
		if err := ringing.Wait(ctx, p.start.Add(send.At)); err != nil {
			p.t.Fatal(err)
		}
		sending.Go(func() {
			body := Stamp{User: int(send.User), Number: int(send.Number), Intended: send.At}.appendTo(nil, p.size)
			path := fmt.Sprintf("/pub/room-%d", p.plan.Room(int(send.User)))
			if _, _, err := senders[send.User].ask(ctx, http.MethodPost, path, http.Header{"Content-Type": {"text/plain"}}, body); err != nil {
				p.t.Error(err)
			}
		})
	}
	sending.Wait()
	time.Sleep(time.Second) // for the last ones to arrive
	cancel()
	users.Wait()
}

// got takes a message that user has received.
func (p *plain) got(user int, body []byte) {
	now := time.Now()
	s, ok := ParseStamp(body)
	i, known := p.plan.Find(s.User, s.Number)
	if !ok || !known || s.User == user || !p.plan.Measured(p.plan.Sends[i]) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = append(p.latency, now.Sub(p.start)-s.Intended)
}

// socket listens on a WebSocket.
func (p *plain) socket(ctx context.Context, user int, room string) error {
	c, err := websocket.Dial("ws://"+p.base.Host+"/sub/"+room, "", p.base.String())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for {
		var body []byte
		if err := websocket.Message.Receive(c, &body); err != nil {
			return err
		}
		p.got(user, body)
	}
}

// An asker is a connection that asks one thing at a time.
type asker interface {
	ask(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, []byte, error)
	Close() error
}

func (p *plain) dial(ctx context.Context) (asker, error) {
	if !p.bare {
		a := &client{base: p.base.String()}
		_, _, err := a.ask(ctx, http.MethodGet, "/", nil, nil) // whatever the answer, there is a connection now
		return a, err
	}
	c, err := net.Dial("tcp", p.base.Host)
	return &line{Conn: c, answers: bufio.NewReader(c)}, err
}

// A client is an asker on net/http.
type client struct {
	base string
	http http.Transport
}

func (c *client) ask(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := (&http.Client{Transport: &c.http}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// A line is an asker on a bare socket.
type line struct {
	net.Conn
	answers *bufio.Reader
	asking  sync.Mutex
}

func (l *line) ask(_ context.Context, method, path string, header http.Header, body []byte) (*http.Response, []byte, error) {
	l.asking.Lock()
	defer l.asking.Unlock()
	request := method + " " + path + " HTTP/1.1\r\nHost: " + l.RemoteAddr().String() + "\r\n"
	for key, values := range header {
		request += key + ": " + values[0] + "\r\n"
	}
	if len(body) > 0 {
		request += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if _, err := io.WriteString(l, request+"\r\n"+string(body)); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// poll listens by long polls.
func (p *plain) poll(ctx context.Context, user int, room string) error {
	a, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	if l, ok := a.(*line); ok {
		defer context.AfterFunc(ctx, func() { l.Close() })()
	}
	for place := (http.Header{}); ; {
		resp, body, err := a.ask(ctx, http.MethodGet, "/sub/"+room, place, nil)
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusOK {
			p.got(user, body)
			place = http.Header{"If-Modified-Since": resp.Header["Last-Modified"], "If-None-Match": resp.Header["Etag"]}
		}
	}
}
