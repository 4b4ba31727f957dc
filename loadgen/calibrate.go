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
	"pushpull/loadgen/wire"
	"pushpull/transports"
)

const (
	probeGap    = 40 * time.Millisecond // mean time between probes; probing more often would keep processors awake that sleep under a light load
	probeSends  = 4                     // messages sent to measure the bytes
	probePushes = 16                    // the same on a stream, if the server is near
	probeHold   = 10 * time.Millisecond // hold time of the poll whose response is empty
)

// calibrate measures the inputs of theory until ctx ends. It uses members in rooms of their own, whose
// connections are not counted in the window. If there is a network between users and servers, the members are on the
// servers' side of it, as theory adds what the network does; only the round trip is measured through it, too, to find
// out whether that is true. A measurement that fails is left out, and the window is
// measured nevertheless.
func (w *window) calibrate(ctx context.Context) *result.Calibration {
	if ctx.Err() != nil {
		return nil
	}
	if w.foreign() {
		return w.calibrateForeign(ctx)
	}
	c := &result.Calibration{RoundTrip: result.NewHistogram(), Direct: result.NewHistogram(), Delivery: result.NewHistogram()}
	p := &probe{window: w, room: w.rooms + "-probe"}
	countBytes := func() {
		if counted, err := p.bytes(ctx); err == nil {
			c.Bytes = counted
		}
	}
	var probing sync.WaitGroup
	if w.way.Polls() {
		countBytes() // first, as it takes a few exchanges and the time may be short
	} else {
		probing.Go(countBytes) // it takes a second
	}
	c.Members++
	w.measureTrips(ctx, &probing, health, c)
	if w.way.Timer() == 0 { // else it would only measure the timer
		c.Members += 2 * probeCouples
		probing.Go(func() { _ = p.deliveries(ctx, c.Delivery) })
	}
	probing.Wait()
	return c
}

// measureTrips begins to measure the round trip of the smallest exchange, to the path of a small answer: that of users,
// and, if there is a network between them and the servers, that without it. After an error, the round trips before it
// are kept.
func (w *window) measureTrips(ctx context.Context, probing *sync.WaitGroup, path string, c *result.Calibration) {
	more := func() bool { return pause(ctx) }
	var counts wire.Counts
	probing.Go(func() {
		_ = roundTrips(ctx, w.servers[0].dialer.Counting(&counts), path, c.RoundTrip, more)
		total := counts.Total()
		if n := float64(c.RoundTrip.Count()); n > 0 {
			c.NetworkS = w.network.RoundTrip(float64(total.BytesOut)/n, float64(total.BytesIn)/n)
		}
	})
	if w.network.IsNone() {
		return
	}
	c.Members++
	probing.Go(func() { _ = roundTrips(ctx, w.beside(0, &wire.Counts{}), path, c.Direct, more) })
}

// A probe makes measurements for a window's calibration in one room, on one server.
type probe struct {
	window *window
	server int // index into window.servers
	room   string
}

// A probeSession is a member of a probe's room, with counters of its own.
type probeSession struct {
	transports.Session

	pool   wire.Pool
	counts wire.Counts
	dates  dates // of the answers over HTTP/2
}

// connect returns a session without a room, whose connection it has not opened.
func (p *probe) connect() *probeSession {
	s := &probeSession{}
	s.pool.Dialer = p.window.beside(p.server, &s.counts)
	s.dates.wire = &s.pool
	return s
}

// join opens a connection and joins the room on it.
func (p *probe) join(ctx context.Context, from transports.Cursor) (*probeSession, error) {
	return p.joinOn(ctx, from, func(*transports.Target) {})
}

// joinOn is join with a target that adjust may change.
func (p *probe) joinOn(ctx context.Context, from transports.Cursor, adjust func(*transports.Target)) (*probeSession, error) {
	s := p.connect()
	if err := s.pool.Open(ctx); err != nil {
		return nil, err
	}
	target := transports.Target{Base: s.pool.Dialer.Base(), HTTP: &s.pool}
	if s.pool.Dialer.HTTP2 {
		target.HTTP = &s.dates
	}
	adjust(&target)
	var err error
	if s.Session, err = p.window.client.Join(ctx, target, p.room, from); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *probeSession) leave() {
	s.Close()
	s.pool.Close()
}

// carried returns the bytes in both directions of all exchanges, without those of connecting and of new Dates over
// HTTP/2.
func (s *probeSession) carried() int64 { return s.counts.Exchanged() - s.dates.written() }

