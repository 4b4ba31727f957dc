package transporttest

import (
	"context"
	"sync"
	"sync/atomic"

	"pushpull/transports"
)

// A failingStore is a store that can fail and block.
type failingStore struct {
	transports.Store

	mu           sync.Mutex
	reads, sends error         // what After and Append fail with; nil: they work
	block        chan struct{} // Append waits until it is closed; nil: Append doesn't wait
}

func (p *failingStore) fail(reads, sends error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads, p.sends = reads, sends
}

func (p *failingStore) state() (block chan struct{}, reads, sends error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.block, p.reads, p.sends
}

func (p *failingStore) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	block, _, err := p.state()
	if block != nil {
		<-block
	}
	if err != nil {
		return 0, err
	}
	return p.Store.Append(ctx, room, body, key)
}

func (p *failingStore) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if _, err, _ := p.state(); err != nil {
		return nil, err
	}
	return p.Store.After(ctx, room, seq, limit)
}

// countingStore counts the reads of a store.
type countingStore struct {
	transports.Store

	reads atomic.Int64
}

func (c *countingStore) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	c.reads.Add(1)
	return c.Store.After(ctx, room, seq, limit)
}
