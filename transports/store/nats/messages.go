package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/transports"
)

// Append implements transports.Store.
func (s *Store) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	seq, err := s.append(ctx, room, body, key)
	if err != nil {
		return 0, fmt.Errorf("appending to stream %s: %w", s.stream, err)
	}
	return seq, nil
}

func (s *Store) append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	subject, err := s.subject(room)
	if err != nil {
		return 0, err
	}
	header, tag := nats.Header{}, newTag()
	if key != "" {
		id := subject + " " + string(key)
		header[nats.MsgIdHdr], tag = []string{id}, tagOf(id)
	}
	header[tagHeader] = []string{strconv.FormatUint(tag, 36)}
	answers, err := s.calls.send(&nats.Msg{Subject: subject, Header: header, Data: body}, false).wait(ctx)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64
		Error struct {
			Code        int `json:"err_code"`
			Description string
		}
	}
	if len(answers) == 1 {
		if err := json.Unmarshal(answers[0].Data, &ack); err != nil {
			return 0, fmt.Errorf("parsing the answer: %w", err)
		}
	}
	switch {
	case ack.Seq > 0:
		return placeOf(ack.Seq, tag), nil
	case slices.Contains(full, ack.Error.Code):
		return 0, fmt.Errorf("%w: raise the limits of JetStream: %s", transports.ErrFull, ack.Error.Description)
	}
	return 0, fmt.Errorf("NATS did not store it: %s", ack.Error.Description)
}

// full are the codes of JetStream for a lack of space: of the account, the server, its memory or disk.
var full = []int{10002, 10023, 10028, 10047}

// After implements transports.Store.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	messages, err := s.after(ctx, room, seq, limit)
	if _, gap := errors.AsType[*transports.GapError](err); err != nil && !gap {
		return nil, fmt.Errorf("reading stream %s: %w", s.stream, err)
	}
	return messages, err
}

func (s *Store) after(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	subject, err := s.subject(room)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.reads }()
	known := s.reached.Load() // not a later one, which may be about a new log
	var messages []transports.Message
	for more := true; more && !transports.Full(messages, limit); {
		var page []transports.Message
		if page, more, err = s.page(ctx, known, subject, seq, limit-len(messages)); err != nil {
			return nil, err
		}
		if len(page) > 0 {
			messages = append(messages, page...)
			seq = page[len(page)-1].Seq
			known.add(subject, seq)
		}
	}
	return transports.Batch(messages, limit), nil
}

// enter waits until fewer than maxReads are under way.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.reads <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case s.reads <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("other reads from NATS kept this one waiting for %v: try again later", answerTimeout)
	}
}

// page reads what the server returns to one request, and reports whether more follows.
func (s *Store) page(ctx context.Context, known *reached, subject string, seq uint64, limit int) (messages []transports.Message, more bool, err error) {
	at, tag, next := split(seq)
	// What follows a number doesn't show whether seq is a place in the log. Unless that is known
	// already, a second request goes along: for the message itself.
	var itself *call
	switch {
	case seq == 0:
		next = 1
	case at == 0:
		return nil, false, s.gap(ctx, subject)
	case !known.has(subject, seq):
		itself = s.calls.ask(s.direct, fmt.Appendf(nil, `{"seq":%d}`, at), false)
		defer itself.drop()
	}
	answers, err := s.calls.ask(s.direct, fmt.Appendf(nil, `{"seq":%d,"next_by_subj":%q,"batch":%d,"max_bytes":%d}`,
		next, subject, limit, maxBytes), true).wait(ctx)
	if err != nil {
		return nil, false, err
	}
	if itself != nil {
		found, err := itself.wait(ctx)
		if err != nil {
			return nil, false, err
		}
		if len(found) == 0 || found[0].Header.Get(nats.JSSubject) != subject {
			return nil, false, s.gap(ctx, subject)
		}
		if place, err := placeIn(found[0]); err != nil || place != placeOf(at, tag) {
			return nil, false, cmp.Or(err, s.gap(ctx, subject))
		}
		known.add(subject, seq)
	}
	if len(answers) == 0 {
		return nil, false, nil
	}
	return s.read(ctx, subject, answers)
}

// read returns the messages in answers, and reports whether more follows.
func (s *Store) read(ctx context.Context, subject string, answers []*nats.Msg) (messages []transports.Message, more bool, err error) {
	follow, err := number(answers[0], pending)
	if err != nil {
		return nil, false, err
	}
	if 1+follow > s.retention {
		return nil, false, s.gap(ctx, subject)
	}
	messages = make([]transports.Message, len(answers))
	for i, m := range answers {
		if messages[i].Seq, err = placeIn(m); err != nil {
			return nil, false, err
		}
		messages[i].Body = m.Data
	}
	return messages, 1+follow > uint64(len(answers)), nil
}

// gap returns the *GapError of a room, or the error that kept it from being made.
func (s *Store) gap(ctx context.Context, subject string) error {
	answers, err := s.calls.ask(s.direct, fmt.Appendf(nil, `{"seq":1,"next_by_subj":%q,"batch":2}`, subject), true).wait(ctx)
	if err != nil {
		return err
	}
	if len(answers) == 0 {
		return &transports.GapError{Oldest: 1}
	}
	follow, err := number(answers[0], pending)
	if err != nil {
		return err
	}
	oldest := answers[0]
	if 1+follow > s.retention {
		oldest = answers[len(answers)-1] // the one before it has left the log, see the package doc
	}
	seq, err := placeIn(oldest)
	if err != nil {
		return err
	}
	return &transports.GapError{Oldest: seq}
}

// pending is the header with the number of messages of the room that follow.
const pending = "Nats-Num-Pending"

func number(m *nats.Msg, header string) (uint64, error) {
	n, err := strconv.ParseUint(m.Header.Get(header), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing header %s of an answer: %w", header, err)
	}
	return n, nil
}
