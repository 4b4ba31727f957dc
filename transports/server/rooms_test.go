package server

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
				if _, err := store.Append(t.Context(), fmt.Sprint(i), nil, ""); errors.Is(err, transports.ErrFull) {
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

// TestIdleRooms frees the places of rooms that nobody uses. Those that are written to, read or watched keep
// theirs, so a message to them is never one too many.
func TestIdleRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 8 * time.Minute
		kept := &memory.Store{Idle: 100 * time.Hour}
		defer kept.Close()
		store := &countingStore{Store: kept, rooms: rooms{most: 4, idle: idle, watched: watchesOf(kept)}}
		defer store.rooms.sweeping()()
		send := func(room string) error {
			_, err := store.Append(t.Context(), room, nil, "")
			return err
		}
		for _, room := range []string{"idle", "written", "read", "watched"} {
			if err := send(room); err != nil {
				t.Fatal(err)
			}
		}
		_, stop := store.Watch("watched")
		defer stop()
		for begun := time.Now(); time.Since(begun) < 10*idle; {
			full := time.Since(begun) < idle
			if err := send("another"); full && !errors.Is(err, transports.ErrFull) {
				t.Fatalf("after %v a room is admitted beyond the limit: %v", time.Since(begun), err)
			} else if time.Since(begun) > idle+idle/8 && err != nil {
				t.Fatalf("after %v the place of the idle room is not free: %v", time.Since(begun), err)
			}
			time.Sleep(idle / 4)
			if err := send("written"); err != nil {
				t.Fatal(err)
			}
			if _, err := store.After(t.Context(), "read", 0, 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, room := range []string{"written", "read", "watched", "another"} {
			if err := send(room); err != nil {
				t.Errorf("the room %s has lost its place: %v", room, err)
			}
		}
		if err := send("idle"); !errors.Is(err, transports.ErrFull) {
			t.Errorf("a fifth room: %v", err)
		}
	})
}

// TestRoomsOnTheWay counts the rooms that are sent to while they leave: their number is right in the end.
func TestRoomsOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rooms{most: 1000, idle: 8}
		stop := r.sweeping()
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() {
				for i := range 2000 {
					if err := r.admit(fmt.Sprint(i % (5 + c))); err != nil {
						t.Error(err)
					}
					if i%10 == 0 {
						time.Sleep(time.Duration(i % 30))
					}
				}
			})
		}
		clients.Wait()
		time.Sleep(100 * time.Nanosecond) // a sweep follows in each
		stop()
		left := 0
		r.known.Range(func(any, any) bool { left++; return true })
		if left != 0 || r.n != 0 {
			t.Errorf("%d rooms are left, and %d are counted", left, r.n)
		}
	})
}

// TestServerFreesRooms sends to more rooms than the server admits, one after the other has left. A room in
// which a user waits stays for as long.
func TestServerFreesRooms(t *testing.T) {
	withServer(t, &Server{Rooms: 2, RoomIdle: time.Minute, Limits: transports.Limits{Hold: time.Hour}}, func(t *testing.T, sd *served) {
		post := func(room string, want int) {
			t.Helper()
			if resp, body := sd.do("POST", "/rooms/"+room+"/messages", "hello", ""); resp.StatusCode != want {
				t.Errorf("a message to room %s: %s %s, want %d", room, resp.Status, body, want)
			}
		}
		post("held", 201)
		post("idle", 201)
		defer sd.hold("/rooms/held/long-poll?after=1&hold=1h")()
		post("another", 507)
		time.Sleep(2*time.Minute + time.Second) // and connections that were idle are closed
		post("another", 201)
		post("idle", 507)
		post("held", 201)
	})
}
