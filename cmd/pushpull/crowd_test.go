package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// crowd URL MIN MAX opens connections to a server until one is refused, which must be after MIN to MAX of
// them, with 503 and a reason. Meanwhile all of the others must be able to send, read, and look at pages.
// When they have left, the server must take a connection again.
func cmdCrowd(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "crowd URL MIN MAX")
	u, err := url.Parse(args[0])
	ts.Check(err)
	fewest, err := strconv.Atoi(args[1])
	ts.Check(err)
	most, err := strconv.Atoi(args[2])
	ts.Check(err)
	var crowd []*member
	leave := func() {
		for _, m := range crowd {
			m.Close()
		}
	}
	defer leave()
	refusal := ""
	for len(crowd) <= most && refusal == "" {
		m := newMember(ts, u.Host)
		crowd = append(crowd, m)
		status, body, err := m.ask("GET /healthz", "")
		ts.Check(err)
		if status == http.StatusServiceUnavailable {
			refusal = body
		} else if status != http.StatusOK {
			ts.Fatalf("connection %d got %d %s", len(crowd), status, body)
		}
	}
	if served := len(crowd) - 1; refusal == "" || served < fewest {
		ts.Fatalf("%d connections are served, want %d to %d", served, fewest, most)
	}
	if !strings.Contains(refusal, ": try again later, or ") {
		ts.Fatalf("the refusal doesn't say what to do: %s", refusal)
	}
	for i, m := range crowd[:len(crowd)-1] {
		room := fmt.Sprintf("/rooms/crowd-%d/", i)
		for _, step := range []struct {
			request, body string
			status        int
		}{
			{"POST " + room + "messages", "hello", http.StatusCreated},
			{"GET " + room + "long-poll", "", http.StatusOK},
			{"GET /results", "", http.StatusOK},
			{"GET /page/style.css", "", http.StatusOK},
			{"GET /stats?rooms=0", "", http.StatusOK},
		} {
			status, body, err := m.ask(step.request, step.body)
			ts.Check(err)
			if status != step.status {
				ts.Fatalf("connection %d: %s got %d %s", i+1, step.request, status, body)
			}
		}
	}
	leave()
	for deadline := time.Now().Add(scriptTimeout); ; { // the server notices only after a while that they left
		m := newMember(ts, u.Host)
		status, body, err := m.ask("GET /healthz", "")
		m.Close()
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("after the others had left, a connection got %d %s (%v)", status, body, err)
		}
	}
}

// A member of a crowd is one connection.
type member struct {
	net.Conn
	in *bufio.Reader
}

func newMember(ts *testscript.TestScript, host string) *member {
	c, err := net.Dial("tcp", host)
	ts.Check(err)
	ts.Check(c.SetDeadline(time.Now().Add(scriptTimeout)))
	return &member{c, bufio.NewReader(c)}
}

func (m *member) ask(request, body string) (status int, answer string, err error) {
	fmt.Fprintf(m, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", request, len(body), body)
	resp, err := http.ReadResponse(m.in, nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}
