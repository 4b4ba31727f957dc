package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// calls are the requests under way on a connection. Those of the client library take one answer
// only, and wait for it even when the connection is lost.
type calls struct {
	conn  *nats.Conn
	inbox string // the beginning of the subjects of all answers

	mu   sync.Mutex
	last uint64
	open map[string]*call // by the end of the subject of its answers
}

// A call is one request.
type call struct {
	calls   *calls
	token   string
	many    bool        // until one says that it was the last
	answers []*nats.Msg // with a message; of whoever has taken the call out of calls.open
	done    chan error
}

// ask sends a request, which is to be waited for or dropped.
func (c *calls) ask(subject string, data []byte, many bool) *call {
	k := &call{calls: c, many: many, done: make(chan error, 1)}
	c.mu.Lock()
	c.last++
	k.token = strconv.FormatUint(c.last, 36)
	c.open[k.token] = k
	c.mu.Unlock()
	if err := c.conn.PublishRequest(subject, c.inbox+k.token, data); err != nil {
		if errors.Is(err, nats.ErrReconnectBufExceeded) {
			err = errors.New("NATS is out of reach, ask again later")
		}
		k.drop()
		k.end(err)
	}
	return k
}

// wait returns the answers, of which there is none when there is nothing to be found.
func (k *call) wait(ctx context.Context) ([]*nats.Msg, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case err = <-k.done:
		return k.answers, err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = fmt.Errorf("no answer from NATS within %v: it may have been done all the same", patience)
	}
	k.drop()
	return nil, err
}

// drop forgets a call, whose answers nobody wants any more.
func (k *call) drop() {
	k.calls.mu.Lock()
	defer k.calls.mu.Unlock()
	delete(k.calls.open, k.token)
}

func (k *call) end(err error) {
	select {
	case k.done <- err:
	default: // it has ended already
	}
}

// answer takes an answer to a request.
func (c *calls) answer(m *nats.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.open[m.Subject[len(c.inbox):]]
	if k == nil {
		return
	}
	status := m.Header.Get("Status")
	if status == "" {
		k.answers = append(k.answers, m)
		if k.many {
			return
		}
	}
	delete(c.open, k.token)
	switch status {
	case "", "204", "404": // an answer, the end of several, nothing found
		k.end(nil)
	case "503":
		k.end(errors.New("nobody at NATS answers: the stream is gone or not there yet"))
	default:
		k.end(fmt.Errorf("NATS answers %s %s", status, m.Header.Get("Description")))
	}
}

// fail ends all calls that are under way.
func (c *calls) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for token, k := range c.open {
		delete(c.open, token)
		k.end(err)
	}
}
