package transports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pushpull/transports"
)

// canned is a server that gives one answer to the first question, and no more.
type canned struct {
	status int
	next   string
	body   string
	asked  int
}

var errNoMore = errors.New("nobody is there any more")

func (c *canned) RoundTrip(*http.Request) (*http.Response, error) {
	if c.asked++; c.asked > 1 {
		return nil, errNoMore
	}
	header := http.Header{}
	if c.next != "" {
		header.Set(transports.NextCursor, c.next)
	}
	status := fmt.Sprint(c.status, " ", http.StatusText(c.status))
	return &http.Response{StatusCode: c.status, Status: status, Header: header, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// poll reads what the server gives.
func poll(t *testing.T, server *canned) (bodies []string, err error) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "server.test"}
	p := &transports.Poller{Target: transports.Target{Base: base, Wire: server}, Room: "room", Name: "poll"}
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
		"no JSON":                {canned{status: 200, next: "1", body: "<html>"}, "", "reading the answer"},
		"broken off":             {canned{status: 200, next: "1", body: `[{"seq":1,"body":"a"},`}, "", "reading the answer"},
		"an object":              {canned{status: 200, next: "1", body: `{"seq":1,"body":"a"}`}, "", "reading the answer"},
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
	}
}

// FuzzPollAnswer reads any answer as encoding/json does, or tells an error.
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
			t.Fatal("the server has gone, and no error")
		}
		if bad != nil {
			// Leading zeros are read and not refused: nobody writes them.
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
