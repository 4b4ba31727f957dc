package transports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pushpull/transports"
)

// canned is a server that answers the first request, and fails on all others.
type canned struct {
	status int
	next   string
	body   string
	breaks error // of the body, where it would end
	asked  int
	twice  bool // it answers all requests so

	urls   []string
	last   func() error // Err of the context of the last request
	opened int          // bodies that are not closed yet
}

// A cannedBody is the body of a response.
type cannedBody struct {
	io.Reader

	server *canned
}

func (b cannedBody) Close() error {
	b.server.opened--
	return nil
}

var errNoMore = errors.New("the server has gone")

func (c *canned) RoundTrip(req *http.Request) (*http.Response, error) {
	c.urls, c.last = append(c.urls, req.URL.RequestURI()), req.Context().Err
	if c.asked++; c.asked > 1 && !c.twice {
		return nil, errNoMore
	}
	header := http.Header{}
	if c.next != "" {
		header.Set(transports.NextCursor, c.next)
	}
	c.opened++
	var body io.Reader = strings.NewReader(c.body)
	if c.breaks != nil {
		body = io.MultiReader(body, iotest.ErrReader(c.breaks))
	}
	status := fmt.Sprint(c.status, " ", http.StatusText(c.status))
	return &http.Response{StatusCode: c.status, Status: status, Header: header, Body: cannedBody{body, c}}, nil
}

// poll reads the messages of server until it fails.
func poll(t *testing.T, server *canned) (bodies []string, err error) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "server.test"}
	p := &transports.Poller{Sender: transports.Sender{Target: transports.Target{Base: base, HTTP: server}, Room: "room"}, Name: "poll"}
	for m, e := range p.Messages(t.Context()) {
		if err = e; e == nil {
			bodies = append(bodies, string(m.Body))
		}
	}
	return bodies, err
}

func TestPollAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		canned
		bodies string
		says   string
	}{
		"messages":               {canned{status: 200, next: "2", body: `[{"seq":1,"body":"a"},{"seq":2,"body":"\u003cb\u003e"}]`}, "a <b>", errNoMore.Error()},
		"spelled in another way": {canned{status: 200, next: "1", body: ` [ {"body":"a" , "seq":1} ] `}, "a", errNoMore.Error()},
		"no messages":            {canned{status: 204, next: "7"}, "", errNoMore.Error()},
		"an empty array":         {canned{status: 200, next: "7", body: "[]"}, "", errNoMore.Error()},
		"no cursor":              {canned{status: 204}, "", "no usable Next-Cursor header"},
		"a foreign cursor":       {canned{status: 204, next: "s72594_4483"}, "", "is server.test a pushpull server?"},
		"no JSON":                {canned{status: 200, next: "1", body: "<html>"}, "", "reading the response"},
		"broken off":             {canned{status: 200, next: "1", body: `[{"seq":1,"body":"a"},`}, "", "reading the response"},
		"cut after the messages": {canned{status: 200, next: "1", body: `[{"seq":1,"body":"a"}]`, breaks: io.ErrUnexpectedEOF}, "", "reading the response: unexpected EOF"},
		"an object":              {canned{status: 200, next: "1", body: `{"seq":1,"body":"a"}`}, "", "reading the response"},
		"a redirect":             {canned{status: 302}, "", "answered 302 Found"},
		"an error":               {canned{status: 503, body: `{"error":"the store can't be reached"}`}, "", "503 Service Unavailable: the store can't be reached"},
		"a foreign error":        {canned{status: 502, body: "<html>\n" + strings.Repeat("x", 10_000)}, "", `502 Bad Gateway: "<html>\nxxx`},
		"gone without oldest":    {canned{status: 410, body: "{}"}, "", "410 Gone"},
		"gone":                   {canned{status: 410, body: `{"error":"gone","oldest":9}`}, "", "read on with after=8"},
	} {
		bodies, err := poll(t, &test.canned)
		if got := strings.Join(bodies, " "); got != test.bodies {
			t.Errorf("%s: got %q, want %q", name, got, test.bodies)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "polling poll: ") || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, test.says)
		}
		if err != nil && (len(err.Error()) > 500 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: an error of %d bytes, or several lines", name, len(err.Error()))
		}
		if _, gap := errors.AsType[*transports.GapError](err); gap != (name == "gone") {
			t.Errorf("%s: error %v is a gap: %t", name, err, gap)
		}
		if test.opened != 0 {
			t.Errorf("%s: the response is not closed", name)
		}
		if test.last() == nil {
			t.Errorf("%s: the context of the polls has not ended with them", name)
		}
	}
}

// TestPollQueries looks at what is asked for, from no place and from one, and then from the place
// that the response names.
func TestPollQueries(t *testing.T) {
	for _, c := range []struct {
		from  transports.Cursor
		query string
		want  []string
	}{
		{"", "", []string{"/rooms/room/poll", "/rooms/room/poll?after=7"}},
		{"3", "", []string{"/rooms/room/poll?after=3", "/rooms/room/poll?after=7"}},
		{"", "hold=30s", []string{"/rooms/room/poll?hold=30s", "/rooms/room/poll?after=7&hold=30s"}},
		{"3", "hold=30s", []string{"/rooms/room/poll?after=3&hold=30s", "/rooms/room/poll?after=7&hold=30s"}},
	} {
		server := &canned{status: http.StatusNoContent, next: "7"}
		base := &url.URL{Scheme: "http", Host: "server.test"}
		p := &transports.Poller{
			Sender: transports.Sender{Target: transports.Target{Base: base, HTTP: server}, Room: "room"},
			Name:   "poll", From: c.from, Query: c.query,
		}
		for range p.Messages(t.Context()) { // until the server has gone
		}
		if !slices.Equal(server.urls, c.want) {
			t.Errorf("from %q with %q: %q, want %q", c.from, c.query, server.urls, c.want)
		}
	}
}

