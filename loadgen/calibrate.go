package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

const (
	probeGap     = 40 * time.Millisecond // mean time from one probe to the next: more would keep processors awake that sleep under a light load
	probeCouples = 6                     // who take turns
	probed       = 4                     // messages that it takes to measure the bytes
	briefly      = 10 * time.Millisecond // the hold of a question to which there is no answer
)

// calibrate measures, until ctx ends, what theory has to be told: members of rooms of their own
// talk, on connections that count nowhere else. What the server doesn't take part in stays
// unknown; the window is measured all the same.
func (w *window) calibrate(ctx context.Context) *result.Calibration {
	if ctx.Err() != nil {
		return nil
	}
	c := &result.Calibration{RoundTrip: result.NewHistogram(), Delivery: result.NewHistogram()}
	p := &probe{window: w, room: w.rooms + "-probe"}
	if bytes, err := p.bytes(ctx); err == nil {
		c.Bytes = bytes
	}
	var probing sync.WaitGroup
	c.Members++
	probing.Go(func() { // what was measured until it fails is kept
		_ = RoundTrips(ctx, w.servers[0].base, c.RoundTrip, func() bool { return pause(ctx) })
	})
	_, periodic := w.transport.(transports.Periodic)
	_, scanning := w.transport.(transports.Scanning)
	if !periodic && !scanning { // what is fetched on a timer would tell of the timer
		c.Members += 2 * probeCouples
		probing.Go(func() { _ = p.deliveries(ctx, c.Delivery) })
	}
	probing.Wait()
	return c
}

// A probe is what calibrates a window, in one room.
type probe struct {
	window *window
	server int // a place in window.servers
	room   string
}

// duplex says that one connection carries both directions.
func (p *probe) duplex() bool {
	_, ok := p.window.transport.(transports.Duplex)
	return ok
}

// A probeSession is one of its members, with counters of its own.
type probeSession struct {
	transports.Session

	wire   Wire
	counts Counts
	before int64 // bytes that connecting took
}

// join joins the room on a connection that is open.
func (p *probe) join(ctx context.Context, from transports.Cursor) (*probeSession, error) {
	return p.joinBy(ctx, p.window.transport, from, func(wire http.RoundTripper) http.RoundTripper { return wire })
}

// joinBy joins by a transport of the same kind, on the wire that through makes of its own.
func (p *probe) joinBy(ctx context.Context, by transports.Transport, from transports.Cursor, through func(http.RoundTripper) http.RoundTripper) (*probeSession, error) {
	s := &probeSession{}
	base := p.window.servers[p.server].base
	s.wire.Dialer = NewDialer(base, &s.counts)
	if err := s.wire.Open(ctx); err != nil {
		return nil, err
	}
	target := transports.Target{Base: base, Wire: through(&s.wire)}
	var err error
	if !p.duplex() {
		s.before = s.total() // TLS; that of a handshake is left out anyway
	}
	if s.Session, err = by.Join(ctx, target, p.room, from); err != nil {
		s.wire.Close()
		return nil, err
	}
	return s, nil
}

func (s *probeSession) leave() {
	s.Close()
	s.wire.Close()
}

func (s *probeSession) total() int64 {
	t := s.counts.totals()
	return t.BytesIn + t.BytesOut
}

// carried returns the bytes in both directions since the session was connected.
func (s *probeSession) carried() int64 { return s.total() - s.before }

// A talker is the member who sends. Where one connection carries both directions, it reads along.
type talker struct {
	*probeSession

	size   int
	number int // of the last message
	stored chan error
	read   chan arrival // of what came back; nil: it doesn't read
	quit   context.CancelFunc
	ended  sync.WaitGroup
}

func (p *probe) talker(ctx context.Context) (*talker, error) {
	s, err := p.join(ctx, "")
	if err != nil {
		return nil, err
	}
	t := &talker{probeSession: s, size: p.window.size, stored: make(chan error, 1)}
	reading, quit := context.WithCancel(ctx)
	t.quit = quit
	if p.duplex() {
		t.read = make(chan arrival, 1)
		t.ended.Go(func() { listen(reading, s, t.read) })
	}
	return t, nil
}

// An arrival is a message that a member holds decoded.
type arrival struct {
	number int
	at     time.Time
}

// listen hands over what s reads, until ctx ends.
func listen(ctx context.Context, s *probeSession, to chan<- arrival) {
	for m, err := range s.Messages(ctx) {
		at := time.Now()
		if err != nil {
			return
		}
		stamp, _ := ParseStamp(m.Body)
		select {
		case to <- arrival{stamp.Number, at}:
		case <-ctx.Done():
		}
	}
}

