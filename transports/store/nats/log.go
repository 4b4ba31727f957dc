package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/transports"
)

// Append implements transports.Store.
func (s *Store) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	seq, err := s.append(ctx, room, body)
	if err != nil {
		return 0, fmt.Errorf("appending to stream %s: %w", s.stream, err)
	}
	return seq, nil
}

func (s *Store) append(ctx context.Context, room string, body []byte) (uint64, error) {
	subject, err := s.subject(room)
	if err != nil {
		return 0, err
	}
	answers, err := s.calls.ask(subject, body, false).wait(ctx)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64
		Error struct{ Description string }
	}
	if len(answers) == 1 {
		if err := json.Unmarshal(answers[0].Data, &ack); err != nil {
			return 0, fmt.Errorf("reading the answer: %w", err)
		}
	}
	if ack.Seq == 0 {
		return 0, fmt.Errorf("NATS has not stored it: %s", ack.Error.Description)
	}
	return ack.Seq, nil
}

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
	known := s.places.Load()
	var messages []transports.Message
	for more := true; more && len(messages) < limit; {
		var page []transports.Message
		if page, more, err = s.page(ctx, known, subject, seq, limit-len(messages)); err != nil {
			return nil, err
		}
		if len(page) > 0 {
			messages = append(messages, page...)
			seq = page[len(page)-1].Seq
			known.note(subject, seq)
		}
	}
	return messages, nil
}

// enter waits until a read may begin.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.reads <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.reads <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("NATS is not done with other reads within %v, ask again later", patience)
	}
}

// page reads what the server returns at a time, and says whether there is more.
func (s *Store) page(ctx context.Context, known *places, subject string, seq uint64, limit int) (messages []transports.Message, more bool, err error) {
	if seq == math.MaxUint64 {
		return nil, false, s.gap(ctx, subject)
	}
	// An empty answer leaves open whether the place lies beyond the end. Where that isn't known, it
	// is asked along with it.
	var place *call
	if !known.reach(subject, seq) {
		place = s.calls.ask(s.direct, fmt.Appendf(nil, `{"seq":%d,"next_by_subj":%q,"no_hdr":true}`, seq, subject), false)
		defer place.drop()
	}
	answers, err := s.calls.ask(s.direct, fmt.Appendf(nil, `{"seq":%d,"next_by_subj":%q,"batch":%d,"max_bytes":%d}`,
		seq+1, subject, limit, maxBytes), true).wait(ctx)
	switch {
	case err != nil:
		return nil, false, err
	case len(answers) > 0:
		return s.read(ctx, subject, answers)
	case place == nil:
		return nil, false, nil
	}
	found, err := place.wait(ctx)
	if err != nil {
		return nil, false, err
	}
	if len(found) == 0 {
		return nil, false, s.gap(ctx, subject)
	}
	known.note(subject, seq)
	return nil, false, nil
}

// read returns the messages within answers.
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
		if messages[i].Seq, err = number(m, nats.JSSequence); err != nil {
			return nil, false, err
		}
		messages[i].Body = m.Data
	}
	return messages, 1+follow > uint64(len(answers)), nil
}

// gap returns the error of a place from which a room can't be read on.
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
		oldest = answers[len(answers)-1] // the one before it is kept as a witness alone
	}
	seq, err := number(oldest, nats.JSSequence)
	if err != nil {
		return err
	}
	return &transports.GapError{Oldest: seq}
}

// pending is the header that says how many messages of the room follow.
const pending = "Nats-Num-Pending"

func number(m *nats.Msg, header string) (uint64, error) {
	n, err := strconv.ParseUint(m.Header.Get(header), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading header %s of an answer: %w", header, err)
	}
	return n, nil
}
