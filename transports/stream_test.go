package transports_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// lines writes each message as a line.
var lines = &transports.Spelling{Append: func(buf []byte, messages []transports.Message) []byte {
	for _, m := range messages {
		buf = fmt.Appendf(buf, "%d %s\n", m.Seq, m.Body)
	}
	return buf
}}

// A streaming is a stream and its reader's end of the connection.
type streaming struct {
	transports.Stream
	user   net.Conn
	in     *bufio.Reader
	ended  chan error // why no more messages come
	cancel context.CancelCauseFunc
}

// pair returns the ends of a connection that holds size bytes each way; 0: none, and it can't be tried.
func pair(t *testing.T, size int) (user, server net.Conn) {
	t.Helper()
	n := transporttest.Pipes()
	if size > 0 {
		n = transporttest.Buffered(size)
	}
	accepted := make(chan net.Conn)
	go func() {
		c, err := n.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	user, err := n.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return user, <-accepted
}

// stream starts to stream the room over a connection of pair.
func stream(t *testing.T, log transports.Log, size int) *streaming {
	t.Helper()
	user, server := pair(t, size)
	s := &streaming{user: user, in: bufio.NewReaderSize(user, 16), ended: make(chan error, 2)}
	s.Stream = transports.Stream{
		Log: log, Room: "room", Conn: server, Spelling: lines,
		Limits: transports.Limits{WriteTimeout: 10 * time.Second}.WithDefaults(),
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	s.Start(ctx, 0, func(err error) { s.ended <- err })
	return s
}

// end ends the stream as its owner does.
func (s *streaming) end() {
	s.cancel(transports.ErrStopping)
	s.Conn.Close()
	s.Close()
	s.user.Close()
}

// line reads a line.
func (s *streaming) line(t *testing.T) string {
	t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		t.Fatalf("after %.100q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// opened returns a log that is closed at the end of the test, and its store.
func opened(t *testing.T) (*feed.Feed, *memory.Store) {
	store := &memory.Store{First: 1}
	log := feed.New(store, 0)
	t.Cleanup(log.Close)
	return log, store
}

func say(t *testing.T, store transports.Store, body string) {
	t.Helper()
	if _, err := store.Append(t.Context(), "room", []byte(body), ""); err != nil {
		t.Fatal(err)
	}
}

// on runs a test on connections of several sizes: from none, which can't be tried, over such that hold less
// than a message, to such that hold all.
func on(t *testing.T, test func(t *testing.T, size int)) {
	for _, size := range []int{0, 7, 100, 1000, 1 << 20} {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, size) })
		})
	}
}

// A reader that is slow, now and then, gets every message once and in order. One that is stuck makes neither
// it nor the room wait.
func TestStreamOfASlowReader(t *testing.T) {
	on(t, func(t *testing.T, size int) {
		const n = 300
		log, store := opened(t)
		for range 20 {
			say(t, store, "a message that was there before")
		}
		slow, stuck, fast := stream(t, log, size), stream(t, log, size), stream(t, log, 1<<20)
		var reading sync.WaitGroup
		reading.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(size)))
			for i := range n + 20 {
				if random.IntN(10) == 0 {
					time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
				}
				if line := slow.line(t); !strings.HasPrefix(line, fmt.Sprint(i+1, " a message")) {
					t.Errorf("line %d is %q", i+1, line)
				}
			}
		})
		for range 20 {
			fast.line(t)
		}
		for i := range n {
			say(t, store, "a message of some length")
			begun := time.Now()
			if line := fast.line(t); !strings.HasPrefix(line, fmt.Sprint(i+21, " ")) || time.Since(begun) > 0 {
				t.Errorf("the fast reader gets %q after %v, want %d at once", line, time.Since(begun), i+21)
			}
			if i%3 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		reading.Wait()
		slow.end()
		fast.end()
		stuck.end()
		for name, s := range map[string]*streaming{"slow": slow, "fast": fast} {
			select {
			case err := <-s.ended:
				if !errors.Is(err, transports.ErrStopping) { // its goroutine may have been reading
					t.Errorf("the stream of the %s reader has ended with %v", name, err)
				}
			default:
			}
		}
		time.Sleep(11 * time.Second)
		if store.Watched() {
			t.Error("a room without readers is still watched: a stream that has ended still follows it")
		}
	})
}

// A reader that takes nothing for the write timeout is gone. The time counts from the first message that the
// connection didn't take.
func TestStreamOfAStuckReader(t *testing.T) {
	on(t, func(t *testing.T, size int) {
		log, store := opened(t)
		s := stream(t, log, size)
		time.Sleep(time.Hour)
		say(t, store, strings.Repeat("x", 2000))
		if size > 2000 {
			time.Sleep(time.Hour)
			select {
			case err := <-s.ended:
				t.Errorf("a stream whose connection takes all ends with %v", err)
			default:
			}
			s.end()
			return
		}
		begun := time.Now()
		for range 10 { // they wait in the log
			time.Sleep(900 * time.Millisecond)
			say(t, store, "more")
		}
		err := <-s.ended
		if took := time.Since(begun); !errors.Is(err, transports.ErrUnwritable) || took != 10*time.Second {
			t.Errorf("after %v: %v, want ErrUnwritable after the write timeout of 10 s", took, err)
		}
		say(t, store, "too late")
		time.Sleep(time.Minute)
		s.end()
		if len(s.ended) > 0 {
			t.Errorf("a second reason for the end: %v", <-s.ended)
		}
	})
}