// await returns when the message of that number came.
func await(ctx context.Context, from <-chan arrival, number int) (time.Time, error) {
	for {
		select {
		case a := <-from:
			if a.number == number {
				return a.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
}

func (t *talker) leave() {
	t.quit()
	t.probeSession.leave()
	t.ended.Wait()
}

// say sends one message and returns once it is stored and, where the talker reads, has come back.
func (t *talker) say(ctx context.Context) error {
	t.number++
	body := Stamp{Number: t.number}.appendTo(nil, t.size)
	t.Send(ctx, body, func(err error) { t.stored <- err })
	select {
	case err := <-t.stored:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if t.read == nil {
		return nil
	}
	_, err := await(ctx, t.read, t.number)
	return err
}

// bytes measures what the exchanges of the transport carry.
func (p *probe) bytes(ctx context.Context) (*result.Bytes, error) {
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	_, first, err := p.read(ctx, "", 1) // from a place on, as users do but the first time
	if err != nil {
		return nil, err
	}
	before := t.carried()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	send := t.carried() - before
	one, _, err := p.read(ctx, first, 1)
	if err != nil {
		return nil, err
	}
	for t.number < probed {
		if err := t.say(ctx); err != nil {
			return nil, err
		}
	}
	three, last, err := p.read(ctx, first, 3)
	if err != nil {
		return nil, err
	}
	b := &result.Bytes{Send: send, Message: (three - one) / 2}
	b.Answer = one - b.Message
	if t.read != nil {
		b.Send -= b.Message // which came back
	}
	if !p.duplex() {
		b.Empty, err = p.readNothing(ctx, last)
	}
	return b, err
}

// read reads n messages that are there already, and returns the bytes it took and the place after
// them.
func (p *probe) read(ctx context.Context, from transports.Cursor, n int) (bytes int64, end transports.Cursor, err error) {
	s, err := p.join(ctx, from)
	if err != nil {
		return 0, "", err
	}
	defer s.leave()
	for m, err := range s.Messages(ctx) {
		if err != nil {
			return 0, "", err
		}
		if n--; n == 0 {
			return s.carried(), transports.CursorAt(m.Seq), nil
		}
	}
	return 0, "", context.Cause(ctx)
}

// readNothing asks once where there is nothing new, and returns the bytes it took.
func (p *probe) readNothing(ctx context.Context, from transports.Cursor) (int64, error) {
	by := p.window.transport
	if holding, ok := by.(transports.Holding); ok {
		by = holding.WithHold(briefly)
	}
	asked := &once{answered: make(chan struct{})}
	s, err := p.joinBy(ctx, by, from, func(wire http.RoundTripper) http.RoundTripper {
		asked.wire = wire
		return asked
	})
	if err != nil {
		return 0, err
	}
	asking, quit := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for _, err := range s.Messages(asking) {
			if err != nil {
				return // it asked once more, or the server is gone
			}
		}
	})
	defer func() {
		quit()
		s.leave()
		ended.Wait()
	}()
	select {
	case <-asked.answered:
		return s.carried(), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// once lets one request through.
type once struct {
	wire     http.RoundTripper
	answered chan struct{}
	done     bool
}

var errOnce = errors.New("one request is enough")

func (o *once) RoundTrip(req *http.Request) (*http.Response, error) {
	if o.done {
		return nil, errOnce
	}
	o.done = true
	defer close(o.answered)
	return o.wire.RoundTrip(req)
}

// RoundTrips records into a histogram the time that the smallest exchange with the server at base
// takes, on a connection that is kept, for as long as more says that there is to be another one.
func RoundTrips(ctx context.Context, base *url.URL, into *result.Histogram, more func() bool) error {
	wire := &Wire{Dialer: NewDialer(base, &Counts{})}
	defer wire.Close()
	if err := wire.Open(ctx); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("healthz").String(), nil)
	if err != nil {
		return err
	}
	for more() {
		begun := time.Now()
		resp, err := wire.RoundTrip(req)
		if err != nil {
			return err
		}
		took := time.Since(begun)
		_, err = io.Copy(io.Discard, resp.Body) // else the connection would not be kept
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answered %s to GET /healthz", resp.Status)
		}
		into.Record(took)
	}
	return nil
}

// A couple is two members of a room of their own: one sends, the other one reads.
type couple struct {
	*talker

	reader   *probeSession
	arrivals chan arrival
	reading  sync.WaitGroup
}

func (p *probe) couple(ctx context.Context) (*couple, error) {
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	c := &couple{talker: t, arrivals: make(chan arrival, 1)}
	other := &probe{p.window, (p.server + 1) % len(p.window.servers), p.room} // as members of a room are
	if c.reader, err = other.join(ctx, ""); err != nil {
		t.leave()
		return nil, err
	}
	c.reading.Go(func() { listen(ctx, c.reader, c.arrivals) })
	return c, nil
}

func (c *couple) leave() {
	c.talker.leave()
	c.reader.leave()
	c.reading.Wait()
}

// deliveries records the time from the start of sending to the decoded message at another member,
// until ctx ends. Couples take turns: one that talks all the time is faster than users are, as
// its memory is in the processor's cache.
func (p *probe) deliveries(ctx context.Context, into *result.Histogram) error {
	var couples []*couple
	defer func() {
		for _, c := range couples {
			c.leave()
		}
	}()
	for i := range probeCouples {
		in := &probe{p.window, i % len(p.window.servers), fmt.Sprintf("%s-%d", p.room, i)}
		c, err := in.couple(ctx)
		if err != nil {
			return err
		}
		couples = append(couples, c)
	}
	for i := 0; pause(ctx); i++ {
		c := couples[i%len(couples)]
		begun := time.Now()
		if err := c.say(ctx); err != nil {
			return err
		}
		at, err := await(ctx, c.arrivals, c.number)
		if err != nil {
			return err
		}
		into.Record(at.Sub(begun))
	}
	return nil
}

// pause waits for a while that is drawn anew each time; false says that ctx has ended.
func pause(ctx context.Context) bool {
	return pauseUntil(ctx, time.Now().Add(time.Duration(rand.ExpFloat64()*float64(probeGap))))
}
