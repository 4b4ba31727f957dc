package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHop sends requests through a proxy that passes them on, that makes them twice, and that sends their answers twice.
func TestHop(t *testing.T) {
	var posts atomic.Int32
	paths := http.NewServeMux()
	paths.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %d", body, posts.Add(1))
	})
	paths.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	paths.HandleFunc("GET /upgrade", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nready")
	})
	server := httptest.NewServer(paths)
	defer server.Close()
	hop, err := start(t).Hop(t.Context(), server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// say sends a request on a connection of its own, and returns what comes until want has come, or a second has passed.
	say := func(request, want string) string {
		t.Helper()
		conn, err := net.Dial("tcp", hop.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(conn, request)
		var got strings.Builder
		for in := bufio.NewReader(conn); !strings.HasSuffix(got.String(), want); {
			b, err := in.ReadByte()
			if err != nil {
				t.Errorf("%q, then %v; want %q at its end", got.String(), err, want)
				break
			}
			got.WriteByte(b)
		}
		return got.String()
	}
	post := "POST / HTTP/1.1\r\nHost: server.test\r\nContent-Length: 5\r\n\r\nhello"
	for _, c := range []struct {
		trick Trick
		want  string // the end of the answer to a POST
		times int
	}{{None, "hello 1", 1}, {Retry, "hello 3", 1}, {Twice, "hello 4", 2}, {None, "hello 5", 1}} {
		if err := hop.Play(t.Context(), c.trick); err != nil {
			t.Fatal(err)
		}
		got := say(post, c.want)
		if c.times == 2 {
			got = say(post, "hello 5HTTP/1.1 201 Created\r\n"+got[strings.Index(got, "\r\n")+2:len(got)-1]+"5")
			posts.Add(-1)
		}
		if n := strings.Count(got, "HTTP/1.1 201 Created"); n != c.times {
			t.Errorf("%q: %d answers: %q", c.trick, n, got)
		}
		if got := say("GET /stream HTTP/1.1\r\nHost: server.test\r\n\r\n", "first\r\n"); !strings.Contains(got, "200 OK") {
			t.Errorf("%q: a stream: %q", c.trick, got)
		}
		if got := say("GET /upgrade HTTP/1.1\r\nHost: server.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", "ready"); strings.Count(got, "101") != 1 {
			t.Errorf("%q: an upgrade: %q", c.trick, got)
		}
	}
	other := *hop
	other.control += "0"
	if err := other.Play(t.Context(), Retry); err == nil || !strings.Contains(err.Error(), "there is no such hop") {
		t.Error(err)
	}
}
