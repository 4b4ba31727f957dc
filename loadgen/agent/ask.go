package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// A refusedError is an answer that refuses.
type refusedError struct {
	Code, Text string
}

func (e *refusedError) Error() string { return e.Text }

// request makes a request of an agent, and returns the answer and the time until it came. It makes it again after each
// answerTime, as one may be lost on the way, until limit has passed or the agent is lost. A late answer to an earlier
// one counts: an agent that is short of CPU may need longer than answerTime for each.
func (t *Team) request(ctx context.Context, m *member, name string, body message, limit time.Duration) (*nats.Msg, time.Duration, error) {
	body.Run = t.run
	text, err := json.Marshal(body)
	if err != nil {
		return nil, 0, err
	}
	inbox := t.conn.NewInbox()
	answers, err := t.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = answers.Unsubscribe() }() // the connection may have ended
	begun := time.Now()
	for {
		if err := t.conn.PublishRequest(subjectOfAgent(m.id)+"."+name, inbox, text); err != nil {
			return nil, 0, err
		}
		limited, cancel := context.WithTimeout(ctx, min(answerTime, limit-time.Since(begun)))
		answer, err := answers.NextMsgWithContext(limited)
		cancel()
		took := time.Since(begun)
		if err == nil {
			if code := answer.Header.Get(micro.ErrorCodeHeader); code != "" {
				return nil, took, &refusedError{code, answer.Header.Get(micro.ErrorHeader)}
			}
			return answer, took, nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || took >= limit || t.lostBy(m) != "" || t.ended(m) != "" {
			return nil, took, err
		}
	}
}

// once makes one request of an agent that answers with its status.
func (t *Team) once(ctx context.Context, m *member, name string, body message, limit time.Duration) (s status, err error) {
	answer, _, err := t.request(ctx, m, name, body, limit)
	if err == nil {
		s, err = readStatus(answer.Data)
	}
	return s, err
}

// lostBy returns why an agent is lost; "" if it is not.
func (t *Team) lostBy(m *member) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return m.lost
}

// insist repeats a request of an agent until it is answered, or the agent is lost or busy for too long.
func (t *Team) insist(ctx context.Context, m *member, name string, body message) (*nats.Msg, time.Duration, error) {
	until := time.Now().Add(t.options.silence + answerTime)
	for {
		answer, took, err := t.request(ctx, m, name, body, time.Until(until))
		refused, ok := errors.AsType[*refusedError](err)
		switch {
		case err == nil:
			return answer, took, nil
		case ctx.Err() != nil:
			return nil, 0, context.Cause(ctx)
		case ok && (refused.Code != codeBusy || time.Now().After(until)):
			return nil, 0, fmt.Errorf("%s: %w", m, err)
		case errors.Is(err, nats.ErrMaxPayload):
			return nil, 0, fmt.Errorf("%s gets no task, as it is larger than NATS takes: raise its max_payload, or name fewer certificates", m)
		case !ok && time.Now().After(until):
			return nil, 0, errors.New(t.silence(m))
		}
		if lost := t.lostBy(m); lost != "" {
			return nil, 0, errors.New(lost)
		}
		if pause(ctx, againAfter) != nil {
			return nil, 0, context.Cause(ctx)
		}
	}
}

// pause waits for a time, and returns the cause of ctx if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
