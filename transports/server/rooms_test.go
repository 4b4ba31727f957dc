package server

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// TestRooms refuses messages to one room too many, on the transports that send by POST and by frame. The
// other rooms go on, and reading takes no room.
func TestRooms(t *testing.T) {
	sd := onLoopback(t, &Server{Rooms: 2})
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/rooms/read/short-poll", 204},
		{"POST", "/rooms/a/messages", 201},
		{"POST", "/rooms/b/messages", 201},
		{"POST", "/rooms/c/messages", 507},
		{"POST", "/rooms/c/messages", 507},
		{"GET", "/rooms/c/short-poll", 204},
		{"POST", "/rooms/a/messages", 201},
	} {
		resp, body := sd.do(tc.method, tc.path, "hello", "")
		if resp.StatusCode != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, resp.StatusCode, body, tc.status)
		}
	}
}

// TestRoomsByDefault counts the rooms that are refused when many clients make them at once.
func TestRoomsByDefault(t *testing.T) {
	store := &countingStore{Store: new(memory.Store)}
	var refused atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := range 50_010 {
				if _, err := store.Append(t.Context(), fmt.Sprint(i), nil); errors.Is(err, transports.ErrFull) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	if n := refused.Load(); n != 8*10 {
		t.Errorf("%d messages are refused, want 10 of each client", n)
	}
}