// What else is written, like acknowledgements, comes between two messages, whole, and in the order of the
// calls.
func TestStreamWritesBetweenMessages(t *testing.T) {
	on(t, func(t *testing.T, size int) {
		const n = 200
		log, store := opened(t)
		s := stream(t, log, size)
		var writing sync.WaitGroup
		writing.Go(func() {
			for range n {
				say(t, store, "a message")
				time.Sleep(3 * time.Millisecond)
			}
		})
		for w := range 2 {
			writing.Go(func() {
				for i := range n {
					text := fmt.Sprint("writer ", w, " ", i, "\n")
					if written, err := s.Write([]byte(text)); err != nil || written != len(text) {
						t.Errorf("%d of %d bytes, %v", written, len(text), err)
					}
					time.Sleep(time.Duration(2+w) * time.Millisecond)
				}
			})
		}
		random := rand.New(rand.NewPCG(2, uint64(size)))
		messages, written := 0, [2]int{}
		for range 3 * n {
			if random.IntN(20) == 0 {
				time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			}
			line := s.line(t)
			var w, i int
			if _, err := fmt.Sscanf(line, "writer %d %d", &w, &i); err == nil {
				if i != written[w] {
					t.Errorf("writer %d: %d follows %d texts", w, i, written[w])
				}
				written[w]++
			} else if messages++; line != fmt.Sprint(messages, " a message") {
				t.Errorf("got %q, want message %d", line, messages)
			}
		}
		writing.Wait()
		s.end()
	})
}

// Nothing follows the last write, whatever else is going on.
func TestLastOfAStream(t *testing.T) {
	on(t, func(t *testing.T, size int) {
		log, store := opened(t)
		s := stream(t, log, size)
		var going sync.WaitGroup
		var late atomic.Int32
		going.Go(func() {
			for range 100 {
				say(t, store, "a message")
				time.Sleep(time.Millisecond)
			}
		})
		going.Go(func() {
			for range 100 {
				if _, err := s.Write([]byte("a text\n")); errors.Is(err, net.ErrClosed) {
					late.Add(1)
				} else if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
		going.Go(func() {
			time.Sleep(50500 * time.Microsecond)
			if err := s.WriteLast([]byte("the end\n")); err != nil {
				t.Error(err)
			}
			if err := s.WriteLast([]byte("another end\n")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a second last write: %v", err)
			}
			going.Go(func() {
				time.Sleep(time.Second)
				s.Conn.Close()
			})
		})
		all, err := io.ReadAll(s.in)
		if err != nil || !strings.HasSuffix(string(all), "\nthe end\n") || strings.Count(string(all), "the end") != 1 {
			t.Errorf("the stream ends with %q, %v", all[max(0, len(all)-50):], err)
		}
		going.Wait()
		if n := late.Load(); n < 40 || n > 60 {
			t.Errorf("%d of 100 texts come after the last write, want about half", n)
		}
		s.end()
	})
}

// A stream ends with the error of its log, once. In a log that takes its time to fail, a new reader of the room can be
// followed before it ends, too.
func TestStreamOfAFailingLog(t *testing.T) {
	for _, takes := range []time.Duration{0, time.Millisecond} {
		streamOfAFailingLog(t, takes)
	}
}

func streamOfAFailingLog(t *testing.T, takes time.Duration) {
	for _, size := range []int{0, 1 << 20} {
		for _, before := range []int{0, 3} {
			for _, ill := range []error{errors.New("the disk is on fire"), &transports.GapError{Oldest: 9}} {
				synctest.Test(t, func(t *testing.T) {
					store := &failing{Store: new(memory.Store), takes: takes}
					log := feed.New(store, 0)
					defer log.Close()
					s := stream(t, log, size)
					for range before {
						say(t, store, "fine")
						s.line(t)
					}
					synctest.Wait()
					store.err.Store(&ill)
					say(t, store, "not read")
					if err := <-s.ended; !errors.Is(err, ill) {
						t.Errorf("the stream ends with %v, want %v", err, ill)
					}
					store.err.Store(nil)
					say(t, store, "not read either")
					synctest.Wait()
					s.end()
					if rest, err := io.ReadAll(s.in); len(rest) > 0 || len(s.ended) > 0 {
						t.Errorf("after the end: %q, %v", rest, err)
					}
				})
			}
		}
	}
}

// A stream whose room loses its reader while the connection takes nothing reads on once it does.
func TestStreamThatIsStuckWhenTheRoomFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: &memory.Store{First: 1}}
		log := feed.New(store, 0)
		defer log.Close()
		s := stream(t, log, 7)
		synctest.Wait()
		go s.Write([]byte("a text\n" + "another\n")) // it is stuck, and follows the room
		synctest.Wait()
		ill := errors.New("the disk is on fire")
		store.err.Store(&ill)
		say(t, store, "one")
		synctest.Wait()
		store.err.Store(nil)
		for _, want := range []string{"a text", "another", "1 one"} {
			if got := s.line(t); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		s.end()
	})
}

