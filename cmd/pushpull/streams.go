package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// backlog limits, in bytes, the progress that waits for a slow reader of standard error.
const backlog = 1 << 20

// A stream is standard output or standard error. Write never waits: a reader that is slow, like a pager
// or a stopped terminal, must not hold up a measurement. Nor does Write fail: if the reader is gone, the
// text is dropped and the command goes on; any other error, like a full disk, is returned by flush.
//
// Of a lossy stream, which standard error is, the oldest lines are left out if too many are waiting, and
// an error costs only the text that could not be written.
type stream struct {
	file      *os.File
	terminal  bool
	sequences bool // terminal, and one that takes control sequences
	lossy     bool
	queue     *queue

	// queue.mu guards the fields below.
	waiting int // bytes in the queue
	leftOut int // chunks dropped since the last one was written
	gone    bool
	err     error // the first error, unless the reader is gone
}

var _ io.Writer = (*stream)(nil)

// A queue holds the text of one or more streams until it is written, in the order of the calls to Write.
// A goroutine writes it, and ends when the queue is empty.
type queue struct {
	mu     sync.Mutex
	chunks []chunk
	empty  chan struct{} // closed when the goroutine ends; nil if none is running
}

type chunk struct {
	to   *stream
	text []byte
}

// newStreams returns the streams of a process. They share a queue if both are the same file, such as a
// terminal, whose lines must keep their order; else a reader of one doesn't hold up the other.
func newStreams(stdout, stderr *os.File) (out, err *stream) {
	newStream := func(file *os.File, lossy bool) *stream {
		terminal := term.IsTerminal(int(file.Fd()))
		return &stream{file: file, terminal: terminal, sequences: terminal && takesSequences(file), lossy: lossy, queue: &queue{}}
	}
	out, err = newStream(stdout, false), newStream(stderr, true)
	a, errA := stdout.Stat()
	b, errB := stderr.Stat()
	if errA == nil && errB == nil && os.SameFile(a, b) {
		err.queue = out.queue
	}
	return out, err
}

func (s *stream) Write(p []byte) (int, error) {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.gone || s.err != nil && !s.lossy {
		return len(p), nil
	}
	q.chunks = append(q.chunks, chunk{s, slices.Clone(p)})
	s.waiting += len(p)
	if s.lossy && s.waiting > backlog {
		q.chunks = slices.DeleteFunc(q.chunks, func(c chunk) bool {
			drop := c.to == s && s.waiting > max(backlog/2, len(p)) // never the one just added
			if drop {
				s.waiting -= len(c.text)
				s.leftOut++
			}
			return drop
		})
	}
	if q.empty == nil {
		q.empty = make(chan struct{})
		go q.write()
	}
	return len(p), nil
}

// write writes the chunks until there are no more.
func (q *queue) write() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.chunks) > 0 {
		c := q.chunks[0]
		q.chunks = q.chunks[1:]
		s := c.to
		s.waiting -= len(c.text)
		if s.gone || s.err != nil && !s.lossy {
			continue
		}
		text := c.text
		if s.leftOut > 0 {
			text = append(fmt.Appendf(nil, "pushpull: warning: %d lines are left out here, as they were not read\n", s.leftOut), text...)
			s.leftOut = 0
		}
		q.mu.Unlock()
		_, err := s.file.Write(text)
		q.mu.Lock()
		switch {
		case err == nil:
		case readerGone(err), s.terminal && errors.Is(err, syscall.EIO): // EIO: the terminal was closed
			s.gone = true
		case s.err == nil:
			s.err = err
		}
	}
	q.chunks = nil
	close(q.empty)
	q.empty = nil
}

// flush waits until everything is written, or ctx is done. It returns the stream's first error; that the
// reader is gone is none.
func (s *stream) flush(ctx context.Context) error {
	s.queue.mu.Lock()
	empty := s.queue.empty
	s.queue.mu.Unlock()
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
		}
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.err
}

// end flushes the stream at the end of the process; its error can't be reported any more. Once ctx is
// done, as after an interrupt, it waits for a second at most.
func (s *stream) end(ctx context.Context) {
	limited, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, giveUp) })()
	_ = s.flush(limited)
}

// behind reports whether text is waiting to be written.
func (s *stream) behind() bool {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.waiting > 0
}

// flush flushes w if it is a stream. It may wait for a reader as long as that takes, so everything that
// goes to the disk must be there already.
func flush(w io.Writer) error {
	if s, ok := w.(*stream); ok {
		return s.flush(context.Background())
	}
	return nil
}
