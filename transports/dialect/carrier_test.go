package dialect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

// A toy is a dialect, and its only speech, of functions.
type toy struct {
	way  dialect.Way
	ask  func() dialect.Request
	say  func(n uint64, body []byte) dialect.Request
	hear func(u dialect.Unit, h *dialect.Heard) error
}

func (toy) About() dialect.About  { return dialect.About{Name: "toy", Title: "Toy"} }
func (t toy) Ways() []dialect.Way { return []dialect.Way{t.way} }
func (t toy) Speak(dialect.Way, string, transports.Cursor) (dialect.Speech, error) {
	return t, nil
}
func (t toy) Ask() dialect.Request                        { return t.ask() }
func (t toy) Say(n uint64, body []byte) dialect.Request   { return t.say(n, body) }
func (t toy) Hear(u dialect.Unit, h *dialect.Heard) error { return t.hear(u, h) }
func (toy) Cursor() transports.Cursor                     { return "" }
func get(path string) func() dialect.Request {
	return func() dialect.Request { return dialect.Request{Method: "GET", Path: path} }
}

func post(n uint64, body []byte) dialect.Request {
	return dialect.Request{Method: "POST", Path: "/say", Body: body}
}

func held() dialect.Way {
	return dialect.Way{Transport: "long-poll", Way: transports.Way{Title: "polling", Hold: 30 * time.Second}}
}

func timed() dialect.Way {
	return dialect.Way{Transport: "short-poll", Way: transports.Way{Title: "polling", Every: time.Second}}
}

func lines() dialect.Way {
	return dialect.Way{Transport: "lines", Lines: true, Way: transports.Way{Title: "lines", Stream: true}}
}

func events() dialect.Way {
	return dialect.Way{Transport: "sse", Way: transports.Way{Title: "events", Stream: true}}
}
func nothing(dialect.Unit, *dialect.Heard) error { return nil }
func stored(u dialect.Unit, h *dialect.Heard) error {
	h.Stored = append(h.Stored, u.Number)
	return nil
}
func (t toy) hearing(f func(dialect.Unit, *dialect.Heard) error) toy { t.hear = f; return t }

// A wire answers requests, and notes their purposes.
type wire struct {
	answer func(req *http.Request) (status int, body io.Reader)

	mu       sync.Mutex
	purposes []string
	empty    int
}

// An emptied body counts that it held no message.
type emptied struct {
	io.Reader
	wire *wire
}

func (e emptied) Empty()     { e.wire.mu.Lock(); e.wire.empty++; e.wire.mu.Unlock() }
func (emptied) Close() error { return nil }

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	p, _ := transports.PurposeOf(req)
	w.mu.Lock()
	w.purposes = append(w.purposes, fmt.Sprint([]string{"poll", "send", "handshake"}[p.Request], " ", req.URL.Path, map[bool]string{true: " once"}[p.Once]))
	w.mu.Unlock()
	status, body := w.answer(req)
	if err := req.Context().Err(); err != nil {
		return nil, context.Cause(req.Context())
	}
	header := http.Header{"Content-Type": {"text/event-stream"}}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: header, ContentLength: -1, Body: emptied{body, w}}, nil
}

func join(t *testing.T, d toy, w *wire) (transports.Session, error) {
	t.Helper()
	client, err := dialect.Client(d, d.way.Transport)
	if err != nil {
		t.Fatal(err)
	}
	return client.Join(t.Context(), transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: w}, "room", "")
}

func joined(t *testing.T, d toy, w *wire) transports.Session {
	t.Helper()
	s, err := join(t, d, w)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns what Messages yields for a time, and its error.
func read(t *testing.T, s transports.Session, d time.Duration) (bodies []string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for m, e := range s.Messages(ctx) {
		if err = e; err == nil {
			bodies = append(bodies, string(m.Body))
		}
	}
	return bodies, err
}

func nobody(status int) func(*http.Request) (int, io.Reader) {
	return func(*http.Request) (int, io.Reader) { return status, strings.NewReader("") }
}

// TestHandshake polls until the user is ready, and says to the wire what each request is for.
func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: nobody(200)}
		asked := 0
		d := toy{way: timed(), say: post, ask: func() dialect.Request { asked++; return get(fmt.Sprint("/", asked))() }}
		d.way.Greets, d.way.Once = true, true
		d = d.hearing(func(u dialect.Unit, h *dialect.Heard) error {
			switch u.Kind {
			case dialect.Answered:
				h.Ready = asked == 2
				if asked == 1 {
					h.Replies = append(h.Replies, dialect.Request{Method: "POST", Path: "/reply"})
				}
			case dialect.Taken:
				return stored(u, h)
			}
			return nil
		})
		s := joined(t, d, w)
		defer s.Close()
		var acks []error
		s.Send(t.Context(), []byte("hello"), func(err error) { acks = append(acks, err) })
		if _, err := read(t, s, 1500*time.Millisecond); err != nil {
			t.Error(err)
		}
		want := "handshake /1 once, handshake /reply once, handshake /2 once, send /say once, poll /3 once, poll /4 once"
		if got := strings.Join(w.purposes, ", "); got != want || w.empty != 2 || len(acks) != 1 || acks[0] != nil {
			t.Errorf("%s with %d empty answers, acknowledged %v, want %s", got, w.empty, acks, want)
		}
	})
}

