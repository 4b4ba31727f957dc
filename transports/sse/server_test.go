package sse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// open opens a stream as it is on the wire.
func open(t *testing.T, server *transporttest.Server, query string, header http.Header) *http.Response {
	t.Helper()
	target, conns := server.Target()
	u := target.RoomURL("room", Name)
	u.RawQuery = query
	resp, err := conns.RoundTrip(transports.NewRequest(t.Context(), http.MethodGet, u, header, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// A line of a stream, and when it came.
type line struct {
	text string
	at   time.Time
}

// follow collects what comes on a stream until it ends.
func follow(resp *http.Response) (soFar func() []line, ended <-chan error) {
	var mu sync.Mutex
	var lines []line
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := resp.Body.Read(buf)
			if n > 0 {
				mu.Lock()
				lines = append(lines, line{string(buf[:n]), time.Now()})
				mu.Unlock()
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return func() []line {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}, done
}

func text(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
	}
	return b.String()
}

func seqs(t *testing.T, store *memory.Store, bodies ...string) (all []uint64) {
	t.Helper()
	for _, body := range bodies {
		seq, err := store.Append(t.Context(), "room", []byte(body), "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, seq)
	}
	return all
}

// The stream is the one documented, byte for byte.
func TestWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		at := seqs(t, store, "one", "two")
		server := transporttest.Serve(t, Transport{}, store)
		resp := open(t, server, "", http.Header{})
		if resp.StatusCode != http.StatusOK || resp.ContentLength != -1 {
			t.Errorf("%s with a length of %d", resp.Status, resp.ContentLength)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		soFar, ended := follow(resp)
		synctest.Wait()
		at = append(at, seqs(t, store, "a \"line\"\nand\r\nanother")...)
		synctest.Wait()
		want := fmt.Sprintf("retry: 2000\n\nid: %d\ndata: {\"seq\":%[1]d,\"body\":\"one\"}\n\nid: %d\ndata: {\"seq\":%[2]d,\"body\":\"two\"}\n\n"+
			"id: %d\ndata: {\"seq\":%[3]d,\"body\":\"a \\\"line\\\"\\nand\\r\\nanother\"}\n\n", at[0], at[1], at[2])
		if got := text(soFar()); got != want {
			t.Errorf("the stream is %q, want %q", got, want)
		}
		server.Stop()
		if err := <-ended; err != io.EOF {
			t.Errorf("the stream of a stopping server ends with %v", err)
		}
		if got := text(soFar()); got != want {
			t.Errorf("at its end the stream is %q, want %q", got, want)
		}
	})
}

// A browser that reconnects repeats the URL with the place of its first connection.
func TestPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		at := seqs(t, store, "one", "two", "three")
		server := transporttest.Serve(t, Transport{}, store)
		after := func(i int) string { return string(transports.CursorAt(at[i])) }
		for name, test := range map[string]struct {
			query, id string
			want      []string
		}{
			"neither":            {"", "", []string{"one", "two", "three"}},
			"after":              {"after=" + after(0), "", []string{"two", "three"}},
			"Last-Event-ID":      {"", after(0), []string{"two", "three"}},
			"Last-Event-ID wins": {"after=" + after(0), after(1), []string{"three"}},
			"after is not read":  {"after=x", after(1), []string{"three"}},
		} {
			header := http.Header{}
			if test.id != "" {
				header.Set("Last-Event-ID", test.id)
			}
			soFar, _ := follow(open(t, server, test.query, header))
			synctest.Wait()
			all, _ := readAll(strings.NewReader(text(soFar())))
			var bodies []string
			for _, e := range all {
				m, err := parse([]byte(e.data))
				if err != nil {
					t.Error(err)
				}
				bodies = append(bodies, string(m.Body))
			}
			if fmt.Sprint(bodies) != fmt.Sprint(test.want) {
				t.Errorf("%s: %q, want %q", name, bodies, test.want)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{Retention: 2}
		at := seqs(t, store, "one", "two", "three", "four")
		server := transporttest.Serve(t, Transport{}, store)
		for name, test := range map[string]struct {
			query, id string
			status    int
			says      string
		}{
			"after":         {"after=x", "", http.StatusBadRequest, `{"error":"bad cursor \"x\": after must be`},
			"Last-Event-ID": {"after=0", "x", http.StatusBadRequest, `{"error":"bad Last-Event-ID \"x\": it must be the id of the last event read"}`},
			"a gap":         {fmt.Sprint("after=", at[0]), "", http.StatusGone, fmt.Sprintf(`"oldest":%d}`, at[2])},
		} {
			header := http.Header{}
			if test.id != "" {
				header.Set("Last-Event-ID", test.id)
			}
			resp := open(t, server, test.query, header)
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || !strings.Contains(string(body), test.says) || strings.Count(string(body), "\n") != 1 {
				t.Errorf("%s: %s %q, %v", name, resp.Status, body, err)
			}
		}
	})
}

// What ends a running stream is its last event.
func TestLastEvent(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a gap":           {&transports.GapError{Oldest: 9}, "event: gap\ndata: {\"oldest\":9}\n\n"},
		"the store fails": {errors.New("secret"), "event: error\ndata: {\"error\":\"the store can't be reached, try again later\"}\n\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			user, conn := net.Pipe()
			w := hijackable{httptest.NewRecorder(), conn}
			r := httptest.NewRequest(http.MethodGet, "/rooms/room/sse", nil)
			go Transport{}.Handler(ending{test.err}).ServeHTTP(w, r)
			text, err := io.ReadAll(httputil.NewChunkedReader(user))
			got := strings.Replace(string(text), comment, "", 1) // the first heartbeat comes at a random time
			if want := beginning + test.want; err != nil || w.Code != http.StatusOK || got != want {
				t.Errorf("%s: %d %q, %v, want %q", name, w.Code, got, err, want)
			}
			if more, err := io.ReadAll(user); err != nil || strings.Trim(string(more), "\r\n") != "" {
				t.Errorf("%s: then %q, %v", name, more, err)
			}
		})
	}
}

