package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A server answers the requests of users.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func (s server) target() transports.Target {
	return transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: s}
}

// streams answers with an event stream.
func streams(body io.Reader) server {
	return func(*http.Request) (*http.Response, error) {
		return answer(http.StatusOK, "text/event-stream", body), nil
	}
}

func answer(code int, kind string, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)),
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(body),
	}
}

func join(t *testing.T, s server, from transports.Cursor) transports.Session {
	t.Helper()
	session, err := Transport{}.Join(t.Context(), s.target(), "room", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// read returns all messages of a session, and its error.
func read(session transports.Session) (bodies []string, err error) {
	for m, err := range session.Messages(context.Background()) {
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, string(m.Body))
	}
	return bodies, nil
}

func TestRequest(t *testing.T) {
	for from, query := range map[transports.Cursor]string{"": "", "7": "after=7"} {
		var asked *http.Request
		join(t, func(r *http.Request) (*http.Response, error) {
			asked = r
			return answer(http.StatusOK, "text/event-stream", strings.NewReader("")), nil
		}, from)
		if u := asked.URL; asked.Method != http.MethodGet || u.Path != "/rooms/room/sse" || u.RawQuery != query || asked.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("from %q: %s %s, %v", from, asked.Method, u, asked.Header)
		}
	}
}

// A user understands what other servers make of the stream, and says what it doesn't understand.
func TestMessages(t *testing.T) {
	const hello = "id: 7\ndata: {\"seq\":7,\"body\":\"hello\"}\n\n"
	for name, test := range map[string]struct {
		stream string
		bodies string
		cursor transports.Cursor
		says   string
		step   error // what the error matches; nil: nothing that joining again could help with
	}{
		"as pushpull writes it": {beginning + hello + comment + "id: 8\ndata: {\"seq\":8,\"body\":\"\\u003c\"}\n\n", "[hello <]", "8", "the server ended the event stream", transports.ErrStopping},
		"in several lines":      {"data: {\"body\":\r\ndata: \"hello\",\r\ndata: \"seq\":7}\r\nid: 7\r\n\r\n", "[hello]", "7", "the server ended", transports.ErrStopping},
		"of other types":        {"event: presence\nid: 9\ndata: Mary\n\n" + hello, "[hello]", "7", "the server ended", transports.ErrStopping},
		"cut off":               {hello + "id: 8\ndata: {\"seq\":8,\"body\":\"no", "[hello]", "7", "the server ended", transports.ErrStopping},
		"no id":                 {"data: {\"seq\":7,\"body\":\"hello\"}\n\n", "[hello]", "5", "the server ended", transports.ErrStopping},
		"an error":              {hello + "event: error\ndata: {\"error\":\"the store can't be reached, try again later\"}\n\n" + hello, "[hello]", "7", "the server ended the event stream: the store can't be reached, try again later", transports.ErrStopping},
		"an error in words":     {"event: error\ndata: out of order\n\n", "[]", "5", `the server ended the event stream: "out of order"`, transports.ErrStopping},
		"a bad gap":             {"event: gap\ndata: {\"oldest\":0}\n\n", "[]", "5", `the event gap has the data "{\"oldest\":0}", want {"oldest":9}`, nil},
		"no message":            {"data: hello\n\n", "[]", "5", `"hello" is no message: is it the event stream of another server?`, nil},
		"no seq":                {"data: {\"body\":\"hello\"}\n\n", "[]", "5", "is no message", nil},
		"seq 0":                 {"data: {\"seq\":0,\"body\":\"hello\"}\n\n", "[]", "5", "is no message", nil},
		"not UTF-8":             {"data: {\"seq\":7,\"body\":\"caf\xe9\"}\n\n", "[]", "5", "is not UTF-8", nil},
	} {
		session := join(t, streams(iotest.OneByteReader(strings.NewReader(test.stream))), "5")
		bodies, err := read(session)
		if got := fmt.Sprint(bodies); got != test.bodies || session.Cursor() != test.cursor {
			t.Errorf("%s: %s, then the cursor %q, want %s and %q", name, got, session.Cursor(), test.bodies, test.cursor)
		}
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, transports.ErrStopping) != (test.step != nil) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
		if _, again := read(session); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: reading on: %v, want %v", name, again, err)
		}
	}
}

// A gap in a running stream moves the cursor, and so does a gap in the answer to the request, a 410.
func TestGaps(t *testing.T) {
	for name, s := range map[string]server{
		"in the stream": streams(strings.NewReader("id: 7\ndata: {\"seq\":7,\"body\":\"hello\"}\n\nevent: gap\ndata: {\"oldest\":9}\n\n")),
		"at the start": func(*http.Request) (*http.Response, error) {
			return answer(http.StatusGone, "application/json", strings.NewReader(`{"error":"gone","oldest":9}`)), nil
		},
	} {
		session := join(t, s, "5")
		_, err := read(session)
		if gap, ok := errors.AsType[*transports.GapError](err); !ok || gap.Oldest != 9 || session.Cursor() != "8" {
			t.Errorf("%s: %v, then the cursor %q", name, err, session.Cursor())
		}
	}
}

// A connection that breaks is not the end that the server wrote.
func TestBroken(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("connection reset by peer")} {
		session := join(t, streams(io.MultiReader(strings.NewReader("data: {\"seq\":7,"), iotest.ErrReader(broken))), "")
		if _, err := read(session); !errors.Is(err, broken) || errors.Is(err, transports.ErrStopping) {
			t.Errorf("%v, want %v", err, broken)
		}
	}
}

