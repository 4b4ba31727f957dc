package server

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pushpull/transports"
	"pushpull/transports/all"
)

// errorIn returns the error in the body of a response, which must be one line of JSON.
func errorIn(t *testing.T, body string) string {
	t.Helper()
	var e struct{ Error string }
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error == "" || strings.Count(body, "\n") != 1 {
		t.Errorf("not one line of JSON with an error: %q", body)
	}
	return e.Error
}

func TestRoutes(t *testing.T) {
	sd := onLoopback(t, &Server{Limits: transports.Limits{MessageBytes: 10, Batch: 2}})
	long := strings.Repeat("r", maxRoom)
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string // in the body, or in its error if status is one
	}{
		{"POST", "/rooms/a/messages", "one", 201, `{"seq":1}`},
		{"POST", "/rooms/a/messages", "two", 201, `{"seq":2}`},
		{"POST", "/rooms/a/messages", "0123456789", 201, `{"seq":3}`},
		{"GET", "/rooms/a/short-poll", "", 200, `[{"seq":1,"body":"one"},{"seq":2,"body":"two"}]`},
		{"GET", "/rooms/a/long-poll?after=2", "", 200, `[{"seq":3,"body":"0123456789"}]`},
		{"GET", "/rooms/a/short-poll?after=3", "", 204, ""},
		{"GET", "/rooms/" + long + "/short-poll", "", 204, ""},
		{"GET", "/rooms/A.b-c_0/short-poll", "", 204, ""},
		{"GET", "/rooms/.../short-poll", "", 204, ""},
		{"GET", "/healthz", "", 200, "ok\n"},
		{"GET", "/rooms/a/short-poll?after=3&user=Mary%20%C3%84", "", 204, ""},

		{"POST", "/rooms/a/messages", "0123456789x", 413, "--max-message"},
		{"POST", "/rooms/a/messages", "\xff", 400, "not UTF-8"},
		{"GET", "/rooms/a/websocket", "", 426, "Upgrade: websocket"},
		{"GET", "/rooms/a/pigeon", "", 404, "use " + strings.Join(slices.Sorted(slices.Values(all.Names())), ", ")},
		{"GET", "/rooms/a", "", 404, "use /rooms/{room}/messages"},
		{"GET", "/rooms", "", 404, "use /rooms/{room}/messages"},
		{"GET", "/nope", "", 404, `unknown path "/nope"`},
		{"GET", "/", "", 404, `unknown path "/"`},
		{"GET", "/page/style.css", "", 404, "unknown path"},
		{"GET", "/results/", "", 404, "unknown path"},
		{"GET", "/rooms/a/short-poll/", "", 404, "unknown path"},
		{"GET", "/rooms/a/messages", "", 405, "use POST"},
		{"DELETE", "/rooms/a/messages", "", 405, "use POST"},
		{"POST", "/rooms/a/long-poll", "x", 405, "use GET"},
		{"POST", "/stats", "x", 405, "use GET"},

		{"POST", "/rooms/a%2fb/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms/a%2f/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms//messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms//", "x", 400, "a room has 1 to 128"},
		{"GET", "//", "", 400, "a room has 1 to 128"},
		{"POST", "/rooms/%2e%2e/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms/a%20b/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms/a%00/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms/%C3%A4/messages", "x", 400, "a room has 1 to 128"},
		{"POST", "/rooms/" + long + "r/messages", "x", 400, "a room has 1 to 128"},
		{"GET", "/rooms/" + long + "r/short-poll", "", 400, "a room has 1 to 128"},
		{"GET", "/rooms/a%2fb/websocket", "", 400, "a room has 1 to 128"},
	} {
		t.Run(tc.method+" "+tc.path[:min(40, len(tc.path))], func(t *testing.T) {
			sd.t = t
			resp, body := sd.do(tc.method, tc.path, tc.body, "")
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.status, body)
			}
			said := body
			if tc.status >= 400 {
				said = errorIn(t, body)
			}
			if !strings.Contains(said, tc.want) {
				t.Errorf("body %q, want %q", said, tc.want)
			}
			if tc.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestPages(t *testing.T) {
	s := &Server{Limits: transports.Limits{Origins: []string{"https://chat.example"}}}
	s.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, r.Method+" "+r.URL.Path)
	})
	sd := onLoopback(t, s)
	for _, path := range []string{"/", "/page/", "/page/style.css", "/results", "/results/", "/results/a/b.html"} {
		for _, method := range []string{"GET", "POST"} {
			resp, body := sd.do(method, path, "", "Origin: https://chat.example")
			if resp.StatusCode != http.StatusTeapot || body != method+" "+path {
				t.Errorf("%s %s: %s %s", method, path, resp.Status, body)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "https://chat.example" {
				t.Errorf("%s %s can't be read by an allowed origin", method, path)
			}
		}
		if resp, _ := sd.do("POST", path, "", "Origin: https://evil.example"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s by another origin: %s", path, resp.Status)
		}
	}
	for path, status := range map[string]int{
		"/pages": 404, "/resultsx": 404, "/live": 404, "/page//": 400, "/results/../x": 400, "/healthz": 200,
	} {
		if resp, body := sd.do("GET", path, "", ""); resp.StatusCode != status {
			t.Errorf("GET %s: %s %s", path, resp.Status, body)
		}
	}
}

