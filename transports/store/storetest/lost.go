package storetest

import (
	"fmt"
	"strings"

	"pushpull/transports"
)

// lost is how many messages the log loses in the tests of this file.
const lost = 5

// lostLog opens a log that has lost everything, and lets it grow past the places of the lost one.
func (s *test) lostLog() { s.loses(0) }

// lostEnd opens a log that has lost its newest messages, and lets it grow past their places.
func (s *test) lostEnd() { s.loses(4) }

// loses loses all but the first messages of a log. The readers of those that are lost must get a gap,
// and those of the others must miss nothing, from the first moment on.
func (s *test) loses(kept int) {
	address := s.address()
	store := s.openNow(address)
	var want []string
	var places, gone []uint64
	say := func(to transports.Store, body string) uint64 {
		want = append(want, body)
		return s.append(to, "room", body)
	}
	for i := range kept {
		places = append(places, say(store, fmt.Sprint("kept ", i)))
	}
	back := func() {}
	if s.suite.Rewind != nil {
		s.close(store)
		back = s.suite.Rewind(s.T, address)
		store = s.openNow(address)
	}
	for i := range lost {
		gone = append(gone, s.append(store, "room", fmt.Sprint("lost ", i)))
	}
	another := s.append(store, "another room", "lost")
	s.close(store)
	back()

	store = s.openNow(address)
	defer s.close(store)
	_, err := store.After(s.ctx, "another room", another, 10)
	s.expect(store, "another room", s.asGap(err)-1)
	s.expect(store, "another room", 0)
	check := func(when string) {
		for i, place := range gone {
			messages, err := store.After(s.ctx, "room", place, 100)
			if err == nil {
				s.Fatalf("%s: the reader of lost message %d, %d, gets %d of %d messages and no gap", when, i, place, len(messages), len(want))
			}
			s.expect(store, "room", s.asGap(err)-1, want...)
		}
		for i, place := range places {
			s.expect(store, "room", place, want[i+1:]...)
		}
		s.expect(store, "room", 0, want...)
	}
	check("the log has lost its end")
	for i := range 3 * lost {
		places = append(places, say(store, fmt.Sprint("new ", i)))
		check(fmt.Sprintf("the log has got %d new messages", i+1))
	}
	s.append(store, "another room", "new")
	_, err = store.After(s.ctx, "another room", another, 10)
	s.expect(store, "another room", s.asGap(err)-1, "new")
}

// lostWhileOpen is lostLog and lostEnd for the readers of a store that stays open.
func (s *test) lostWhileOpen() {
	for _, kept := range []int{0, 4} {
		address := s.address()
		store := s.openAt(address, plenty)
		for i := range kept {
			s.append(store, "room", fmt.Sprint("kept ", i))
		}
		back := s.suite.Rewind(s.T, address)
		s.comesBack(store)
		var gone []uint64
		for i := range lost {
			gone = append(gone, s.append(store, "room", fmt.Sprint("lost ", i)))
		}
		// The newest message has been read, so the store may remember its place.
		s.expect(store, "room", gone[lost-2], fmt.Sprint("lost ", lost-1))
		s.expect(store, "room", gone[lost-1])
		grown, stop := store.Watch("room")
		defer stop()
		back()
		s.comesBack(store)
		for i := range 3 * lost {
			for _, place := range gone {
				_, err := store.After(s.ctx, "room", place, 100)
				if got := s.after(store, "room", s.asGap(err)-1, 100); len(got) != kept+i {
					s.Fatalf("%d messages after a gap, want %d", len(got), kept+i)
				}
			}
			s.append(store, "room", fmt.Sprint("new ", i))
			select {
			case <-grown:
			case <-s.ctx.Done():
				s.Fatalf("new message %d wakes no watcher", i)
			}
		}
	}
}

// places reads from every place near the messages of a log: those that are none are gaps.
func (s *test) places() {
	store := s.open(plenty)
	seqs := map[uint64]int{0: 0}
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint(i))
		seqs[s.append(store, "room", want[i])] = i + 1
		s.append(store, "another room", "between")
	}
	var oldest uint64
	for seq, i := range seqs {
		if i == 1 {
			oldest = seq
		}
	}
	if oldest > 1<<53-1<<40 {
		s.Errorf("the log begins at %d: soon JavaScript can't tell its places apart", oldest)
	}
	seqs[oldest-1] = 0 // the place that a gap gives
	for seq := range seqs {
		for _, place := range []uint64{seq - 1, seq, seq + 1} {
			if i, known := seqs[place]; known {
				s.expect(store, "room", place, want[i:]...)
			}
		}
	}
	for _, place := range []uint64{1, 2, 1 << 20, oldest / 2, oldest - 1_000_000} {
		_, err := store.After(s.ctx, "room", place, 10)
		if _, known := seqs[place]; !known {
			s.expect(store, "room", s.asGap(err)-1, want...)
		}
	}
}

// manyBytes reads messages that are more than one read may return.
func (s *test) manyBytes() {
	const n, size = 100, 64 << 10
	store := s.open(plenty)
	body := strings.Repeat("x", size-3)
	for i := range n {
		s.append(store, "room", fmt.Sprintf("%03d%s", i, body))
	}
	s.append(store, "room", strings.Repeat("x", transports.BatchBytes-size/2))
	s.append(store, "room", strings.Repeat("x", size))
	s.append(store, "room", "last")
	for _, limit := range []int{1, 5, 256} {
		seq, read := uint64(0), 0
		for {
			messages := s.after(store, "room", seq, limit)
			if len(messages) == 0 {
				break
			}
			if n := len(transports.Batch(messages, limit)); n != len(messages) {
				s.Fatalf("%d messages are read at once, want at most %d of these", len(messages), n)
			}
			for _, m := range messages {
				if want := fmt.Sprintf("%03d", read); read < n && string(m.Body[:3]) != want {
					s.Fatalf("message %s follows, want %s", m.Body[:3], want)
				}
				read++
			}
			seq = messages[len(messages)-1].Seq
			if read < n+3 && !transports.Full(messages, limit) {
				s.Fatalf("with a limit of %d, %d messages are returned, %d in all, and more follow", limit, len(messages), read)
			}
		}
		if read != n+3 {
			s.Errorf("with a limit of %d, %d messages are read, want %d", limit, read, n+3)
		}
	}
}

// openNow opens a log that the caller closes.
func (s *test) openNow(address string) Store {
	s.Helper()
	store, err := s.suite.Open(s.ctx, address, plenty)
	if err != nil {
		s.Fatalf("opening %q: %v", address, err)
	}
	return store
}

func (s *test) close(store Store) {
	s.Helper()
	if err := store.Close(); err != nil {
		s.Errorf("closing: %v", err)
	}
}
