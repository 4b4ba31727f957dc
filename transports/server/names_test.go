package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports/store/memory"
)

func TestUserIn(t *testing.T) {
	for query, want := range map[string]string{
		"":                                     "",
		"after=7&hold=30s":                     "",
		"superuser=x":                          "",
		"user=Mary":                            "Mary",
		"after=7&user=Mary":                    "Mary",
		"user=M%C3%A4ry+Ann%20%3Cb%3E":         "Märy Ann <b>",
		"user=" + strings.Repeat("%C3%A4", 64): strings.Repeat("ä", 64),
	} {
		if user, ok := userIn(query); user != want || !ok {
			t.Errorf("%q: %q, %v, want %q", query, user, ok, want)
		}
	}
	for _, query := range []string{
		"user=", "after=7&user=", "user=%0a", "user=a%00", "user=%ff", "user=%E2%80%AE", "user=%zz", "user=a;b",
		"user=" + strings.Repeat("a", 65),
	} {
		if user, ok := userIn(query); ok {
			t.Errorf("%q: %q is a user", query, user)
		}
	}
}

// inCrowd tests in virtual time with a server of every transport.
func inCrowd(t *testing.T, s *Server, test func(*testing.T, *served)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, s)
		defer sd.stop()
		test(t, sd)
	})
}

// are wants names to be connected to a transport by room, like "a: John Mary", and users of it all.
func (sd *served) are(transport string, users int, names ...string) {
	sd.t.Helper()
	synctest.Wait()
	want := make(map[string][]string)
	for _, room := range names {
		room, users, _ := strings.Cut(room, ": ")
		want[room] = strings.Fields(users)
	}
	got := sd.stats().Connected[transport]
	inRooms := 0
	for _, n := range got.Rooms {
		inRooms += n
	}
	if got.Users != users || inRooms != users || len(got.Names)+len(want) > 0 && !reflect.DeepEqual(got.Names, want) {
		sd.t.Errorf("%s: %+v, want %d users and names %v", transport, got, users, want)
	}
}

// hold asks in a goroutine; hangUp leaves before there is an answer.
func (sd *served) hold(path string) (hangUp func()) {
	ctx, cancel := context.WithCancel(sd.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sd.base+path, nil)
	if err != nil {
		sd.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := sd.client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

func TestShortPollUserLingers(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.are("short-poll", 1, "a: Mary")
		time.Sleep(10 * time.Second)
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		time.Sleep(lingerPolling - time.Nanosecond)
		sd.are("short-poll", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.are("short-poll", 0)
		if _, ok := sd.stats().Connected["short-poll"]; !ok {
			t.Error("a transport that has had users is not told")
		}
	})
}

func TestLongPollUserIsThereWhileHeld(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		hangUp := sd.hold("/rooms/a/long-poll?user=Mary")
		time.Sleep(20 * time.Second)
		sd.are("long-poll", 1, "a: Mary")
		hangUp()
		time.Sleep(linger - time.Nanosecond)
		sd.are("long-poll", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.are("long-poll", 0)
	})
}

func TestWebSocketUser(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		socket, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(socket, "GET /rooms/a/websocket?user=Mary HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(socket), nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		time.Sleep(time.Minute)
		sd.are("websocket", 1, "a: Mary")
		socket.Close()
		time.Sleep(linger - time.Nanosecond)
		sd.are("websocket", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.are("websocket", 0)
	})
}

func TestNameCountsOnceInARoom(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		first, second := sd.hold("/rooms/a/long-poll?user=Mary"), sd.hold("/rooms/a/long-poll?user=Mary")
		defer sd.hold("/rooms/b/long-poll?user=Mary")()
		defer sd.hold("/rooms/a/long-poll?user=John")()
		sd.are("long-poll", 3, "a: John Mary", "b: Mary")
		first()
		time.Sleep(linger)
		sd.are("long-poll", 3, "a: John Mary", "b: Mary")
		second()
		again := sd.hold("/rooms/a/long-poll?user=Mary") // is there for good
		time.Sleep(linger)
		sd.are("long-poll", 3, "a: John Mary", "b: Mary")
		again()
		time.Sleep(linger)
		sd.are("long-poll", 2, "a: John", "b: Mary")
	})
}

