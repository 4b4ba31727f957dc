package loadgen

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushpull/loadgen/result"
)

// TestSpreadRooms measures servers that share nothing, each with its rooms, whether they are started or run already.
// The members of calibrations are on one server, too. The counters are those of all.
func TestSpreadRooms(t *testing.T) {
	t.Parallel()
	s := small
	s.Users, s.RoomSize, s.Transports = 24, 4, []string{"short-poll@200ms", "long-poll", "websocket"}
	var stats [2]atomic.Int64
	var mu sync.Mutex
	at := map[string]int{} // the server of each room
	var running []*url.URL
	for i := range stats {
		running = append(running, proxiedTo(t, start(t), func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/stats" {
				stats[i].Add(1)
			}
			if parts := strings.Split(r.URL.Path, "/"); len(parts) > 2 && parts[1] == "rooms" {
				mu.Lock()
				defer mu.Unlock()
				if other, ok := at[parts[2]]; ok && other != i {
					t.Errorf("the room %s is on servers %d and %d", parts[2], other, i)
				}
				at[parts[2]] = i
			}
			return false
		}))
	}
	for name, side := range map[string]Side{
		"started": {Command: []string{os.Args[0], "serve"}, Servers: 3, Spread: true},
		"running": {Target: running[0], Others: running[1:], Spread: true},
	} {
		windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{side}})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range windows {
			whole(t, s, w)
			if want := max(side.Servers, len(side.targets())); w.Servers != want {
				t.Errorf("%s, %s: %d servers, want %d", name, w.Transport, w.Servers, want)
			}
			if w.Store == nil || w.Store.Appends < int64(w.Sent)/2 {
				t.Errorf("%s, %s: %d messages, and the stores were written to as in %+v", name, w.Transport, w.Sent, w.Store)
			}
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(at)), func(room string) bool { return strings.Contains(room, "-probe-") }) {
		t.Errorf("the rooms %v are none of a calibration", at)
	}
	for i := range stats {
		if stats[i].Load() == 0 {
			t.Errorf("target %d was not asked for its stats", i)
		}
	}
}

// TestSpreadRoomsOfParts has several generators spread their rooms over the servers as one does: evenly.
func TestSpreadRoomsOfParts(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Users, s.RoomSize, s.Transports = 24, 4, []string{"long-poll"} // in five parts: one has two rooms
	var mu sync.Mutex
	var rooms [2]map[string]bool
	var running []*url.URL
	for i := range rooms {
		rooms[i] = map[string]bool{}
		running = append(running, proxiedTo(t, start(t), func(_ http.ResponseWriter, r *http.Request) bool {
			if parts := strings.Split(r.URL.Path, "/"); len(parts) > 2 && parts[1] == "rooms" {
				mu.Lock()
				defer mu.Unlock()
				rooms[i][parts[2]] = true
			}
			return false
		}))
	}
	side := Side{Target: running[0], Others: running[1:], Spread: true, Team: group{parts: 5}}
	windows, err := run(t.Context(), Options{Scenario: s, Sides: []Side{side}})
	if err != nil || len(windows) != 1 {
		t.Fatalf("%d windows, %v", len(windows), err)
	}
	whole(t, s, windows[0])
	if len(rooms[0]) != 3 || len(rooms[1]) != 3 {
		t.Errorf("the servers have the rooms %v", rooms)
	}
}

// TestOneOfTargetsIsGone measures two running servers, of which one isn't there: nothing can be measured, and the
// reason says why.
func TestOneOfTargetsIsGone(t *testing.T) {
	t.Parallel()
	s := brief()
	s.Transports = []string{"websocket", "long-poll"}
	side := Side{Target: start(t), Others: []*url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}}
	windows := 0
	err := Run(t.Context(), Options{Scenario: s, Sides: []Side{side}}, func(int, *result.Window) error {
		windows++
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "connection refused") || windows > 0 {
		t.Errorf("%d windows, %v", windows, err)
	}
}

// TestProgramAt is the same for servers of the same program, and unknown of others.
func TestProgramAt(t *testing.T) {
	t.Parallel()
	var programs []string
	for range 2 {
		program, err := ProgramAt(t.Context(), start(t), nil)
		if err != nil || program == "" {
			t.Fatalf("%q, %v", program, err)
		}
		programs = append(programs, program)
	}
	if programs[0] != programs[1] {
		t.Errorf("two of this binary run %q", programs)
	}
	none := proxied(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	none.User = url.UserPassword("me", "s3cr3t")
	if program, err := ProgramAt(t.Context(), none, nil); err == nil || program != "" || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%q, %v", program, err)
	}
}
