package dialect

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"pushpull/transports"
)

// A poll is the carrier of users that ask: on a timer, or with requests that the server holds.
type poll struct {
	talk

	ticks transports.Ticks
	path  string        // of the last poll, without its query
	last  *http.Request // the last poll, if it had no body: the next one is the same but for its query and header
	body  []byte        // of the current answer, reused for the next
	empty int           // answers in a row without a message
}

var _ session = (*poll)(nil)

// join makes the handshakes.
func (p *poll) join(ctx context.Context) error {
	err := p.greet(ctx)
	for steps := 0; err == nil && !p.ready && !p.gap; steps++ {
		if steps == mostSteps {
			return errNotReady
		}
		var r Request
		if r, err = p.ask(); err == nil {
			err = p.handshake(ctx, r)
		}
	}
	return err
}

// An idle server that answers held polls at once would be asked without end: from the second such answer on the
// user pauses.
const (
	soonTime  = 20 * time.Millisecond // an answer without a message that comes sooner was not held
	pauseTime = 50 * time.Millisecond
)

// Messages polls at once and then at the times of the timer, or again at once. After an error it may be called
// again.
func (p *poll) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		ctx, cancel := p.Reading(ctx)
		defer cancel(nil)
		if !p.yieldQueue(yield) {
			return
		}
		if err := p.missed(); err != nil {
			yield(transports.Message{}, fmt.Errorf("polling: %w", err))
			return
		}
		asking := transports.For(transports.Within(ctx, p.way.Way.Hold+transports.AnswerTime, "answer a poll"),
			transports.Purpose{Request: transports.Poll, Once: p.way.Once})
		p.ticks.Every = p.way.Way.Every
		p.ticks.Start()
		defer p.ticks.Stop()
		for {
			asked := time.Now()
			err := p.take(p.fetch(asking))
			if !p.yield(yield) || !p.yieldQueue(yield) {
				return
			}
			if err == nil {
				err = p.missed()
			}
			if err == nil {
				err = p.reply(asking, &p.heard)
			}
			if err == nil && p.wait(ctx, time.Since(asked)) {
				continue
			}
			switch why := p.pending.Ended(); {
			case why == errClosed:
			case why != nil:
				yield(transports.Message{}, fmt.Errorf("polling: %w", why))
			case ctx.Err() == nil:
				yield(transports.Message{}, fmt.Errorf("polling: %w", err))
			}
			return
		}
	}
}

// wait waits until the user polls again, after an answer that took some time.
func (p *poll) wait(ctx context.Context, took time.Duration) bool {
	switch {
	case p.heard.More && p.empty < mostEmpty:
		return ctx.Err() == nil
	case p.way.Way.Hold > 0 && p.empty > 1 && took < soonTime || p.heard.More:
		timer := time.NewTimer(pauseTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return p.ticks.Wait(ctx)
}

// fetch asks, and waits for the head of the answer: a user is here most of the time, in a small frame of the stack,
// as a kilobyte more of it would make the stack twice as large.
func (p *poll) fetch(ctx context.Context) (*http.Response, error) {
	req, err := p.request(ctx)
	if err != nil {
		return nil, err
	}
	return p.target.HTTP.RoundTrip(req)
}

// take reads and hears the answer that fetch returned.
func (p *poll) take(resp *http.Response, err error) error {
	p.heard.Reset()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.ContentLength == 0 {
		p.body = p.body[:0] // reading would need a buffer
	} else if err := p.read(resp); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	err = p.hear(Unit{Kind: Answered, Status: resp.StatusCode, Header: resp.Header, Body: p.body}, &p.heard)
	if len(p.heard.Messages) > 0 {
		p.empty = 0
		return err
	}
	p.empty++
	if counted, ok := resp.Body.(transports.Emptier); ok && err == nil && resp.StatusCode/100 == 2 && resp.StatusCode != http.StatusNoContent {
		counted.Empty()
	}
	return err
}

// read reads the body of an answer.
func (p *poll) read(resp *http.Response) error {
	body := bytes.NewBuffer(p.body[:0])
	if cap(p.body) > keptBody {
		body = new(bytes.Buffer) // else one long answer would cost its size from then on
	}
	_, err := body.ReadFrom(resp.Body)
	p.body = body.Bytes()
	return err
}

// request returns the HTTP request of a poll. It is the last one if that asked in the same way: making a new one
// costs a microsecond.
func (p *poll) request(ctx context.Context) (*http.Request, error) {
	r, err := p.ask()
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(r.Path, "?")
	if p.last == nil || p.last.Context() != ctx || r.Body != nil || p.path != path || p.last.Method != r.Method {
		u, err := p.url(r.Path)
		if err != nil {
			return nil, err
		}
		p.last, p.path = transports.NewRequest(ctx, r.Method, u, nil, r.Body), path
	}
	req := p.last
	if r.Body != nil {
		p.last = nil
	}
	req.URL.RawQuery = query
	header, err := r.header(req.URL)
	if err != nil {
		return nil, err
	}
	if req.Header = header; header == nil {
		req.Header = noHeader
	}
	return req, nil
}

var noHeader = http.Header{} // never changed

// cut implements session.
func (p *poll) cut(why error) {
	_ = p.end(why)
	_ = p.Life.Close()
}

// Close implements transports.Session.
func (p *poll) Close() error {
	p.cut(errClosed)
	return nil
}