// A failing store fails once it has an error.
type failing struct {
	transports.Store
	takes time.Duration // to fail
	err   atomic.Pointer[error]
}

func (f *failing) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if err := f.err.Load(); err != nil {
		time.Sleep(f.takes)
		return nil, *err
	}
	return f.Store.After(ctx, room, seq, limit)
}

// Close ends a stream in any state, and leaves nothing behind: no goroutine, no follower.
func TestCloseOfAStream(t *testing.T) {
	for _, size := range []int{0, 7, 1 << 20} {
		for name, begin := range map[string]func(*testing.T, *streaming, transports.Store){
			"quiet": func(*testing.T, *streaming, transports.Store) {},
			"stuck": func(t *testing.T, _ *streaming, store transports.Store) { say(t, store, "hello, world") },
			"behind": func(t *testing.T, _ *streaming, store transports.Store) {
				for range 10 {
					say(t, store, "hello, world")
				}
			},
			"a write is stuck": func(t *testing.T, s *streaming, store transports.Store) {
				for range 3 {
					go s.Write([]byte("a text\n"))
				}
				synctest.Wait()
				say(t, store, "hello, world")
			},
		} {
			t.Run(fmt.Sprint(name, "/size=", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log, store := opened(t)
					s := stream(t, log, size)
					synctest.Wait()
					begin(t, s, store)
					synctest.Wait()
					begun := time.Now()
					s.end()
					if took := time.Since(begun); took > 0 {
						t.Errorf("Close took %v", took)
					}
					if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
						t.Errorf("a write after Close: %v", err)
					}
					time.Sleep(11 * time.Second)
					if store.Watched() {
						t.Error("the room is still watched")
					}
				})
			})
		}
	}
}

// A stream whose context has ended before it begins says so, writes no message, and leaves nothing behind.
func TestServeTooLate(t *testing.T) {
	for _, size := range []int{0, 1 << 20} {
		log, store := opened(t)
		say(t, store, "hello")
		user, server := pair(t, size)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(transports.ErrStopping)
		s := transports.Stream{
			Log: log, Room: "room", Conn: server, Spelling: lines,
			Limits: transports.Limits{}.WithDefaults(), Last: func(why error) []byte { return []byte(why.Error()) },
		}
		if try, ok := transports.CanTry(server); ok {
			s.Conn = reluctant{server, try}
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			s.Serve(ctx, 0, func(context.Context, func(error)) { _, _ = io.Copy(io.Discard, server) })
		})
		if all, err := io.ReadAll(user); err != nil || !strings.HasSuffix(string(all), transports.ErrStopping.Error()) {
			t.Errorf("size %d: got %q, %v, want %q last", size, all, err, transports.ErrStopping)
		}
		serving.Wait()
		user.Close()
	}
}

// A reluctant connection lets others run before it says that it can be tried, so the end of a stream is ahead
// of its beginning.
type reluctant struct {
	net.Conn
	try transports.TryWriter
}

func (r reluctant) TryWrite(data []byte) (int, error) {
	n, err := r.try.TryWrite(data)
	if len(data) == 0 {
		for range 1000 {
			runtime.Gosched()
		}
	}
	return n, err
}

// A hasty log delivers even before Follow has returned.
type hasty struct {
	transports.Log
	follows chan struct{} // one for each call of Follow
	stopped [2]atomic.Bool
	calls   int
}

func (h *hasty) Follow(_ string, seq uint64, f transports.Follower) (stop func(), ok bool) {
	call := h.calls
	h.calls++
	if call == 0 {
		f.Deliver(&transports.Bundle{Messages: []transports.Message{{Seq: 1, Body: []byte(strings.Repeat("x", 100))}}})
		<-h.follows // the stream is stuck, catches up, and follows again
	} else {
		h.follows <- struct{}{}
	}
	return func() { h.stopped[call].Store(true) }, true
}

// A stream that follows anew before its first Follow has returned stops following in the end: else the room
// would list it for ever.
func TestCloseAfterHastyDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &hasty{follows: make(chan struct{})}
		user, server := pair(t, 7)
		s := &transports.Stream{
			Log: log, Room: "room", Conn: server, Spelling: lines, Limits: transports.Limits{}.WithDefaults(),
		}
		go io.Copy(io.Discard, user)
		s.Start(t.Context(), 0, func(err error) { t.Errorf("the stream ends with %v", err) })
		synctest.Wait()
		if log.calls != 2 {
			t.Fatalf("the stream follows %d times, want twice", log.calls)
		}
		server.Close()
		s.Close()
		user.Close()
		if !log.stopped[1].Load() {
			t.Error("the stream still follows after Close")
		}
	})
}
