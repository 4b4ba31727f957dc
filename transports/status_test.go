package transports_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
)

// TestSteps goes through all status codes, also those that nobody has assigned.
func TestSteps(t *testing.T) {
	in := func(ranges ...int) (all []int) { // from, to, from, to, ...
		for i := 0; i < len(ranges); i += 2 {
			for code := ranges[i]; code <= ranges[i+1]; code++ {
				all = append(all, code)
			}
		}
		return all
	}
	never := []int{501, 505, 506, 508, 510, 511} // the server can't do it, or isn't the one that was meant
	failed := slices.DeleteFunc(in(500, 599), func(code int) bool { return slices.Contains(never, code) })
	for _, c := range []struct {
		name    string
		request transports.Request
		want    map[transports.Step][]int // all others: Stop
	}{
		{"poll", transports.Poll, map[transports.Step][]int{
			transports.Proceed: {200, 204},
			transports.Repeat:  {408, 425, 429},
			transports.Rejoin:  append(failed, 421),
			transports.Return:  {404},
		}},
		{"send", transports.Send, map[transports.Step][]int{ // a message that may be stored is never sent again
			transports.Proceed: slices.DeleteFunc(in(200, 299), func(code int) bool { return code == 202 || code == 206 || code == 207 }),
			transports.Repeat:  {408, 421, 425, 429},
		}},
		{"handshake", transports.Handshake, map[transports.Step][]int{
			transports.Proceed: {101},
			transports.Repeat:  {408, 425, 429},
			transports.Rejoin:  append(failed, 421),
			transports.Return:  {404},
		}},
	} {
		for code := 100; code <= 599; code++ {
			want := transports.Stop
			for step, codes := range c.want {
				if slices.Contains(codes, code) {
					want = step
				}
			}
			if got := transports.StepAfter(c.request, code); got != want {
				t.Errorf("a %s after %d: step %d, want %d", c.name, code, got, want)
			}
			later := want
			if code == 413 || code == 503 {
				later = transports.Repeat
			}
			asks := &transports.StatusError{Code: code, RetryAfter: time.Second}
			if got := asks.Step(c.request); got != later {
				t.Errorf("a %s after %d with a Retry-After: step %d, want %d", c.name, code, got, later)
			}
			if limits := code == 429 || code == 503; asks.Limits() != limits {
				t.Errorf("%d limits users: %t", code, asks.Limits())
			}
			if got, want := transports.Spent(code), code == 408 || code == 421; got != want {
				t.Errorf("the connection of a %d is spent: %t", code, got)
			}
		}
		for _, code := range []int{-1, 0, 99, 600, 999} {
			if got := transports.StepAfter(c.request, code); got != transports.Stop {
				t.Errorf("a %s after %d: step %d, want to stop", c.name, code, got)
			}
		}
	}
	if (&transports.StatusError{Code: 503}).Limits() {
		t.Error("a 503 that names no time limits users")
	}
}

// retryAfter returns the wait that an answer with the headers asks for.
func retryAfter(asked, date string) time.Duration {
	resp := &http.Response{StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Header: http.Header{}, Body: http.NoBody}
	if asked != "" {
		resp.Header.Set("Retry-After", asked)
	}
	if date != "" {
		resp.Header.Set("Date", date)
	}
	status, _ := errors.AsType[*transports.StatusError](transports.AnswerError(resp))
	return status.RetryAfter
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const s = time.Second
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, c := range []struct {
			asked, date string
			want        time.Duration
		}{
			{"", "", 0},
			{"0", "", 0},
			{"1", "", s},
			{" 7 ", "", 7 * s},
			{"007", "", 7 * s},
			{"30", "", 30 * s},
			{"31", "", 30 * s},
			{"18446744073709551615", "", 30 * s},
			{"99999999999999999999999", "", 30 * s},
			{"-1", "", 0},
			{"+1", "", 0},
			{"1.5", "", 0},
			{"1e3", "", 0},
			{"soon", "", 0},
			{"1 2", "", 0},
			{at(5 * s), "", 5 * s},
			{at(time.Hour), "", 30 * s},
			{at(0), "", 0},
			{at(-time.Hour), "", 0},
			{at(5 * s), at(2 * s), 3 * s}, // by the server's clock
			{at(-time.Hour), at(-time.Hour - 4*s), 4 * s},
			{at(5 * s), "today", 5 * s},
			{time.Now().Add(5 * s).UTC().Format("Monday, 02-Jan-06 15:04:05 GMT"), "", 5 * s}, // RFC 850
			{time.Now().Add(5 * s).UTC().Format(time.ANSIC), "", 5 * s},
			{"Sun, 31 Feb 2026 00:00:00 GMT", "", 0},
		} {
			if got := retryAfter(c.asked, c.date); got != c.want {
				t.Errorf("Retry-After: %q and Date: %q is %v, want %v", c.asked, c.date, got, c.want)
			}
		}
	})
}

