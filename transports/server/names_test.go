package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
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

// withServer runs test in virtual time with a server of every transport.
func withServer(t *testing.T, s *Server, test func(*testing.T, *served)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, s)
		defer sd.stop()
		test(t, sd)
	})
}

// wantUsers checks the number of users of a transport, and their names by room, like "a: John Mary".
func (sd *served) wantUsers(transport string, users int, names ...string) {
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

// hold sends a request in a goroutine; hangUp cancels it.
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

func TestShortPollUserStaysBetweenPolls(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.wantUsers("short-poll", 1, "a: Mary")
		time.Sleep(10 * time.Second)
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		time.Sleep(stayOnTimer - time.Nanosecond)
		sd.wantUsers("short-poll", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.wantUsers("short-poll", 0)
		if _, ok := sd.stats().Connected["short-poll"]; !ok {
			t.Error("a transport that has had users is missing in the stats")
		}
	})
}

func TestLongPollUserIsThereWhileHeld(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		hangUp := sd.hold("/rooms/a/long-poll?user=Mary")
		time.Sleep(20 * time.Second)
		sd.wantUsers("long-poll", 1, "a: Mary")
		hangUp()
		time.Sleep(stayBetweenPolls - time.Nanosecond)
		sd.wantUsers("long-poll", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.wantUsers("long-poll", 0)
	})
}

func TestWebSocketUser(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		socket, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(socket, "GET /rooms/a/websocket?user=Mary HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(socket), nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		go io.Copy(io.Discard, socket)
		time.Sleep(20 * time.Second) // for longer it would have to answer pings
		sd.wantUsers("websocket", 1, "a: Mary")
		socket.Close()
		time.Sleep(stayBetweenPolls - time.Nanosecond)
		sd.wantUsers("websocket", 1, "a: Mary")
		time.Sleep(time.Nanosecond)
		sd.wantUsers("websocket", 0)
	})
}

func TestNameCountsOnceInARoom(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		first, second := sd.hold("/rooms/a/long-poll?user=Mary"), sd.hold("/rooms/a/long-poll?user=Mary")
		defer sd.hold("/rooms/b/long-poll?user=Mary")()
		defer sd.hold("/rooms/a/long-poll?user=John")()
		sd.wantUsers("long-poll", 3, "a: John Mary", "b: Mary")
		first()
		time.Sleep(stayBetweenPolls)
		sd.wantUsers("long-poll", 3, "a: John Mary", "b: Mary")
		second()
		again := sd.hold("/rooms/a/long-poll?user=Mary") // within the stay of the previous request
		time.Sleep(stayBetweenPolls)
		sd.wantUsers("long-poll", 3, "a: John Mary", "b: Mary")
		again()
		time.Sleep(stayBetweenPolls)
		sd.wantUsers("long-poll", 2, "a: John", "b: Mary")
	})
}

// TestNamesExpireInOrder checks that names expire in the order of their last requests, and that
// those of one transport don't wait for those of another with a longer stay.
func TestNamesExpireInOrder(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.do("GET", "/rooms/a/short-poll?user=John", "", "")
		time.Sleep(time.Second)
		sd.do("GET", "/rooms/a/short-poll?user=Mary", "", "")
		sd.do("GET", "/rooms/b/long-poll-scan?hold=0s&user=Ann", "", "")
		time.Sleep(stayBetweenPolls)
		sd.wantUsers("long-poll-scan", 0)
		sd.wantUsers("short-poll", 2, "a: John Mary")
		time.Sleep(stayOnTimer - time.Second - stayBetweenPolls)
		sd.wantUsers("short-poll", 1, "a: Mary")
		time.Sleep(time.Second)
		sd.wantUsers("short-poll", 0)
	})
}