// TestLingersApart wants who leaves early to be forgotten first, behind whom it may be.
func TestLingersApart(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.do("GET", "/rooms/a/short-poll?user=John", "", "")
		time.Sleep(time.Second)
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.do("GET", "/rooms/b/long-poll-scan?hold=0s&user=Ann", "", "")
		time.Sleep(linger)
		sd.are("long-poll-scan", 0)
		sd.are("short-poll", 2, "a: John Mary")
		time.Sleep(lingerPolling - time.Second - linger)
		sd.are("short-poll", 1, "a: Mary")
		time.Sleep(time.Second)
		sd.are("short-poll", 0)
	})
}

func TestNamedAndUnnamedTogether(t *testing.T) {
	inCrowd(t, &Server{}, func(t *testing.T, sd *served) {
		conn, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		ask := func(path string) {
			t.Helper()
			if _, err := conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		sd.do("GET", "/rooms/a/short-poll", "", "")
		ask("/rooms/a/short-poll")
		sd.are("short-poll", 2)
		ask("/rooms/a/short-poll?user=Mary") // the same connection
		sd.are("short-poll", 2, "a: Mary")
		ask("/rooms/b/short-poll")
		sd.are("short-poll", 3, "a: Mary")
		ask("/rooms/b/short-poll?user=%00") // is refused and moves nobody
		sd.are("short-poll", 3, "a: Mary")
		if got := sd.stats().Connected["short-poll"].Rooms; got["a"] != 2 || got["b"] != 1 {
			t.Errorf("rooms %v", got)
		}
		_, body := sd.do("GET", "/stats?rooms=0", "", "")
		if want := `"connected":{"short-poll":{"users":3,"names":{"a":["Mary"]}}}`; !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	})
}

func TestNoMoreNamesThanConnections(t *testing.T) {
	inCrowd(t, &Server{Connections: 2}, func(t *testing.T, sd *served) {
		for _, user := range []string{"Mary", "John", "Ann"} {
			if resp, body := sd.do("GET", "/rooms/a/short-poll?user="+user, "", ""); resp.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %s %s", user, resp.Status, body)
			}
		}
		sd.are("short-poll", 2, "a: John Mary")
		time.Sleep(lingerPolling)
		sd.do("GET", "/rooms/b/short-poll?user=Ann", "", "")
		sd.are("short-poll", 1, "b: Ann")
	})
}

// TestNamesConcurrently is for the race detector.
func TestNamesConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNames(3)
		for range 20 {
			for _, user := range []string{"a", "b", "c", "d"} {
				go func() {
					p := s.enter(place{"t", "r"}, user, linger)
					s.addTo(make(map[string]Connected), true)
					time.Sleep(time.Second)
					s.leave(p)
				}()
			}
		}
		time.Sleep(time.Second + linger)
		synctest.Wait()
		all := make(map[string]Connected)
		if s.addTo(all, true); all["t"].Users != 0 || s.told != 0 || len(s.users["t"]) != 0 || s.idle[linger].Len() != 0 {
			t.Errorf("everybody has left, but %+v", all)
		}
	})
}

// BenchmarkPresent takes what counting its user adds to a poll.
func BenchmarkPresent(b *testing.B) {
	sv, err := (&Server{Store: &memory.Store{}}).start()
	if err != nil {
		b.Fatal(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := sv.conns.add(theirs)
	defer c.Close()
	h := sv.present("short-poll", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, query := range []string{"after=1234567", "after=1234567&user=Mary"} {
		b.Run(query, func(b *testing.B) {
			r := httptest.NewRequestWithContext(context.WithValue(b.Context(), connKey{}, c), http.MethodGet, "/?"+query, nil)
			r.SetPathValue("room", "a")
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nil, r)
			}
		})
	}
}