// TestSendEnds sends a message: its context ends with it, and its response is closed.
func TestSendEnds(t *testing.T) {
	server := &canned{status: http.StatusCreated}
	s := &transports.Sender{Target: transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: server}, Room: "room"}
	s.Send(t.Context(), []byte("a"), func(err error) {
		if err != nil || server.last() != nil {
			t.Errorf("stored: %v, its context: %v", err, server.last())
		}
	})
	if server.last() == nil || server.opened != 0 {
		t.Errorf("after the message its context is %v, and %d responses are open", server.last(), server.opened)
	}
	server = &canned{status: http.StatusCreated, body: `{"seq`, breaks: io.ErrUnexpectedEOF}
	s.Target.HTTP = server
	s.Send(t.Context(), []byte("a"), func(err error) {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a response that breaks off: %v", err)
		}
	})
}

// TestNewRequest compares a request with that of net/http.
func TestNewRequest(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "server.test:80", Path: "/rooms/room/messages"}
	for _, body := range []string{"", "hello"} {
		want, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got := transports.NewRequest(t.Context(), http.MethodPost, u, http.Header{}, []byte(body))
		if got.Method != want.Method || got.Host != want.Host || got.URL.String() != want.URL.String() || got.ContentLength != want.ContentLength ||
			got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor || got.ProtoMinor != want.ProtoMinor {
			t.Errorf("%+v\nwant %+v", got, want)
		}
	}
	if got := transports.NewRequest(t.Context(), http.MethodGet, u, http.Header{}, nil); got.Body != nil {
		t.Errorf("a request without a body has %v", got.Body)
	}
}

// FuzzPollAnswer checks that any response is read as encoding/json reads it, or is an error.
func FuzzPollAnswer(f *testing.F) {
	for _, s := range []string{
		`[{"seq":1,"body":"a"},{"seq":2,"body":"b"}]`, `[{"seq":1,"body":"\u003c"}]`, `[]`, ``, `[`, `[{"seq":1,"body":"a"},]`,
		`[{"seq":18446744073709551615,"body":"a"}]`, `[{"seq":99999999999999999999,"body":"a"}]`, `[{"seq":1,"body":"ü"},{"seq":2,"body":"b"}]`,
		`[{"seq":1,"body":"a"}`, `[{"seq":1,"body":"a"}]]`, `[{"seq":-1,"body":"a"}]`, `[{"seq":,"body":"a"}]`, "[{\"seq\":1,\"body\":\"\xff\"}]", `null`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		var want []struct {
			Seq  uint64
			Body string
		}
		bad := json.Unmarshal([]byte(answer), &want)
		bodies, err := poll(t, &canned{status: http.StatusOK, next: "7", body: answer})
		if err == nil {
			t.Fatal("no error although the server has gone")
		}
		if bad != nil {
			// The fast parser accepts leading zeros, which encoding/json refuses and no server writes.
			if errors.Is(err, errNoMore) && !strings.Contains(answer, `"seq":0`) {
				t.Errorf("%q is read as %q: %v", answer, bodies, bad)
			}
			return
		}
		if !errors.Is(err, errNoMore) || len(bodies) != len(want) {
			t.Fatalf("%q is read as %q, %v, want %v", answer, bodies, err, want)
		}
		for i, m := range want {
			if bodies[i] != m.Body {
				t.Errorf("%q is read as %q, want %v", answer, bodies, want)
			}
		}
	})
}

// An answer that a proxy gives twice must not pass for that to the next request.
func TestMisplacedAnswer(t *testing.T) {
	target := func(server *canned) transports.Target {
		return transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: server}
	}
	for _, server := range []*canned{
		{status: 200, next: "7", body: `[{"seq":7,"body":"again"}]`},
		{status: 200, next: "8", body: `[{"seq":8,"body":"again"}]`},
		{status: 204, next: "7"},
		{status: 201, body: `{"seq":9}`},
	} {
		poller := &transports.Poller{Sender: transports.Sender{Target: target(server), Room: "room"}, Name: "poll", From: "8"}
		for m, err := range poller.Messages(t.Context()) {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d: %q, %v", server.status, m.Body, err)
			}
		}
		if poller.Cursor() != "8" || server.asked != 1 {
			t.Errorf("%d: the user is at %s after %d polls", server.status, poller.Cursor(), server.asked)
		}
	}
	twice := &transports.Sender{Target: target(&canned{status: 201, body: `{"seq":7}`, twice: true}), Room: "room"}
	for i, c := range []struct {
		key       transports.Key
		misplaced bool
	}{{"a", false}, {"a", false}, {"b", true}, {"", true}} {
		twice.SendOnce(t.Context(), []byte("hello"), c.key, func(err error) {
			if errors.Is(err, io.ErrUnexpectedEOF) != c.misplaced {
				t.Errorf("send %d with the key %q is acknowledged as the first one: %v", i, c.key, err)
			}
		})
	}
	server := &canned{status: 200, next: "7", body: "[]"}
	if err := transports.Publish(t.Context(), target(server), "room", []byte("hello"), ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer to a poll passes for an acknowledgement: %v", err)
	}
}