// FuzzRetryAfter checks that no server makes a user wait for longer than the bound, or for less than
// nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "1", "120", "-5", "1.5", "soon", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(s, "")
		f.Add(s, "Fri, 31 Dec 1999 23:59:50 GMT")
	}
	f.Fuzz(func(t *testing.T, asked, date string) {
		if got := retryAfter(asked, date); got < 0 || got > transports.LongestWait {
			t.Errorf("Retry-After: %q and Date: %q is %v", asked, date, got)
		}
	})
}

// TestAnswerErrors looks at what the errors of answers say: what to do, and no secret of an address.
func TestAnswerErrors(t *testing.T) {
	for _, c := range []struct {
		status         int
		location, body string
		want           string
	}{
		{401, "", "", "the server answered 401 Unauthorized (users need credentials that it takes)"},
		{404, "", "<html>", `the server answered 404 Not Found (there is nothing at this address): "<html>"`},
		{503, "", `{"error":"later"}`, "the server answered 503 Service Unavailable: later"},
		{500, "", "", "the server answered 500 Internal Server Error"},
		{418, "/elsewhere", "", "the server answered 418 I'm a teapot"},
		{
			308, "https://joe:secret@chat.test/base/rooms/a/long-poll?token=secret#secret", "",
			`the server answered 308 Permanent Redirect (it redirects to "https://chat.test/base", and users follow no redirect during a run: use that as the target)`,
		},
		{302, ":", "moved", `the server answered 302 Found (it redirects to an unreadable address, and users follow no redirect during a run: use that as the target): "moved"`},
		{303, "", "", "the server answered 303 See Other"},
	} {
		resp := &http.Response{
			StatusCode: c.status, Status: fmt.Sprint(c.status, " ", http.StatusText(c.status)), Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(c.body)),
		}
		if c.location != "" {
			resp.Header.Set("Location", c.location)
		}
		if got := transports.AnswerError(resp).Error(); got != c.want {
			t.Errorf("%d: %q, want %q", c.status, got, c.want)
		}
	}
}

// TestPublishAnswers has answers to a message: it is stored, or it is not known to be.
func TestPublishAnswers(t *testing.T) {
	for status, stored := range map[int]bool{200: true, 201: true, 202: false, 204: true, 302: false, 413: false, 429: false, 502: false} {
		target := transports.Target{Base: &url.URL{Scheme: "http", Host: "server.test"}, HTTP: &canned{status: status}}
		err := transports.Publish(t.Context(), target, "room", []byte("a"), "")
		if got, ok := errors.AsType[*transports.StatusError](err); (err == nil) != stored || ok == stored || ok && got.Code != status {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A limiter answers every second poll with 429, and keeps the times and the limits of all.
type limiter struct {
	begun  time.Time
	asked  []time.Duration
	limits []time.Duration
}

func (l *limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	l.asked = append(l.asked, time.Since(l.begun))
	if limit := transports.LimitOf(req.Context()); limit != nil {
		l.limits = append(l.limits, limit.Limit)
	}
	resp := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{transports.NextCursor: {"7"}}, Body: http.NoBody}
	if len(l.asked)%2 == 0 {
		resp = &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"13"}}, Body: http.NoBody}
	}
	return resp, nil
}

// TestPollAgain reads on after a poll that was refused for now: from the same place, at once, and then
// at the times of the timer as before.
func TestPollAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &limiter{begun: time.Now()}
		base := &url.URL{Scheme: "http", Host: "server.test"}
		p := &transports.Poller{
			Sender: transports.Sender{Target: transports.Target{Base: base, HTTP: server}, Room: "room"},
			Name:   "poll", Every: 10 * time.Second, Hold: 3 * time.Second,
		}
		for range 2 {
			for _, err := range p.Messages(t.Context()) {
				status, _ := errors.AsType[*transports.StatusError](err)
				if status == nil || status.Step(transports.Poll) != transports.Repeat || status.RetryAfter != 13*time.Second || p.Cursor() != "7" {
					t.Fatalf("read on from %q: %v", p.Cursor(), err)
				}
				time.Sleep(status.RetryAfter)
			}
		}
		want := []time.Duration{0, 10 * time.Second, 23 * time.Second, 30 * time.Second}
		if !slices.Equal(server.asked, want) {
			t.Errorf("polled at %v, want %v", server.asked, want)
		}
		if limit := 13 * time.Second; len(server.limits) != 4 || slices.Min(server.limits) != limit || slices.Max(server.limits) != limit {
			t.Errorf("polls have the limits %v, want %v each", server.limits, limit)
		}
	})
}
