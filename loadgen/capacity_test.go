package loadgen

import (
	"os"
	"testing"
)

// TestCapacity holds what can be carried to what is refused: one user more doesn't fit.
func TestCapacity(t *testing.T) {
	for _, transport := range []string{"short-poll@1s", "long-poll", "websocket"} {
		users, limit, most := Capacity(transport)
		if limit == "" {
			if os.Getenv("PUSHPULL_CI") != "" {
				t.Fatal("CI must test what bounds the connections of its machine")
			}
			t.Skip("no limit is known here")
		}
		s := small
		s.RoomSize, s.Transports = 0, []string{transport}
		if s.Users = users; Fit(s) != nil {
			t.Errorf("%s: %d users by %d %s: %v", transport, users, most, limit, Fit(s))
		}
		if s.Users++; Fit(s) == nil {
			t.Errorf("%s: %d users by %d %s, and one more fits", transport, users, most, limit)
		}
	}
}
