package loadgen

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestFloodedUsers measures servers that send every user an answer, an event or a frame without end, slowly enough
// to stay within the limits of time. The window ends with an error once the users take more than their memory.
func TestFloodedUsers(t *testing.T) { // not parallel, as it looks at the memory of the process
	const most = 24 << 20
	for transport, head := range map[string]string{
		"short-poll@50ms": "HTTP/1.1 200 OK\r\nNext-Cursor: 1\r\n\r\n[{\"seq\":1,\"body\":\"",
		"sse":             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ",
	} {
		t.Run(transport, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusCreated)
					return
				}
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				part := strings.Repeat("x", 64<<10)
				for _, err := io.WriteString(c, head); err == nil; _, err = io.WriteString(c, part) {
					time.Sleep(time.Millisecond)
				}
			}))
			defer server.Close()
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			s := small
			s.Users, s.Warmup, s.Duration, s.Rate, s.Transports = 20, 0, 20, .1, []string{transport}
			w, err := aWindow(s, transport, NewPlan(s, 1))
			if err != nil {
				t.Fatal(err)
			}
			w.mostMemory = most
			begun := time.Now()
			if _, err = w.measure(t.Context(), []*url.URL{base}); !errors.Is(err, errFlooded) || !strings.Contains(err.Error(), "more than 24 MB: is it a chat server?") {
				t.Errorf("the window ended with %v", err)
			}
			t.Logf("ended after %v with %d MB on the heap", time.Since(begun), heap()>>20)
			if limit := int64(400 << 20); heap() > limit { // 20 users, and as many answers, of up to 16 MB
				t.Errorf("%d MB are on the heap", heap()>>20)
			}
		})
	}
}
