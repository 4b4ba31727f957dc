package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pushpull/loadgen/result"
)

const probeCouples = 6 // couples that take turns

// A couple is two members with a room of their own: one sends, the other one reads.
type couple struct {
	*talker

	reader     *probeSession
	arrivals   chan arrival
	quitReader context.CancelFunc
	reading    sync.WaitGroup
}

func (p *probe) couple(ctx context.Context) (*couple, error) {
	t, err := p.talker(ctx)
	if err != nil {
		return nil, err
	}
	c := &couple{talker: t, arrivals: make(chan arrival, 1)}
	other := &probe{p.window, p.server, p.room}
	if !p.window.spread { // users of a room are on different servers, too
		other.server = (p.server + 1) % len(p.window.servers)
	}
	if c.reader, err = other.join(ctx, ""); err != nil {
		t.leave()
		return nil, err
	}
	reading, quit := context.WithCancel(context.WithoutCancel(ctx))
	c.quitReader = quit
	c.reading.Go(func() { listen(reading, c.reader, c.arrivals) })
	return c, nil
}

func (c *couple) leave() {
	c.talker.leave()
	c.reader.leave()
	c.quitReader()
	c.reading.Wait()
}

// deliveries records the time from the start of a send until another member has decoded the message,
// again and again until ctx ends. Several couples take turns: the memory of a single one would stay
// in the processor's cache, and make it faster than users are.
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
		if p.window.foreign() && p.window.way.Polls() && i < len(couples) { // without a log, the first message may come too early for the reader
			if err := c.exchange(ctx, nil); err != nil && !errors.Is(err, errUnheard) {
				return err
			}
			continue
		}
		if err := c.exchange(ctx, into); err != nil {
			return err
		}
	}
	return nil
}
