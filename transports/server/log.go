package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	sparseFor  = time.Second // how long a record is not repeated
	sparseMost = 10          // records in this time
)

// A sparse is a slog.Handler that leaves out repeated records, as clients can cause as many as they like.
// It passes at most sparseMost records in sparseFor on, none of them twice. Records with the same message
// and error are the same. The next record that is passed on says how many were left out.
type sparse struct {
	slog.Handler
	state *sparseState
}

type sparseState struct {
	mu    sync.Mutex
	since time.Time // when the first of passed was passed on
	keys  []string  // of the records passed on since then
	left  int       // left out since the last one that was passed on
}

var _ slog.Handler = sparse{}

func newSparse(h slog.Handler) sparse { return sparse{h, &sparseState{}} }

// Handle implements slog.Handler.
func (s sparse) Handle(ctx context.Context, r slog.Record) error {
	key := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == errorKey {
			key += "\n" + a.Value.String()
		}
		return true
	})
	left, pass := s.state.pass(key, r.Time)
	if !pass {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", left))
	}
	return s.Handler.Handle(ctx, r)
}

// errorKey is the key of the attribute that holds an error.
const errorKey = "error"

// pass returns whether a record is passed on, and how many were left out before it.
func (s *sparseState) pass(key string, now time.Time) (left int, pass bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) >= sparseFor {
		s.since, s.keys = now, s.keys[:0]
	}
	if len(s.keys) == sparseMost || slices.Contains(s.keys, key) {
		s.left++
		return 0, false
	}
	s.keys = append(s.keys, key)
	left, s.left = s.left, 0
	return left, true
}

// WithAttrs implements slog.Handler.
func (s sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparse{s.Handler.WithAttrs(attrs), s.state}
}

// WithGroup implements slog.Handler.
func (s sparse) WithGroup(name string) slog.Handler {
	return sparse{s.Handler.WithGroup(name), s.state}
}
