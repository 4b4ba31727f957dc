package transporttest

import (
	"context"
	"sync"
	"sync/atomic"

	"pushpull/transports"
)

// A patient is a store that can fall ill.
type patient struct {
	transports.Store

	mu           sync.Mutex
	reads, sends error         // what After and Append return instead
	block        chan struct{} // Append waits until it is closed; nil: it doesn't
}

func (p *patient) fall(reads, sends error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads, p.sends = reads, sends
}

func (p *patient) state() (block chan struct{}, reads, sends error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.block, p.reads, p.sends
}

func (p *patient) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	block, _, err := p.state()
	if block != nil {
		<-block
	}
	if err != nil {
		return 0, err
	}
	return p.Store.Append(ctx, room, body)
}

func (p *patient) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if _, err, _ := p.state(); err != nil {
		return nil, err
	}
	return p.Store.After(ctx, room, seq, limit)
}

// counter is a store that counts how often it is read.
type counter struct {
	transports.Store

	reads atomic.Int64
}

func (c *counter) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	c.reads.Add(1)
	return c.Store.After(ctx, room, seq, limit)
}