func TestNamedAndUnnamedTogether(t *testing.T) {
	withServer(t, &Server{}, func(t *testing.T, sd *served) {
		conn, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		ask := func(path string) {
			t.Helper()
			if _, err := conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
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
		sd.wantUsers("short-poll", 2)
		ask("/rooms/a/short-poll?user=Mary") // the same connection
		sd.wantUsers("short-poll", 2, "a: Mary")
		ask("/rooms/b/short-poll")
		sd.wantUsers("short-poll", 3, "a: Mary")
		ask("/rooms/b/short-poll?user=%00") // is refused and changes no user's location
		sd.wantUsers("short-poll", 3, "a: Mary")
		if got := sd.stats().Connected["short-poll"].Rooms; got["a"] != 2 || got["b"] != 1 {
			t.Errorf("rooms %v", got)
		}
		_, body := sd.do("GET", "/stats?rooms=0", "", "")
		if want := `"connected":{"short-poll":{"users":3}}`; !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
		for query, want := range map[string]string{
			"room=a":                    `"connected":{"short-poll":{"users":3,"rooms":{"a":2},"names":{"a":["Mary"]}}}`,
			"room=b&rooms=0":            `"connected":{"short-poll":{"users":3,"rooms":{"b":1}}}`,
			"room=b&room=nobody&room=b": `"connected":{"short-poll":{"users":3,"rooms":{"b":1}}}`,
			"room=":                     `"connected":{"short-poll":{"users":3}}`,
		} {
			if _, body := sd.do("GET", "/stats?"+query, "", ""); !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %s", query, want, body)
			}
		}
		if resp, body := sd.do("GET", "/stats?"+strings.Repeat("&room=a", mostAsked+1), "", ""); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("too many rooms: %s %s", resp.Status, body)
		}
	})
}

func TestNoMoreNamesThanConnections(t *testing.T) {
	withServer(t, &Server{Connections: 2}, func(t *testing.T, sd *served) {
		for _, user := range []string{"Mary", "John", "Ann"} {
			if resp, body := sd.do("GET", "/rooms/a/short-poll?user="+user, "", ""); resp.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %s %s", user, resp.Status, body)
			}
		}
		sd.wantUsers("short-poll", 2, "a: John Mary")
		time.Sleep(stayOnTimer)
		sd.do("GET", "/rooms/b/short-poll?user=Ann", "", "")
		sd.wantUsers("short-poll", 1, "b: Ann")
	})
}

// A listing is bounded, and its users are counted nevertheless.
func TestListingIsBounded(t *testing.T) {
	const many = 2 * mostListed
	synctest.Test(t, func(t *testing.T) {
		s := newNames(10 * many)
		for i := range many {
			s.enter(location{"rooms", strconv.Itoa(i)}, "Mary", stayBetweenPolls)
			s.enter(location{"names", "room"}, strconv.Itoa(i), stayBetweenPolls)
		}
		set := newConnections(many, time.Second)
		for i := range many {
			c := set.add(&net.TCPConn{})
			c.visit(location{"rooms", strconv.Itoa(i)})
		}
		all := set.connected(listing{all: true})
		if c := all["rooms"]; c.Users != many || len(c.Rooms) != mostListed {
			t.Errorf("%d users, %d rooms", c.Users, len(c.Rooms))
		}
		clear(all)
		s.addTo(all, listing{all: true})
		if c := all["rooms"]; c.Users != many || len(c.Rooms) != mostListed || len(c.Names) != mostListed {
			t.Errorf("%d users, %d rooms, %d of them with names", c.Users, len(c.Rooms), len(c.Names))
		}
		c := all["names"]
		if c.Users != many || c.Rooms["room"] != many || len(c.Names["room"]) != mostListed || !slices.IsSorted(c.Names["room"]) {
			t.Errorf("%d users in a room, with %d names", c.Rooms["room"], len(c.Names["room"]))
		}
		clear(all)
		if s.addTo(all, listing{}); all["names"].Users != many || all["names"].Names != nil || all["names"].Rooms != nil {
			t.Errorf("a listing of nothing lists %d names", len(all["names"].Names))
		}
	})
}

// TestNamesConcurrently gives the race detector something to check.
func TestNamesConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNames(3)
		for range 20 {
			for _, user := range []string{"a", "b", "c", "d"} {
				go func() {
					p := s.enter(location{"t", "r"}, user, stayBetweenPolls)
					s.addTo(make(map[string]Connected), listing{all: true})
					time.Sleep(time.Second)
					s.leave(p)
				}()
			}
		}
		time.Sleep(time.Second + stayBetweenPolls)
		synctest.Wait()
		all := make(map[string]Connected)
		if s.addTo(all, listing{all: true}); all["t"].Users != 0 || s.count != 0 || len(s.users["t"]) != 0 || s.idle[stayBetweenPolls].Len() != 0 {
			t.Errorf("all users have left, but the stats are %+v", all)
		}
	})
}

// BenchmarkPresent measures what counting the user adds to the cost of a poll.
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
