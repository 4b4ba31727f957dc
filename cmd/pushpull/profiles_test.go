package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushpull/loadgen"
)

// Profiles are on loopback unless the address says otherwise.
func TestProfilesAddress(t *testing.T) {
	for address, want := range map[string]string{
		"6060":           "127.0.0.1:6060",
		"0":              "127.0.0.1:0",
		":6060":          "127.0.0.1:6060",
		"127.0.0.1:6060": "127.0.0.1:6060",
		"0.0.0.0:6060":   "0.0.0.0:6060",
		"[::1]:6060":     "[::1]:6060",
	} {
		if got, err := profilesAddress(address); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", address, got, err, want)
		}
	}
	for _, address := range []string{"", "localhost", "70000", "here:there", "-1", "1.5"} {
		if got, err := profilesAddress(address); err == nil || !strings.Contains(err.Error(), "write it like 6060 or 127.0.0.1:6060") {
			t.Errorf("%q is %q, %v", address, got, err)
		}
	}
}

// Profiles are served to this machine alone, without the arguments of the process, and no longer once the
// server has stopped.
func TestServeProfiles(t *testing.T) {
	at, stop, err := serveProfiles("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, host string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		status, _, err := ask(req)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for path, want := range map[string]int{"": 200, "heap": 200, "goroutine": 200, "nothing": 404, "cmdline": 404} {
		if got := get(path, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if got := get("heap", "evil.example"); got != http.StatusMisdirectedRequest {
		t.Errorf("a page of another site reads the heap: %d", got)
	}
	stop()
	if resp, err := http.Get(at); err == nil {
		resp.Body.Close()
		t.Error("profiles are served after the end")
	}
}

// A profile never replaces a file. Where none can be written, the error says so and leaves no part of one.
func TestKeepProfile(t *testing.T) {
	r := &recorder{dir: t.TempDir()}
	for i, want := range []string{"a-b-round1-server.cpu.pprof", "a-b-round1-server.cpu-2.pprof", "a-b-round1-server.cpu-3.pprof"} {
		p := loadgen.Profile{Transport: []string{"a/b", "a:b", "a b"}[i], Round: 1, Of: "server", Kind: "cpu", Data: []byte{byte(i)}}
		file, err := r.keepProfile(p)
		if err != nil || file != "profiles/"+want {
			t.Fatalf("%q, %v, want profiles/%s", file, err, want)
		}
		if data, err := os.ReadFile(filepath.Join(r.dir, file)); err != nil || len(data) != 1 || data[0] != byte(i) {
			t.Errorf("%s: %v, %v", file, data, err)
		}
	}
	blocked := &recorder{dir: filepath.Join(t.TempDir(), "file")}
	if err := os.WriteFile(blocked.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if file, err := blocked.keepProfile(loadgen.Profile{}); err == nil {
		t.Errorf("a profile is kept in %s, below a file", file)
	}
}
