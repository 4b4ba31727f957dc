package loadgen

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/transports/store/memory"
)

// TestOddStats measures servers whose stats make no sense. It costs the figures of the server, is
// reported, and the result can be written and read.
func TestOddStats(t *testing.T) {
	const idle = `{"process":{"cpu_s":5,"rss_bytes":100000000},"store":{"reads":9}}`
	for name, c := range map[string]struct {
		stats [3]string // at idle and while users join, before and after the measured part
		doubt string    // empty: there is none
		known bool      // whether the window has figures of the server
	}{
		"huge": {
			[3]string{idle, idle, `{"process":{"cpu_s":1e300,"rss_bytes":100000000},"store":{"reads":9}}`},
			"server CPU 1e+300 s can't have been measured in round 1: CPU and memory of the server are left out", false,
		},
		"negative": {
			[3]string{idle, idle, `{"process":{"cpu_s":6,"rss_bytes":-5},"store":{"reads":9}}`},
			"server memory -5 B can't have been measured in round 1: CPU and memory of the server are left out", false,
		},
		"restarted while it is measured": {
			[3]string{idle, idle, `{"process":{"cpu_s":1,"rss_bytes":100000000},"store":{"reads":9}}`},
			"the counters of the server ran back, as if it was started again, in round 1: its CPU, memory and use of the store are left out", false,
		},
		"restarted before": {
			[3]string{idle, `{"process":{"cpu_s":5,"rss_bytes":100000000},"store":{"reads":0}}`, idle},
			"the counters of the server ran back, as if it was started again, in round 1: its CPU, memory and use of the store are left out", false,
		},
		"the same memory for all users": {
			[3]string{`{"process":{"cpu_s":5,"rss_bytes":100000000,"in_use_bytes":3000000},"store":{"reads":9}}`, idle, idle},
			"the server's memory for one more user is left out: it did not grow with them", true,
		},
		"too much memory": {
			[3]string{`{"process":{"cpu_s":5,"rss_bytes":100000000,"in_use_bytes":3000000000000000000},"store":{"reads":9}}`, idle, idle},
			"server memory in use 3e+18 B can't have been measured in round 1: the server's memory for one more user is left out", true,
		},
		"as usual": {[3]string{idle, idle, idle}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := small
			s.Warmup, s.Duration, s.Transports = 0, .1, []string{"websocket"}
			proxy := httputil.NewSingleHostReverseProxy(foreign(t, &memory.Store{}))
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/stats" {
					at := 0
					if !r.URL.Query().Has("in-use") {
						at = int(min(asked.Add(1), 2))
					}
					io.WriteString(w, c.stats[at])
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			t.Cleanup(func() {
				server.Close()
				http.DefaultTransport.(*http.Transport).CloseIdleConnections() // the proxy's
			})
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: base}}})
			if err != nil || len(windows) != 1 {
				t.Fatalf("%d windows, %v", len(windows), err)
			}
			row := result.Rows(windows)[0]
			var odd []string
			for _, d := range row.Doubts {
				if d.Code == "implausible" || d.Code == "memory" {
					odd = append(odd, d.Text)
				}
				if d.Fatal && d.Code == "implausible" {
					t.Errorf("the doubt is fatal: %s", d.Text)
				}
			}
			if got := strings.Join(odd, "\n"); got != c.doubt {
				t.Errorf("doubts %q, want %q", got, c.doubt)
			}
			if known := windows[0].Server != nil && row.Server != nil; known != c.known {
				t.Errorf("the server's figures are known: %t", known)
			}
			dir := t.TempDir()
			w, err := result.Create(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for _, line := range []result.Line{{Run: &result.Run{Schema: result.Schema, Scenario: result.Scenario(s)}}, {Window: &windows[0]}} {
				if err := w.Write(line); err != nil {
					t.Fatal(err)
				}
			}
			res, err := result.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Rows()[0]; !reflect.DeepEqual(got.Doubts, row.Doubts) || !reflect.DeepEqual(got.Server, row.Server) {
				t.Errorf("read back: %+v and %+v, want %+v and %+v", got.Doubts, got.Server, row.Doubts, row.Server)
			}
		})
	}
}