// A talker is the member that sends. On a duplex transport it also reads, as its own messages come
// back on the same connection.
type talker struct {
	*probeSession

	size   int // of a message, in bytes
	number int // of the last message sent
	stored chan error
	read   chan arrival // messages that came back; nil: the talker doesn't read
	quit   context.CancelFunc
	ended  sync.WaitGroup
	limit  time.Duration // for a message to come; 0: none
}

func (p *probe) talker(ctx context.Context) (*talker, error) {
	s, err := p.join(ctx, "")
	if err != nil {
		return nil, err
	}
	t := &talker{probeSession: s, size: p.window.size, stored: make(chan error, 1)}
	reading, quit := context.WithCancel(context.WithoutCancel(ctx))
	t.quit = quit
	way := p.window.way
	switch foreign := p.window.foreign(); {
	case way.Duplex && !way.Lacks.Echo, (foreign || p.window.http2) && way.Stream && !way.Lacks.Echo: // over HTTP/2 the stream is on the same connection
		t.read = make(chan arrival, 1)
		t.ended.Go(func() { listen(reading, s, t.read) })
	case foreign && way.Timer() == 0: // acknowledgements may come with the messages
		t.ended.Go(func() { listen(reading, s, nil) })
	}
	if p.window.foreign() {
		t.limit = probeTime
	}
	return t, nil
}

// An arrival is a message that a member has received and decoded.
type arrival struct {
	number int
	at     time.Time
}

// listen sends the messages that s reads to a channel, until ctx or the session ends. They go nowhere if it is nil.
func listen(ctx context.Context, s *probeSession, to chan<- arrival) {
	for m, err := range s.Messages(ctx) {
		at := time.Now()
		if err != nil {
			return
		}
		if to == nil {
			continue
		}
		stamp, _ := ParseStamp(m.Body)
		select {
		case to <- arrival{stamp.Number, at}:
		case <-ctx.Done():
		}
	}
}

// await waits for the message with the given number and returns the time at which it arrived.
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
	t.probeSession.leave() // before quit, which would end the connection without a close frame
	t.quit()
	t.ended.Wait()
}

// say sends one message and waits until it is stored and, if the talker reads, has come back.
func (t *talker) say(ctx context.Context) error {
	t.number++
	body := Stamp{Number: t.number}.appendTo(nil, t.size)
	stored := t.stored
	if t.limit > 0 {
		stored = make(chan error, 1) // that of an earlier message may still come
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.limit, errUnheard)
		defer cancel()
	}
	t.Send(ctx, body, func(err error) { stored <- err })
	select {
	case err := <-stored:
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

// bytes measures the bytes of the transport's exchanges.
func (p *probe) bytes(ctx context.Context) (*result.Bytes, error) {
	if p.window.http2 {
		return p.compressed(ctx)
	}
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	_, first, err := p.read(ctx, "", 1) // for a cursor, which users send with all requests but the first
	if err != nil {
		return nil, err
	}
	before := t.carried()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	if !p.window.way.Polls() {
		return p.pushed(ctx, t, first)
	}
	b := &result.Bytes{Send: t.carried() - before}
	one, _, err := p.read(ctx, first, 1)
	if err != nil {
		return nil, err
	}
	for t.number < probeSends {
		if err := t.say(ctx); err != nil {
			return nil, err
		}
	}
	three, last, err := p.read(ctx, first, 3)
	if err != nil {
		return nil, err
	}
	b.Message = (three - one) / 2
	b.Answer = one - b.Message
	if b.Empty, _, err = p.readNothing(ctx, last); err != nil || p.window.way.Timer() == 0 {
		return b, err
	}
	fresh := &probe{p.window, p.server, p.window.rooms + "-new"} // about as long as the names of the users' rooms
	_, start, err := fresh.readNothing(ctx, "")                  // likewise for a cursor
	if err != nil {
		return nil, err
	}
	b.Fresh, _, err = fresh.readNothing(ctx, start)
	return b, err
}

// pushed measures the bytes of a stream as means of several messages: a proxy may pass an
// acknowledgement and a message on together or one by one, which over TLS takes more bytes. It counts
// messages that are sent after the reader has received one that the log already held.
func (p *probe) pushed(ctx context.Context, t *talker, from transports.Cursor) (*result.Bytes, error) {
	s, err := p.join(ctx, from)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	until := time.Now().Add(2 * probePushes * probeGap)
	if end, ok := ctx.Deadline(); ok { // from a distant server, fewer will do
		until = time.Now().Add(min(time.Until(until), time.Until(end)/2))
	}
	var read, sent int64
	came := int64(0)
	for _, err := range s.Messages(ctx) {
		switch came++; {
		case err != nil:
			return nil, err
		case came == 1:
			read, sent = s.carried(), t.carried()
		case came > probePushes || came > probeSends && time.Now().After(until):
			n := came - 1
			b := &result.Bytes{Send: mean(t.carried()-sent, n), Message: mean(s.carried()-read, n)}
			if t.read != nil {
				b.Send -= b.Message // the talker's own messages have come back
			}
			return b, nil
		}
		if came > probeSends { // the first ones at once, in case that there is little time
			pause(ctx)
		}
		if err := t.say(ctx); err != nil { // the reader gets it next
			return nil, err
		}
	}
	return nil, context.Cause(ctx)
}

// mean returns total/n, rounded.
func mean(total, n int64) int64 { return (total + n/2) / n }

// read reads n messages that the log already holds. It returns the bytes this took and the cursor
// after the messages.
func (p *probe) read(ctx context.Context, from transports.Cursor, n int) (bytes int64, end transports.Cursor, err error) {
	s, err := p.join(ctx, from)
	if err != nil {
		return 0, "", err
	}
	defer s.leave()
	for _, err := range s.Messages(ctx) {
		if err != nil {
			return 0, "", err
		}
		if n--; n == 0 {
			return s.carried(), s.Cursor(), nil
		}
	}
	return 0, "", context.Cause(ctx)
}

// readNothing polls once when there is nothing new. It returns the bytes this took and the cursor to read on
// from.
func (p *probe) readNothing(ctx context.Context, from transports.Cursor) (bytes int64, end transports.Cursor, err error) {
	asked := &once{answered: make(chan struct{})}
	s, err := p.joinOn(ctx, from, func(target *transports.Target) {
		asked.wire, target.HTTP, target.Hold = target.HTTP, asked, probeHold
	})
	if err != nil {
		return 0, "", err
	}
	asking, quit := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for _, err := range s.Messages(asking) {
			if err != nil {
				return // errOnce from the second poll, or the server is gone
			}
		}
	})
	select {
	case <-asked.answered:
		bytes = s.carried()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	quit()
	s.leave()
	ended.Wait()
	return bytes, s.Cursor(), err
}

