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

// calls are the requests under way on a connection. The client library's own requests take one
// answer only, and keep waiting for it after the connection is lost.
type calls struct {
	conn  *nats.Conn
	inbox string // the prefix of the subjects of all answers

	mu   sync.Mutex
	last uint64
	open map[string]*call // by the token that ends the subject of its answers
}

// A call is one request.
type call struct {
	calls   *calls
	token   string
	many    bool        // several answers come; the last one is marked as such
	answers []*nats.Msg // those with a message; under calls.mu while the call is in calls.open
	done    chan error
}

// ask sends a request; the caller must wait for it or drop it.
func (c *calls) ask(subject string, data []byte, many bool) *call {
	return c.send(&nats.Msg{Subject: subject, Data: data}, many)
}

// send is ask for a message, whose Reply it sets.
func (c *calls) send(m *nats.Msg, many bool) *call {
	k := &call{calls: c, many: many, done: make(chan error, 1)}
	c.mu.Lock()
	c.last++
	k.token = strconv.FormatUint(c.last, 36)
	c.open[k.token] = k
	c.mu.Unlock()
	m.Reply = c.inbox + k.token
	if err := c.conn.PublishMsg(m); err != nil {
		if errors.Is(err, nats.ErrReconnectBufExceeded) {
			err = errors.New("there is no connection to NATS: try again later")
		}
		k.drop()
		k.end(err)
	}
	return k
}

// wait returns the answers; none if the server found nothing.
func (k *call) wait(ctx context.Context) ([]*nats.Msg, error) {
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	var err error
	select {
	case err = <-k.done:
		return k.answers, err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = fmt.Errorf("no answer from NATS within %v: the request may have been carried out nevertheless", answerTimeout)
	}
	k.drop()
	return nil, err
}

// drop forgets a call; its answers are ignored.
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

// answer is the handler of all answers.
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
	case "", "204", "404": // the one answer, the end of many, nothing found
		k.end(nil)
	case "503":
		k.end(errors.New("NATS has no such stream: it was deleted, or does not exist yet"))
	default:
		k.end(fmt.Errorf("NATS answered %s %s", status, m.Header.Get("Description")))
	}
}

// fail ends all calls under way with err.
func (c *calls) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for token, k := range c.open {
		delete(c.open, token)
		k.end(err)
	}
}
