package storetest

import (
	"fmt"
	"sync"

	"pushpull/transports"
)

// once appends messages again by their keys.
func (s *test) once() {
	store := s.open(plenty)
	first := s.appendOnce(store, "room", "first", "1.1")
	second := s.appendOnce(store, "room", "second", "1.2")
	s.append(store, "room", "without a key")
	s.append(store, "room", "without a key")
	elsewhere := s.appendOnce(store, "another room", "elsewhere", "1.1")
	for range 2 {
		for _, again := range []struct {
			room string
			key  transports.Key
			want uint64
		}{{"room", "1.1", first}, {"room", "1.2", second}, {"another room", "1.1", elsewhere}} {
			if seq := s.appendOnce(store, again.room, "again", again.key); seq != again.want {
				s.Errorf("%s in %q is at %d when it is appended again, want %d", again.key, again.room, seq, again.want)
			}
		}
	}
	long := transports.Key(fmt.Sprintf("%0*d", transports.MaxKey, 0))
	if a, b := s.appendOnce(store, "room", "long", long), s.appendOnce(store, "room", "long", long); a != b {
		s.Errorf("a key of %d bytes is at %d and %d", len(long), a, b)
	}
	s.appendOnce(store, "room", "other case", "a")
	s.appendOnce(store, "room", "other case", "A")
	s.expect(store, "room", 0, "first", "second", "without a key", "without a key", "long", "other case", "other case")
	s.expect(store, "another room", 0, "elsewhere")
	if messages := s.after(store, "room", first, 1); len(messages) != 1 || messages[0].Seq != second {
		s.Errorf("after %d comes %v, want %d", first, messages, second)
	}
}

// onceAtOnce appends each of some messages several times at the same time, through as many stores.
func (s *test) onceAtOnce() {
	stores := []Store{s.open(plenty)}
	if s.suite.New != nil {
		address := s.address()
		stores = []Store{s.openAt(address, plenty), s.openAt(address, plenty)}
	}
	const keys, each = 5, 6
	var seqs [keys][each]uint64
	for k := range keys {
		var wg sync.WaitGroup
		for i := range each {
			wg.Go(func() {
				var err error
				if seqs[k][i], err = stores[i%len(stores)].Append(s.ctx, "room", fmt.Append(nil, k), transports.Key(fmt.Sprint(k))); err != nil {
					s.Error(err)
				}
			})
		}
		wg.Wait()
		for _, seq := range seqs[k] {
			if seq == 0 || seq != seqs[k][0] {
				s.Errorf("message %d is at %d", k, seqs[k])
				break
			}
		}
	}
	for _, store := range stores {
		s.expect(store, "room", 0, "0", "1", "2", "3", "4")
	}
}

// onceReopened appends a message again after the log was closed and opened again.
func (s *test) onceReopened() {
	address := s.address()
	store, err := s.suite.Open(s.ctx, address, plenty)
	if err != nil {
		s.Fatal(err)
	}
	first := s.appendOnce(store, "room", "hello", "k")
	if err := store.Close(); err != nil {
		s.Fatal(err)
	}
	store = s.openAt(address, plenty)
	if seq := s.appendOnce(store, "room", "hello", "k"); seq != first {
		s.Errorf("the message is at %d after the log was opened again, and at %d before", seq, first)
	}
	s.expect(store, "room", 0, "hello")
}

// onceBeyondRetention appends many messages with keys, so that the first ones leave the log. Their keys may be
// known still, or the messages are added again; those in the log are known.
func (s *test) onceBeyondRetention() {
	const retention = 8
	store := s.open(retention)
	var last uint64
	var n int
	for gone := false; !gone; n++ {
		last = s.appendOnce(store, "room", fmt.Sprint(n), transports.Key(fmt.Sprint(n)))
		_, err := store.After(s.ctx, "room", 0, 1)
		gone = err != nil
	}
	for i := n - 1; i >= n-retention; i-- {
		seq := s.appendOnce(store, "room", "again", transports.Key(fmt.Sprint(i)))
		if seq > last {
			s.Errorf("message %d of %d, which is in the log, was added again", i, n)
		}
	}
	s.appendOnce(store, "room", "again", "0")
	if again := s.appendOnce(store, "room", "again", "0"); again == 0 {
		s.Error("a message that left the log has no place when it is appended again")
	}
}

func (s *test) appendOnce(store transports.Store, room, body string, key transports.Key) uint64 {
	s.Helper()
	seq, err := store.Append(s.ctx, room, []byte(body), key)
	if err != nil {
		s.Fatalf("Append(%q) with key %s: %v", room, key, err)
	}
	return seq
}