// A hijackable ResponseWriter hands conn over.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// ending is the log of an empty room that can't be read any more after a second.
type ending struct{ err error }

func (e ending) Append(context.Context, string, []byte, transports.Key) (uint64, error) {
	return 0, e.err
}

func (ending) After(context.Context, string, uint64, int) ([]transports.Message, error) {
	return nil, nil
}

func (e ending) Next(context.Context, string, uint64, int) ([]transports.Message, error) {
	time.Sleep(time.Second)
	return nil, e.err
}

// A stopping server opens no stream: the answer sends users elsewhere, and browsers try again.
func TestStoppingBeforeTheStart(t *testing.T) {
	log := feed.New(new(memory.Store), 0)
	defer log.Close()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(transports.ErrStopping)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/rooms/room/sse", nil)
	Transport{}.Handler(log).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || transports.StepAfter(transports.Handshake, w.Code) != transports.Rejoin {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// HEAD is answered at once: a stream without a body would stay open for nothing.
func TestHEAD(t *testing.T) {
	log := feed.New(new(memory.Store), 0)
	defer log.Close()
	w := httptest.NewRecorder()
	Transport{}.Handler(log).ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/rooms/room/sse", nil))
	if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Type") != mediaType {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

// In a quiet room there is a comment every transports.Heartbeat, from a random time on.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, beats = 40, 10
		server := transporttest.Serve(t, Transport{}, new(memory.Store))
		begun := time.Now()
		var streams []func() []line
		for range users {
			soFar, _ := follow(open(t, server, "", http.Header{}))
			streams = append(streams, soFar)
		}
		time.Sleep(beats*transports.Heartbeat + time.Millisecond)
		synctest.Wait()
		early := 0
		for i, soFar := range streams {
			lines := soFar()
			if len(lines) != 1+beats {
				t.Fatalf("user %d got %d pieces in %d heartbeats: %q", i, len(lines), beats, text(lines))
			}
			first := lines[1].at.Sub(begun)
			if first <= 0 || first > transports.Heartbeat {
				t.Errorf("the first heartbeat of user %d comes after %v", i, first)
			}
			if first < transports.Heartbeat/2 {
				early++
			}
			for k, l := range lines[1:] {
				if after := l.at.Sub(lines[1].at); l.text != ":\n\n" || after != time.Duration(k)*transports.Heartbeat {
					t.Errorf("heartbeat %d of user %d is %q, %v after the first", k, i, l.text, after)
				}
			}
		}
		if early < users/8 || early > users*7/8 { // a fair coin does that once in a million times
			t.Errorf("%d of %d users get their first heartbeat in the first half", early, users)
		}
	})
}

// A batch is one chunk, whatever its size has for digits.
func TestOneChunkABatch(t *testing.T) {
	for _, body := range []string{"", "hello", strings.Repeat("\x00", 16<<10)} {
		var messages []transports.Message
		var want []byte
		for seq := range uint64(30) {
			messages = append(messages, transports.Message{Seq: seq + 1, Body: []byte(body)})
			want = appendEvent(want, messages[seq])
			got := chunked.events.Append([]byte("before "), messages)
			if head := fmt.Sprintf("before %x\r\n", len(want)); string(got) != head+string(want)+"\r\n" {
				t.Fatalf("%d messages are %.200q..., want %q and %d bytes of events", len(messages), got, head, len(want))
			}
		}
	}
}

// A user that reads nothing is cut off after the write timeout, and resumes from its cursor.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		server := transporttest.Serve(t, Transport{Limits: transports.Limits{WriteTimeout: 3 * time.Second}}, store)
		session, conns := server.Enter("room", "")
		fast := server.Join("room", "")
		long := strings.Repeat("x", 64<<10)
		seqs(t, store, long, long)
		fast.Wait(2)
		seqs(t, store, "after")
		time.Sleep(4 * time.Second) // of which the slow one reads nothing
		slow := transporttest.Read(t, t.Context(), session, conns)
		err := slow.End()
		if err == nil || len(slow.Got()) == 3 {
			t.Fatalf("a user that read nothing for 4 s got %d messages, %v", len(slow.Got()), err)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream that was cut off ends with %v", err)
		}
		back := server.Join("room", slow.Cursor())
		back.Wait(3 - len(slow.Got()))
		fast.Wait(3)
	})
}