func TestRoutesOfEveryTransport(t *testing.T) {
	sd := onLoopback(t, &Server{})
	for _, name := range all.Names() {
		for _, query := range []string{"after=x", "user="} {
			if resp, body := sd.do("GET", "/rooms/a/"+name+"?"+query, "", ""); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s?%s: %s %s", name, query, resp.Status, body)
			}
		}
	}
}

func TestHeadersTooLarge(t *testing.T) {
	sd := onLoopback(t, &Server{HeaderBytes: 1 << 10})
	if resp, _ := sd.do("GET", "/healthz", "", "X: "+strings.Repeat("x", 500)); resp.StatusCode != http.StatusOK {
		t.Error("small headers:", resp.Status)
	}
	if resp, _ := sd.do("GET", "/healthz", "", "X: "+strings.Repeat("x", 20<<10)); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error("large headers:", resp.Status)
	}
}

func TestCrossOrigin(t *testing.T) {
	sd := onLoopback(t, &Server{Limits: transports.Limits{Origins: []string{"https://chat.example"}}})
	for origin, status := range map[string]int{
		"":                        http.StatusCreated, // no browser
		sd.base:                   http.StatusCreated,
		"https://chat.example":    http.StatusCreated,
		"https://evil.example":    http.StatusForbidden,
		"http://chat.example":     http.StatusForbidden,
		"https://chat.example:81": http.StatusForbidden,
	} {
		resp, body := sd.do("POST", "/rooms/a/messages", "x", "Origin: "+origin)
		if resp.StatusCode != status {
			t.Errorf("origin %q: %s %s", origin, resp.Status, body)
		}
		if status == http.StatusForbidden && !strings.Contains(errorIn(t, body), "--allow-origin") {
			t.Errorf("origin %q: %s", origin, body)
		}
	}
	if n := sd.stats().Store.Appends; n != 3 {
		t.Errorf("%d messages stored, want 3", n)
	}
	if resp, _ := sd.do("GET", "/rooms/a/short-poll", "", "Origin: https://evil.example"); resp.StatusCode != http.StatusOK {
		t.Error("reading is refused:", resp.Status)
	}
}

func TestPagesOfAllowedOriginsReadAnswers(t *testing.T) {
	sd := onLoopback(t, &Server{Limits: transports.Limits{Origins: []string{"https://chat.example"}}})
	for _, c := range []struct {
		method, path, origin string
		status               int
		readable             string
	}{
		{"GET", "/rooms/a/short-poll", "https://chat.example", http.StatusNoContent, "https://chat.example"},
		{"GET", "/rooms/a/short-poll", "https://evil.example", http.StatusNoContent, ""},
		{"OPTIONS", "/rooms/a/messages", "https://chat.example", http.StatusNoContent, "https://chat.example"},
		{"OPTIONS", "/rooms/a/messages", "https://evil.example", http.StatusMethodNotAllowed, ""},
	} {
		resp, _ := sd.do(c.method, c.path, "", "Origin: "+c.origin)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != c.status || got != c.readable {
			t.Errorf("%s for %s: %s, readable by %q, want %d and %q", c.method, c.origin, resp.Status, got, c.status, c.readable)
		}
	}
}

func TestMetrics(t *testing.T) {
	sd := onLoopback(t, &Server{})
	lines := func() []string {
		_, body := sd.do("GET", "/metrics", "", "")
		return strings.Split(body, "\n")
	}
	has := func(want ...string) {
		t.Helper()
		got := lines()
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("no line %q in\n%s", w, strings.Join(got, "\n"))
			}
		}
	}
	has("pushpull_store_appends_total 0", "pushpull_connections 1")
	sd.do("POST", "/rooms/a/messages", "x", "")
	sd.do("GET", "/rooms/a/short-poll", "", "")
	sd.do("GET", "/rooms/a/short-poll?after=1", "", "")
	sd.do("GET", "/rooms/a/short-poll?after=9", "", "") // a gap is a read, but not an empty one
	has(
		"pushpull_store_appends_total 1", "pushpull_store_reads_total 3", "pushpull_store_empty_reads_total 1",
		"pushpull_refused_connections_total 0", "pushpull_cut_off_connections_total 0",
		`pushpull_connected_users{room="a",transport="short-poll"} 1`,
	)
	sd.do("GET", "/rooms/b/short-poll", "", "")
	has(`pushpull_connected_users{room="b",transport="short-poll"} 1`)
	for _, line := range lines() {
		if strings.Contains(line, `room="a"`) {
			t.Errorf("a room that everyone has left still has %s", line)
		}
	}
	sd.do("GET", "/rooms/b/short-poll?user=Mary", "", "")
	sd.do("GET", "/rooms/b/short-poll?user=John", "", "")
	has(`pushpull_connected_users{room="b",transport="short-poll"} 2`)
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "process_cpu_seconds_total "} {
		if !slices.ContainsFunc(lines(), func(l string) bool { return strings.HasPrefix(l, name) }) {
			t.Errorf("no %s", name)
		}
	}
}