func TestJoinRefused(t *testing.T) {
	for name, test := range map[string]struct {
		code       int
		kind, body string
		says       string
		step       transports.Step
	}{
		"another media type": {200, "text/html; charset=utf-8", "<!DOCTYPE html>", `200 OK (with the Content-Type "text/html; charset=utf-8" instead of text/event-stream: `, transports.Stop},
		"no media type":      {200, "", "", `with the Content-Type "" instead of`, transports.Stop},
		"nothing":            {204, "", "", "204 No Content", transports.Stop},
		"unknown":            {404, "application/json", `{"error":"unknown transport \"sse\": use long-poll"}`, `unknown transport "sse"`, transports.Return},
		"not acceptable":     {406, "text/plain", "", "406 Not Acceptable (it has no event stream", transports.Stop},
		"too many":           {429, "application/json", `{"error":"later"}`, "later", transports.Repeat},
		"out of reach":       {503, "application/json", `{"error":"the store can't be reached"}`, "the store can't be reached", transports.Rejoin},
	} {
		s := server(func(*http.Request) (*http.Response, error) {
			return answer(test.code, test.kind, strings.NewReader(test.body)), nil
		})
		session, err := Transport{}.Join(t.Context(), s.target(), "room", "")
		status, ok := errors.AsType[*transports.StatusError](err)
		if session != nil || !ok || !strings.Contains(err.Error(), test.says) || status.Step(transports.Handshake) != test.step {
			t.Errorf("%s: %v, want %q and step %d", name, err, test.says, test.step)
		}
	}
	for _, kind := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream ; charset=\"UTF-8\""} {
		if err := CheckAnswer(answer(200, kind, strings.NewReader(""))); err != nil {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// The context of Join bounds the wait for the answer.
func TestJoinLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		limit := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, limit)
		defer cancel()
		if _, err := (Transport{}).Join(ctx, s.target(), "room", ""); !errors.Is(err, limit) {
			t.Errorf("Join: %v", err)
		}
	})
}

// quietly is a body on which something comes at the given times, and then nothing more until it is closed.
func quietly(t *testing.T, pieces ...string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		for _, piece := range pieces {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			time.Sleep(transports.Heartbeat)
		}
	}()
	t.Cleanup(func() { r.Close() })
	return r
}

// silentServer opens a stream that promises heartbeats, and whose reads end with the request.
func silentServer(body io.ReadCloser) server {
	return func(r *http.Request) (*http.Response, error) {
		context.AfterFunc(r.Context(), func() { body.Close() })
		resp := answer(http.StatusOK, mediaType, body)
		transports.PromiseHeartbeat(resp.Header, transports.Limits{})
		return resp, nil
	}
}

// isSilent reports whether a user has left a server that gave no sign of life.
func isSilent(err error) bool {
	late, ok := errors.AsType[*transports.TimeoutError](err)
	return ok && late.Limit == 2*transports.Heartbeat
}

// A user leaves a server that has missed two heartbeats, and no other one.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := make([]string, 20)
		for i := range beats {
			beats[i] = comment
		}
		for _, pieces := range [][]string{nil, {beginning}, beats} {
			begun := time.Now()
			_, err := read(join(t, silentServer(quietly(t, pieces...)), ""))
			if !isSilent(err) {
				t.Errorf("a server that falls silent: %v", err)
			}
			last := time.Duration(max(0, len(pieces)-1)) * transports.Heartbeat
			if after := time.Since(begun) - last; after < 2*transports.Heartbeat || after > 3*transports.Heartbeat {
				t.Errorf("the user leaves %v after the last of %d heartbeats, want 2 to 3 of them", after, len(pieces))
			}
		}
	})
}

// A server is not silent while nobody listens: a user may take its time, and so may one that only sends.
func TestSilenceOfTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory.Store)
		session := join(t, silentServer(quietly(t, "data: {\"seq\":7,\"body\":\"one\"}\n\ndata: {\"seq\":8,\"body\":\"two\"}\n\n")), "")
		time.Sleep(10 * transports.Heartbeat)
		n := 0
		var end error
		for _, err := range session.Messages(t.Context()) {
			if err != nil {
				end = err
				break
			}
			n++
			time.Sleep(10 * transports.Heartbeat)
		}
		if n != 2 || end == nil {
			t.Errorf("%d messages came, then %v", n, end)
		}

		// With a real server: heartbeats keep a quiet room open for days.
		u := transporttest.Serve(t, Transport{}, store).Join("room", "")
		time.Sleep(48 * time.Hour)
		seqs(t, store, "hello")
		u.Wait(1)
	})
}

// Messages may be left and entered again in a stream, and the heartbeats are watched again.
func TestSilenceAfterABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := join(t, silentServer(quietly(t, "id: 7\ndata: {\"seq\":7,\"body\":\"one\"}\n\n")), "")
		for range session.Messages(t.Context()) {
			break
		}
		time.Sleep(5 * transports.Heartbeat)
		begun := time.Now()
		if _, err := read(session); !isSilent(err) || session.Cursor() != "7" {
			t.Errorf("%v, then the cursor %q", err, session.Cursor())
		}
		if after := time.Since(begun); after < 2*transports.Heartbeat || after > 3*transports.Heartbeat {
			t.Errorf("the user leaves after %v", after)
		}
	})
}
