package loadgen

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

// The name of a profile's file is safe, whatever the transport is.
func TestProfileFile(t *testing.T) {
	for transport, want := range map[string]string{
		"websocket":              "websocket-round3-server.cpu.pprof",
		"short-poll@5s":          "short-poll@5s-round3-server.cpu.pprof",
		"../../etc/passwd":       "etc-passwd-round3-server.cpu.pprof",
		`C:\x*?"<>|`:             "C--x-------round3-server.cpu.pprof",
		"":                       "transport-round3-server.cpu.pprof",
		"..":                     "transport-round3-server.cpu.pprof",
		"日本\x00\n":               "transport-round3-server.cpu.pprof",
		"-rf":                    "rf-round3-server.cpu.pprof",
		strings.Repeat("x", 300): strings.Repeat("x", 80) + "-round3-server.cpu.pprof",
	} {
		if got := (Profile{Transport: transport, Round: 3, Of: "server", Kind: "cpu"}).File(); got != want {
			t.Errorf("the profile of %.40q is in %q, want %q", transport, got, want)
		}
	}
}

// readable checks that a profile is what go tool pprof reads: gzip of something.
func readable(t *testing.T, p Profile) {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(p.Data))
	if err != nil {
		t.Errorf("%s: %v", p.File(), err)
		return
	}
	if data, err := io.ReadAll(r); err != nil || len(data) < 100 {
		t.Errorf("%s: %d bytes, %v", p.File(), len(data), err)
	}
}

// On a running server only the generator is profiled, and the window says so. A profile that can't be kept
// costs nothing else.
func TestProfileTarget(t *testing.T) {
	s := small
	s.Transports, s.Rounds, s.Duration = []string{"websocket"}, 2, .5
	target := start(t)
	var kept []string
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{{Target: target}}, Profile: func(side int, p Profile) (string, error) {
		readable(t, p)
		if side != 0 {
			t.Errorf("the profile of side %d", side)
		}
		if p.Round == 2 && p.Kind == "cpu" {
			return "", errors.New("no space left on device")
		}
		kept = append(kept, p.File())
		return "profiles/" + p.File(), nil
	}})
	if err != nil || len(windows) != 2 {
		t.Fatalf("%d windows, %v", len(windows), err)
	}
	if want := []string{"websocket-round1-generator.cpu.pprof", "websocket-round1-generator.heap.pprof", "websocket-round2-generator.heap.pprof"}; !slices.Equal(kept, want) {
		t.Errorf("the profiles are %q, want %q", kept, want)
	}
	for _, w := range windows {
		whole(t, s, w)
		if !strings.Contains(w.Unprofiled, "--pprof") || len(w.Profiles) != 3-w.Round {
			t.Errorf("round %d: profiles %q, and %q", w.Round, w.Profiles, w.Unprofiled)
		}
	}
	if !strings.Contains(windows[1].Unprofiled, "keeping a profile: no space left on device") || strings.Contains(windows[1].Unprofiled, "\n") {
		t.Errorf("round 2: %q", windows[1].Unprofiled)
	}
	if row := result.Rows(windows)[0]; len(row.Profiles) != 3 || row.Profiles[0] != "profiles/websocket-round1-generator.cpu.pprof" {
		t.Errorf("the profiles of the row are %q", row.Profiles)
	}
}

// A server that prints no address of profiles, or ends, is an error.
func TestFindProfiles(t *testing.T) {
	for printed, want := range map[string]string{
		"profiles on http://127.0.0.1:6060/debug/pprof/\n": "",
		"ready\n":     `it printed "ready\n" instead of where its profiles are`,
		"":            "does not print where its profiles are",
		"profiles on": "does not print where its profiles are",
	} {
		output, child, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(child, printed)
		child.Close()
		s := &Server{output: output, lines: bufio.NewReader(output)}
		err = s.findProfiles()
		output.Close()
		if want == "" && (err != nil || s.pprof.Port() != "6060") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, %v, want %q", printed, s.pprof, err, want)
		}
	}
}

// What a server answers instead of a profile is an error, and an endless answer is cut off.
func TestFetchProfile(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			http.Error(w, "no such profile", http.StatusNotFound)
		case "/endless":
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		case "/slow":
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	ask := func(ctx context.Context, path string) error {
		at, err := url.Parse(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fetchProfile(ctx, at, 0, "")
		return err
	}
	for path, want := range map[string]string{"/gone": "404 Not Found: no such profile", "/endless": "more than"} {
		if err := ask(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ctx, "/slow"); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt: %v", err)
	}
}