// TestNeverReady gives a user up that the server doesn't take into the room.
func TestNeverReady(t *testing.T) {
	for name, d := range map[string]toy{
		"that polls":     {way: held(), ask: get("/"), hear: nothing},
		"with a stream":  {way: lines(), ask: get("/"), hear: nothing},
		"with events":    {way: events(), ask: get("/"), hear: nothing},
		"that says more": {way: events(), ask: func() dialect.Request { return dialect.Request{Method: "GET", Path: "/", Before: true} }, hear: nothing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d.way.Greets = true
				begun := time.Now()
				end := make(chan struct{})
				defer close(end)
				w := &wire{answer: func(req *http.Request) (int, io.Reader) {
					if d.way.Way.Stream {
						return 200, reader(func([]byte) (int, error) {
							select {
							case <-req.Context().Done():
							case <-end:
							}
							return 0, io.ErrUnexpectedEOF
						})
					}
					return 200, strings.NewReader("")
				}}
				s, err := join(t, d, w)
				took := time.Since(begun)
				if s != nil || err == nil || took > transports.AnswerTime {
					t.Fatalf("%v after %v", err, took)
				}
				for _, want := range []string{"the server did not take the user into the room within 10s", "the user is not ready after 32 requests: does a rule say when it is?"} {
					if strings.Contains(err.Error(), want) {
						return
					}
				}
				t.Error(err)
			})
		})
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// TestAnswersAtOnce bounds how often a user asks a server that should hold its polls, or that always has more.
func TestAnswersAtOnce(t *testing.T) {
	for name, more := range map[string]bool{"a server that holds no poll": false, "a server that always has more": true} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: nobody(200)}
			d := toy{way: held(), ask: get("/"), hear: func(_ dialect.Unit, h *dialect.Heard) error { h.More = more; return nil }}
			s := joined(t, d, w)
			defer s.Close()
			if _, err := read(t, s, 10*time.Second); err != nil {
				t.Error(err)
			}
			if n := len(w.purposes); n < 190 || n > 310 {
				t.Errorf("%s was asked %d times in 10 s, want about 200", name, n)
			}
		})
	}
}

// TestAcknowledgements come apart from the sends, in any order, once; one for a message that was not sent ends the
// session.
func TestAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []uint64
		w := &wire{answer: nobody(200)}
		d := toy{way: timed(), ask: get("/"), say: func(n uint64, body []byte) dialect.Request { said = append(said, n); return post(n, body) }}
		round := 0
		d = d.hearing(func(u dialect.Unit, h *dialect.Heard) error {
			switch {
			case u.Kind == dialect.Taken:
				h.Kept = true
			case u.Kind == dialect.Answered:
				switch round++; round {
				case 1:
					h.Stored = []uint64{2, 2}
					h.Refused = []dialect.Refusal{{Number: 1, Why: errors.New("too long")}}
				case 2:
					h.Oldest = 1
				case 3:
					h.Stored = []uint64{4}
				}
			}
			return nil
		})
		s := joined(t, d, w)
		defer s.Close()
		var acks []string
		for i := 1; i <= 3; i++ {
			s.Send(t.Context(), []byte("x"), func(err error) { acks = append(acks, fmt.Sprint(i, " ", err)) })
		}
		_, err := read(t, s, time.Minute)
		if err == nil || !strings.Contains(err.Error(), "the server acknowledged a message that was not sent: number 4") {
			t.Errorf("Messages: %v", err)
		}
		if got := strings.Join(acks, "; "); got != "2 <nil>; 1 sending a message: too long; 3 <nil>" {
			t.Error(got)
		}
	})
}

// TestNoAcknowledgement ends the session of a user whose message is neither acknowledged nor refused.
func TestNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: nobody(204)}
		d := toy{way: timed(), ask: get("/"), say: post, hear: func(u dialect.Unit, h *dialect.Heard) error { h.Kept = u.Kind == dialect.Taken; return nil }}
		s := joined(t, d, w)
		defer s.Close()
		var ack error
		s.Send(t.Context(), []byte("x"), func(err error) { ack = err })
		begun := time.Now()
		_, err := read(t, s, time.Minute)
		timeout, ok := errors.AsType[*transports.TimeoutError](err)
		if !ok || timeout.Part != "acknowledge a message" || !errors.Is(ack, timeout) || time.Since(begun) != 20*time.Second {
			t.Errorf("Messages: %v, the send: %v, after %v", err, ack, time.Since(begun))
		}
		s.Send(t.Context(), []byte("y"), func(err error) { ack = err })
		if !errors.Is(ack, transports.ErrUnsent) {
			t.Errorf("a send after the end: %v", ack)
		}
	})
}

