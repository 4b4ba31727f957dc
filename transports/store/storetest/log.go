package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"pushpull/transports"
)

func (s *test) order() {
	store := s.open(plenty)
	var seqs []uint64
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("message ", i))
		seqs = append(seqs, s.append(store, "room", want[i]))
	}
	s.expect(store, "room", 0, want...)
	for i, seq := range seqs {
		s.expect(store, "room", seq, want[i+1:]...)
	}
	got := s.after(store, "room", 0, len(want))
	for i, m := range got {
		if m.Seq != seqs[i] {
			s.Errorf("message %d was appended as seq %d and read as seq %d", i, seqs[i], m.Seq)
		}
	}
}

func (s *test) concurrentAppends() {
	const writers, each = 8, 40
	store := s.open(plenty)
	wrote := make([]map[uint64]string, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wrote[w] = map[uint64]string{}
		wg.Go(func() {
			last := uint64(0)
			for i := range each {
				body := fmt.Sprint(w, " ", i)
				seq, err := store.Append(s.ctx, "room", []byte(body), "")
				if err != nil || seq <= last {
					s.Errorf("writer %d: Append = %d, %v after %d", w, seq, err, last)
					return
				}
				last = seq
				wrote[w][seq] = body
			}
		})
	}
	wg.Wait()
	want := map[uint64]string{}
	for _, one := range wrote {
		for seq, body := range one {
			if other, taken := want[seq]; taken {
				s.Errorf("%q and %q both have seq %d", body, other, seq)
			}
			want[seq] = body
		}
	}
	got := s.after(store, "room", 0, writers*each+1)
	if len(got) != writers*each {
		s.Fatalf("%d messages in the log, want %d", len(got), writers*each)
	}
	for _, m := range got {
		if want[m.Seq] != string(m.Body) {
			s.Errorf("message %d is %q, but was appended as %q", m.Seq, m.Body, want[m.Seq])
		}
	}
}

