package loadgen

import (
	"os"
	"testing"

	"pushpull/loadgen/network"
	"pushpull/transports/all"
)

// TestConnectionLimit checks that the number of users that Limit.Users returns fits, and one more
// doesn't.
func TestConnectionLimit(t *testing.T) {
	limit := ConnectionLimit()
	if limit.Of == "" {
		if os.Getenv("PUSHPULL_CI") != "" {
			t.Fatal("CI must test the limit of its machine, and none is known")
		}
		t.Skip("no limit is known here")
	}
	for _, transport := range all.Names() {
		s := small
		s.RoomSize, s.Transports = 0, []string{transport}
		s.Users = limit.Users(transport)
		if err := CheckLimits(s); err != nil {
			t.Errorf("%s: %d users by %d %s: %v", transport, s.Users, limit.Most, limit.Of, err)
		}
		s.Users++
		if far := s; limit.Of == openFiles {
			far.Users, far.Network = limit.Users(transport)/2, network.Profile{RTTS: .1}
			if err := CheckLimits(far); err != nil {
				t.Errorf("%s: %d users through a relay: %v", transport, far.Users, err)
			}
			if far.Users++; CheckLimits(far) == nil {
				t.Errorf("%s: %d users through a relay fit", transport, far.Users)
			}
		}
		if CheckLimits(s) == nil {
			t.Errorf("%s: %d users by %d %s, and one more fits", transport, s.Users-1, limit.Most, limit.Of)
		}
	}
}

// A user that never sends needs a connection to read on, and none beside it.
func TestConnectionsOfReaders(t *testing.T) {
	s := small
	s.Users, s.RoomSize, s.Senders = 1000, 10, 1
	for transport, want := range map[string]int{"short-poll@1s": 1100, "sse": 1100, "websocket": 1000, "other/long-poll": 2000} {
		if s.Transports = []string{transport}; Connections(s) != want {
			t.Errorf("%s: %d connections, want %d", transport, Connections(s), want)
		}
	}
}

// TestLimitWindows has room for so many windows, and for one in any case.
func TestLimitWindows(t *testing.T) {
	s := Scenario{Users: 20, RoomSize: 4, Transports: []string{"sse"}} // 40 connections, and as many files as are reserved
	for most, want := range map[int]int{0: 1, 100: 1, 64 + 3*104: 3, 64 + 4*104 - 1: 3} {
		if got := (Limit{Of: openFiles, Most: most}).Windows(s); got != want {
			t.Errorf("%d files are enough for %d windows, want %d", most, got, want)
		}
	}
	if got := (Limit{}).Windows(s); got < 1000 {
		t.Errorf("without a limit there are %d windows", got)
	}
}