// TestTaken has answers to sends that are none.
func TestTaken(t *testing.T) {
	for name, c := range map[string]struct {
		heard dialect.Heard
		err   error
		want  string
	}{
		"stored":      {heard: dialect.Heard{Stored: []uint64{1}}},
		"refused":     {heard: dialect.Heard{Refused: []dialect.Refusal{{Number: 1, Why: errors.New("full")}}}, want: "sending a message: full"},
		"an error":    {err: errors.New("garbage"), want: "sending a message: garbage"},
		"neither":     {want: "sending a message: the dialect leaves open whether the server's answer acknowledges the message"},
		"a message":   {heard: dialect.Heard{Messages: [][]byte{nil}, Stored: []uint64{1}}, want: "sending a message: the answer to a send can hold neither messages nor ask for replies"},
		"another one": {heard: dialect.Heard{Stored: []uint64{7}}, want: "sending a message: the server acknowledged a message that was not sent: number 7"},
	} {
		d := toy{way: timed(), ask: get("/"), say: post, hear: func(u dialect.Unit, h *dialect.Heard) error {
			if u.Kind == dialect.Taken {
				*h = c.heard
				return c.err
			}
			return nil
		}}
		s := joined(t, d, &wire{answer: nobody(200)})
		calls := 0
		s.Send(t.Context(), []byte("x"), func(err error) {
			if calls++; err == nil && c.want != "" || err != nil && err.Error() != c.want {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		})
		if calls != 1 {
			t.Errorf("%s: called back %d times", name, calls)
		}
		s.Close()
	}
}

// TestLeftOver reads the rest of an answer when Messages is called again.
func TestLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		w := &wire{answer: func(*http.Request) (int, io.Reader) { polls++; return 200, strings.NewReader("a b c") }}
		d := toy{way: timed(), ask: get("/"), hear: func(u dialect.Unit, h *dialect.Heard) error {
			if u.Kind == dialect.Answered && polls == 1 {
				h.Messages = bytes.Fields(u.Body)
			}
			return nil
		}}
		s := joined(t, d, w)
		defer s.Close()
		for m := range s.Messages(t.Context()) {
			if string(m.Body) != "a" || m.Seq != 1 {
				t.Errorf("%d %s", m.Seq, m.Body)
			}
			break
		}
		if rest, err := read(t, s, time.Second/2); err != nil || strings.Join(rest, " ") != "b c" {
			t.Errorf("%v, %v", rest, err)
		}
	})
}

// TestLines reads a stream of lines to its end, and gives up one whose line has none.
func TestLines(t *testing.T) {
	d := toy{way: lines(), ask: get("/"), hear: func(u dialect.Unit, h *dialect.Heard) error {
		if u.Kind == dialect.Event {
			h.Messages = append(h.Messages, u.Body)
		}
		return nil
	}}
	s := joined(t, d, &wire{answer: func(*http.Request) (int, io.Reader) { return 200, strings.NewReader("a\r\n\nb\n") }})
	got, err := read(t, s, time.Minute)
	if !errors.Is(err, transports.ErrStopping) || strings.Join(got, "|") != "a||b" {
		t.Errorf("%q, %v", got, err)
	}
	s.Close()
	s = joined(t, d, &wire{answer: func(*http.Request) (int, io.Reader) {
		return 200, reader(func(p []byte) (int, error) { return len(p), nil })
	}})
	if _, err := read(t, s, time.Minute); err == nil || !strings.Contains(err.Error(), "a line has not ended after 16 MiB") {
		t.Error(err)
	}
	s.Close()
}

// TestNoEventStream names what came instead of a stream.
func TestNoEventStream(t *testing.T) {
	d := toy{way: events(), ask: get("/"), hear: func(u dialect.Unit, _ *dialect.Heard) error {
		if u.Kind == dialect.Opened {
			return &transports.StatusError{Code: u.Status, Status: "302 Found"}
		}
		return nil
	}}
	s, err := join(t, d, &wire{answer: nobody(302)})
	if s != nil || err == nil || err.Error() != "the server answered 302 Found" {
		t.Error(err)
	}
}

// TestSilent ends a stream whose server gives no sign of life.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := toy{way: lines(), ask: get("/"), hear: nothing}
		d.way.Way.Heartbeat = 5 * time.Second
		s := joined(t, d, &wire{answer: func(req *http.Request) (int, io.Reader) {
			return 200, reader(func([]byte) (int, error) { <-req.Context().Done(); return 0, context.Cause(req.Context()) })
		}})
		defer s.Close()
		begun := time.Now()
		_, err := read(t, s, time.Minute)
		if _, ok := errors.AsType[*transports.TimeoutError](err); !ok || time.Since(begun) > 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
