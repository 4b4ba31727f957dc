package server

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// Connections that say nothing, or never end a head, take every place. After a second, users get in nevertheless, one
// for each of them that is closed, while those that have sent a request keep their places.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	for name, says := range map[string]string{
		"nothing":               "",
		"one byte":              "G",
		"half a head":           "GET /rooms/r/long-poll HTTP/1.1\r\nHost: localhost\r\nX-A: ",
		"half a head of others": "GET /stats HTTP/1.1\r\nHost: localhost\r\nX-A: ",
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
				const most = 10
				sd := begin(t, &Server{Connections: most})
				defer sd.stop()
				dial := func() *client {
					c := sd.connect()
					t.Cleanup(func() { c.Close() })
					return c
				}
				status := func(c *client) int {
					t.Helper()
					c.ask("/healthz")
					resp, err := http.ReadResponse(c.in, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					return resp.StatusCode
				}
				honest := []*client{dial(), dial()}
				for _, c := range honest {
					status(c)
				}
				for range most - len(honest) {
					c := dial()
					go io.WriteString(c, says)
				}
				time.Sleep(leastGrace / 2)
				if got := status(dial()); got != http.StatusServiceUnavailable {
					t.Errorf("a connection beyond the limit is answered %d before the others had time to speak", got)
				}
				time.Sleep(leastGrace)
				for range most - len(honest) {
					if got := status(dial()); got != http.StatusOK {
						t.Errorf("a user is answered %d, and a silent connection keeps its place", got)
					}
				}
				if got := status(dial()); got != http.StatusServiceUnavailable {
					t.Errorf("a connection beyond the limit is answered %d, though all others have spoken", got)
				}
				for _, c := range honest {
					if got := status(c); got != http.StatusOK {
						t.Errorf("a user that was there before is answered %d", got)
					}
				}
			})
		})
	}
}
