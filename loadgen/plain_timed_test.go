//go:build timed

package loadgen

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

	"pushpull/loadgen/result"
	"pushpull/transports/dialect/servers"
)

// TestTimedPlainClient measures nchan with the dialect, and with clients that were written for nchan alone: what they
// count must be equal. Both send the messages of the same plans, in turns, each time to a server of its own. The medians
// are reported, not judged: pushpull's is 1.05 to 1.3 times that of this client, which has bare sockets, no deadlines and
// no ledger, and it isn't known what the 100 to 150 µs are.
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
		var ratios []float64
		s := Scenario{
			Name: "pairs", Users: 200, RoomSize: 2, Rate: 1, Size: 100, Warmup: .5, Duration: 3, Drain: 5, Rounds: 1, Seed: 1,
			Transports: []string{"nchan/" + transport},
		}
		for round := 1; round <= 5; round++ {
			var ours *result.Window
			err := Run(t.Context(), Options{Scenario: s, Sides: []Side{{}}, Against: []Side{side}, First: round}, func(_ int, w *result.Window) error {
				ours = w
				return nil
			})
			if err != nil || ours.Failed != "" {
				t.Fatalf("%s: %v %+v", transport, err, ours)
			}
			theirs := &plain{t: t, plan: NewPlan(s, round), size: s.Size}
			theirs.measure(side, listen)
			if ours.Delivered != len(theirs.latency) || ours.Lost > 0 || ours.Expected != len(theirs.latency) {
				t.Errorf("%s: pushpull counts %d deliveries of %d, the plain client %d", transport, ours.Delivered, ours.Expected, len(theirs.latency))
			}
			slices.Sort(theirs.latency)
			p50 := theirs.latency[len(theirs.latency)/2]
			ratios = append(ratios, float64(ours.Latency.Quantile(.5))/float64(p50))
			t.Logf("%s, round %d: %d deliveries, p50 %v and %v", transport, round, ours.Delivered, ours.Latency.Quantile(.5), p50)
		}
		slices.Sort(ratios)
		t.Logf("%s: the median of pushpull is %.3f of that of the plain client: %.3f", transport, ratios[len(ratios)/2], ratios)
	}
}

// A plain is a client of nchan.
type plain struct {
	t    *testing.T
	plan *Plan
	size int
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
	senders := make([]*line, p.plan.Users)
	for i := range senders {
		if senders[i], err = p.dial(); err != nil {
			p.t.Fatal(err)
		}
		defer senders[i].Close()
	}
	var sending sync.WaitGroup
	alarm, err := newAlarm() // time.Sleep would be up to a millisecond late
	if err != nil {
		p.t.Fatal(err)
	}
	defer alarm.close()
	for _, send := range p.plan.Sends {
		if err := alarm.wait(ctx, p.start.Add(send.At)); err != nil {
			p.t.Fatal(err)
		}
		sending.Go(func() {
			body := Stamp{User: int(send.User), Number: int(send.Number), Intended: send.At}.appendTo(nil, p.size)
			head := fmt.Sprintf("POST /pub/room-%d HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", p.plan.Room(int(send.User)), p.base.Host, len(body))
			if _, _, err := senders[send.User].ask(head + string(body)); err != nil {
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

// A line is a connection that asks one thing at a time. The client of net/http would add a tenth to the medians.
type line struct {
	net.Conn
	answers *bufio.Reader
	asking  sync.Mutex
}

func (p *plain) dial() (*line, error) {
	c, err := net.Dial("tcp", p.base.Host)
	return &line{Conn: c, answers: bufio.NewReader(c)}, err
}

// ask sends a request and returns the answer, whose body is read.
func (l *line) ask(request string) (*http.Response, []byte, error) {
	l.asking.Lock()
	defer l.asking.Unlock()
	if _, err := io.WriteString(l, request); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// poll listens by long polls.
func (p *plain) poll(ctx context.Context, user int, room string) error {
	l, err := p.dial()
	if err != nil {
		return err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for place := ""; ; {
		resp, body, err := l.ask("GET /sub/" + room + " HTTP/1.1\r\nHost: " + p.base.Host + "\r\n" + place + "\r\n")
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusOK {
			p.got(user, body)
			place = "If-Modified-Since: " + resp.Header.Get("Last-Modified") + "\r\nIf-None-Match: " + resp.Header.Get("Etag") + "\r\n"
		}
	}
}
