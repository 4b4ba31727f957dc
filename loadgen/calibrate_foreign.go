package loadgen

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// probeTime is how long a probe of a foreign server waits for a message. What takes longer is left out: the server
// may have no log to read it from.
const probeTime = time.Second

// errUnheard is the error of a message that a probe has not received.
var errUnheard = errors.New("the message did not come in time")

// calibrateForeign measures of a foreign server what can be measured of it, until ctx ends: the server may not have
// a small answer, a log or acknowledgements, and may not return a member's own messages. The measurements don't
// wait for each other.
func (w *window) calibrateForeign(ctx context.Context) *result.Calibration {
	c := &result.Calibration{RoundTrip: result.NewHistogram(), Direct: result.NewHistogram(), Delivery: result.NewHistogram()}
	p := &probe{window: w, room: w.rooms + "-probe"}
	var probing sync.WaitGroup
	if path := w.health(); path != "" {
		c.Members++
		w.measureTrips(ctx, &probing, path, c)
	} else {
		c.Connects = true
		probing.Go(func() {
			_ = touches(ctx, w.beside(0, &wire.Counts{}), c.RoundTrip, func() bool { return pause(ctx) })
		})
	}
	probing.Go(func() {
		if counted, err := p.foreignBytes(ctx); err == nil {
			c.Bytes = counted
		}
	})
	if w.way.Timer() == 0 {
		c.Members += 2 * probeCouples
		probing.Go(func() { _ = p.deliveries(ctx, c.Delivery) })
	}
	probing.Wait()
	return c
}

// touches records how long the server takes to accept connections, again and again until more returns false.
func touches(ctx context.Context, d *wire.Dialer, into *result.Histogram, more func() bool) error {
	for more() {
		took, err := d.Touch(ctx)
		if err != nil {
			return err
		}
		into.Record(took)
	}
	return nil
}

// foreignBytes measures the bytes of the transport's exchanges, as far as the server lets a probe choose them. The
// error says that it doesn't, or that time was short.
func (p *probe) foreignBytes(ctx context.Context) (*result.Bytes, error) {
	switch way := p.window.way; {
	case way.Stream:
		return p.streamBytes(ctx)
	case way.Every > 0 && !way.Lacks.Replay && !way.Lacks.Resume:
		return p.timerBytes(ctx)
	}
	// A held poll that finds nothing lasts as long as the server likes, and without a log nobody knows what one finds.
	return nil, errUnheard
}

// streamBytes measures the bytes of a stream, as pushed does, but of messages that are sent while the reader listens.
func (p *probe) streamBytes(ctx context.Context) (*result.Bytes, error) {
	in := &probe{p.window, p.server, p.room + "-bytes"}
	c, err := in.couple(ctx)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	if err := c.exchange(ctx, nil); err != nil { // it may carry more than later ones
		return nil, err
	}
	read, sent := c.reader.carried(), c.carried()
	n := int64(0)
	for n < probePushes && (n < probeSends || pause(ctx)) {
		if err := c.exchange(ctx, nil); err != nil {
			return nil, err
		}
		n++
	}
	b := &result.Bytes{Send: mean(c.carried()-sent, n), Message: mean(c.reader.carried()-read, n)}
	if c.read != nil {
		b.Send -= b.Message // the talker's own messages have come back
	}
	return b, ctx.Err()
}

// timerBytes measures the bytes of polls on a timer, by polls of new members that read the log.
func (p *probe) timerBytes(ctx context.Context) (*result.Bytes, error) {
	in := &probe{p.window, p.server, p.room + "-bytes"}
	t, err := in.talker(ctx)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	_, first, err := in.readSoon(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	if first == "" {
		return nil, errUnheard // the server has no places: each poll would be a new conversation
	}
	before := t.carried()
	if err := t.say(ctx); err != nil {
		return nil, err
	}
	b := &result.Bytes{Send: t.carried() - before}
	one, last, err := in.readSoon(ctx, first, 1)
	if err != nil {
		return nil, err
	}
	b.Message = int64(t.size)
	if batch := p.window.way.Batch; batch == 0 || batch > 2 {
		for range 2 {
			if err := t.say(ctx); err != nil {
				return nil, err
			}
		}
		var three int64
		if three, last, err = in.readSoon(ctx, first, 3); err != nil {
			return nil, err
		}
		b.Message = (three - one) / 2
	}
	b.Answer = one - b.Message
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errUnheard)
	defer cancel()
	b.Empty, _, err = in.readNothing(ctx, last)
	return b, err
}

// readSoon is read, which gives up after probeTime.
func (p *probe) readSoon(ctx context.Context, from transports.Cursor, n int) (bytes int64, end transports.Cursor, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errUnheard)
	defer cancel()
	return p.read(ctx, from, n)
}

// exchange sends one message, and waits until the reader has it. The time that this took goes into a histogram,
// unless that is nil.
func (c *couple) exchange(ctx context.Context, into *result.Histogram) error {
	if c.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.limit, errUnheard)
		defer cancel()
	}
	begun := time.Now()
	if err := c.say(ctx); err != nil {
		return err
	}
	at, err := await(ctx, c.arrivals, c.number)
	if err == nil && into != nil {
		into.Record(at.Sub(begun))
	}
	return err
}

// isPoll reports whether a request is a poll, and not one of a handshake before it.
func isPoll(req *http.Request) bool {
	purpose, _ := transports.PurposeOf(req)
	return purpose.Request == transports.Poll
}