// readersDuringAppends fails for a store that shows a message before an earlier one, like a
// database that assigns the seq before it commits: readers move on and never see the earlier one.
func (s *test) readersDuringAppends() {
	const writers, each, readers = 4, 60, 4
	store := s.open(plenty)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := store.Append(s.ctx, "room", fmt.Append(nil, w, " ", i), ""); err != nil {
					s.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	read := make([][]string, readers)
	for r := range readers {
		wg.Go(func() {
			messages, err := follow(s.ctx, store, "room", writers*each, 1+5*r)
			if err != nil {
				s.Errorf("reader %d: %v", r, err)
			}
			read[r] = bodies(messages)
		})
	}
	wg.Wait()
	for r := range readers {
		if !slices.Equal(read[r], read[0]) {
			s.Errorf("reader %d read different messages than reader 0", r)
		}
	}
	seen := map[string]int{}
	for _, body := range read[0] {
		seen[body]++
	}
	if len(seen) != writers*each {
		s.Errorf("%d different messages read, want %d", len(seen), writers*each)
	}
}

func (s *test) limit() {
	store := s.open(plenty)
	for i := range 5 {
		s.append(store, "room", fmt.Sprint(i))
	}
	for limit := 1; limit <= 7; limit++ {
		got := s.after(store, "room", 0, limit)
		if want := min(limit, 5); len(got) != want {
			s.Errorf("After with a limit of %d returned %d of 5 messages", limit, len(got))
		}
		s.expect(store, "room", got[0].Seq, "1", "2", "3", "4")
	}
}

func (s *test) emptyRoom() {
	store := s.open(plenty)
	s.append(store, "another room", "hello")
	s.expect(store, "room", 0)
	s.expect(store, "room", 0)
}

func (s *test) bodies() {
	store := s.open(plenty)
	all := []string{
		"",
		"a",
		"Grüße, 你好, مرحبا, 🦆",
		"null \x00, bell \a, line\r\nline, delete \x7f, separator \u2028",
		`quotes " ' and \ and <script>alert(1)</script> and {"seq":1}`,
		"'); DROP TABLE messages; --",
		strings.Repeat("x", 64<<10),
		strings.Repeat("ü", 64<<10+1),
		"",
	}
	for _, body := range all {
		s.append(store, "room", body)
	}
	s.expect(store, "room", 0, all...)
}

func (s *test) keepsACopy() {
	store := s.open(plenty)
	body := []byte("as it was")
	if _, err := store.Append(s.ctx, "room", body, ""); err != nil {
		s.Fatal(err)
	}
	copy(body, "OVERWRITE")
	s.append(store, "room", "second")
	s.expect(store, "room", 0, "as it was", "second")

	// Appending to the result of After must leave the log as it is.
	first := s.after(store, "room", 0, 1)
	_ = append(first, transports.Message{Seq: 99, Body: []byte("not in the log")})
	s.expect(store, "room", 0, "as it was", "second")
}

func (s *test) rooms() {
	store := s.open(plenty)
	names := []string{
		"a", "A", "a b", "a.b", "a_b", "a/b", "a:b", "a*", "*", ">", "a>", "?", "a%", "a_", "%2F", "..", "~",
		"'; DROP TABLE rooms", "a\nb", "a\tb", "Grüße", "你好", "🦆", strings.Repeat("long", 50), "0", "-1", "null",
	}
	for _, room := range names {
		s.append(store, room, "first in "+room)
	}
	for _, room := range names {
		s.append(store, room, "second in "+room)
	}
	for _, room := range names {
		s.expect(store, room, 0, "first in "+room, "second in "+room)
	}
}

// fill appends to room until its first message leaves the log, and returns all seqs.
func (s *test) fill(store transports.Store, room string, retention int) []uint64 {
	s.Helper()
	var seqs []uint64
	for len(seqs) < 1000*retention {
		seqs = append(seqs, s.append(store, room, fmt.Sprint(len(seqs))))
		if len(seqs) <= retention {
			continue
		}
		if _, err := store.After(s.ctx, room, 0, 1); err != nil {
			return seqs
		}
	}
	s.Fatalf("the log keeps %[2]d messages with a retention of %[1]d", retention, len(seqs))
	return nil
}

func (s *test) gap() {
	const retention = 8
	store := s.open(retention)
	s.append(store, "another room", "stays")
	seqs := s.fill(store, "room", retention)
	_, err := store.After(s.ctx, "room", 0, 1)
	oldest := s.asGap(err)
	at := slices.Index(seqs, oldest)
	if at < 1 || at > len(seqs)-retention {
		s.Fatalf("the oldest message is %d, which is number %d of %d appended with a retention of %d",
			oldest, at, len(seqs), retention)
	}

	// A reader that resumes just before the oldest message gets it and all that follow.
	var want []string
	for i := at; i < len(seqs); i++ {
		want = append(want, fmt.Sprint(i))
	}
	s.expect(store, "room", oldest-1, want...)
	s.expect(store, "room", oldest, want[1:]...)
	s.expect(store, "room", seqs[len(seqs)-1])
	s.expect(store, "another room", 0, "stays")

	// A cursor after which a message is missing is a gap, whatever the limit.
	for i := range at - 1 {
		_, err := store.After(s.ctx, "room", seqs[i], 1+i)
		if got := s.asGap(err); got != oldest {
			s.Errorf("After(%d): the oldest message is %d, was %d", seqs[i], got, oldest)
		}
	}
}

// gapDuringAppends reads slowly while messages leave the log: the reader may miss some, but must
// get a gap for them.
func (s *test) gapDuringAppends() {
	const retention, total = 8, 300
	store := s.open(retention)
	index := make(map[uint64]int, total)
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for i := range total {
			// The append is under the lock, so that the reader finds every seq in index.
			mu.Lock()
			seq, err := store.Append(s.ctx, "room", fmt.Append(nil, i), "")
			index[seq] = i
			mu.Unlock()
			if err != nil {
				s.Errorf("Append: %v", err)
				return
			}
		}
	})
	grown, stop := store.Watch("room")
	defer stop()
	next, seq := 0, uint64(0)
	for next < total {
		messages, err := store.After(s.ctx, "room", seq, 3)
		if err != nil {
			oldest := s.asGap(err)
			mu.Lock()
			i, known := index[oldest]
			mu.Unlock()
			if !known || i < next {
				s.Fatalf("after message %d: a gap whose oldest is seq %d, message %d (known: %t)", next-1, oldest, i, known)
			}
			next, seq = i, oldest-1
			continue
		}
		for _, m := range messages {
			if got := string(m.Body); got != fmt.Sprint(next) {
				s.Fatalf("read message %s, want %d: a gap was skipped", got, next)
			}
			next, seq = next+1, m.Seq
		}
		if len(messages) == 0 {
			select {
			case <-grown:
			case <-s.ctx.Done():
				s.Fatalf("waiting after message %d: %v", next-1, context.Cause(s.ctx))
			}
		}
	}
}

func (s *test) beyondTheEnd() {
	store := s.open(plenty)
	_, err := store.After(s.ctx, "empty", 7, 1)
	s.expect(store, "empty", s.asGap(err)-1)

	s.append(store, "room", "first")
	last := s.append(store, "room", "last")
	for _, seq := range []uint64{last + 1, last + 1000, 1 << 40, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		_, err := store.After(s.ctx, "room", seq, 10)
		s.expect(store, "room", s.asGap(err)-1, "first", "last")
	}
	s.expect(store, "room", last)
	if got := s.after(store, "room", 0, 1); !bytes.Equal(got[0].Body, []byte("first")) {
		s.Errorf("the first message is %q", got[0].Body)
	}
}