// once is an http.RoundTripper that sends one poll and refuses all others.
type once struct {
	wire     http.RoundTripper
	answered chan struct{}
	done     bool
}

var errOnce = errors.New("only one request may be sent")

func (o *once) RoundTrip(req *http.Request) (*http.Response, error) {
	if !isPoll(req) {
		return o.wire.RoundTrip(req)
	}
	if o.done {
		return nil, errOnce
	}
	o.done = true
	defer close(o.answered)
	return o.wire.RoundTrip(req)
}

// RoundTrips records the duration of the smallest exchange with the server at base, GET /healthz on a
// kept connection, into a histogram, again and again until more returns false.
func RoundTrips(ctx context.Context, base *url.URL, into *result.Histogram, more func() bool) error {
	return roundTrips(ctx, wire.NewDialer(base, &wire.Counts{}), health, into, more)
}

func roundTrips(ctx context.Context, d *wire.Dialer, path string, into *result.Histogram, more func() bool) error {
	pool := &wire.Pool{Dialer: d}
	defer pool.Close()
	if err := pool.Open(ctx); err != nil {
		return err
	}
	for more() {
		took, err := roundTrip(ctx, pool, path)
		if err != nil {
			return err
		}
		into.Record(took)
	}
	return nil
}

// roundTrip makes the smallest exchange with the server of pool. It returns the time until the response
// came.
func roundTrip(ctx context.Context, pool *wire.Pool, path string) (took time.Duration, err error) {
	req := transports.NewRequest(ctx, http.MethodGet, pool.Dialer.Base().JoinPath(path), http.Header{}, nil)
	begun := time.Now()
	resp, err := pool.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	took = time.Since(begun)
	_, err = io.Copy(io.Discard, resp.Body) // an unread body would close the connection
	resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the server answered %s to GET %s", resp.Status, path)
	}
	return took, err
}

// pause waits for a random time, exponentially distributed with mean probeGap. It returns false if ctx
// ends first.
func pause(ctx context.Context) bool {
	return pauseUntil(ctx, time.Now().Add(time.Duration(rand.ExpFloat64()*float64(probeGap))))
}
