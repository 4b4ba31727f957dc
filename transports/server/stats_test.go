package server

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/process"
	"pushpull/transports/store/memory"
)

func TestStats(t *testing.T) {
	sd := onLoopback(t, &Server{})
	sd.do("POST", "/rooms/a/messages", "x", "")
	sd.do("GET", "/rooms/a/short-poll", "", "")
	sd.do("GET", "/rooms/a/short-poll?after=1", "", "")
	got := sd.stats()
	if want := (StoreStats{Appends: 1, Reads: 2, EmptyReads: 1}); got.Store != want {
		t.Errorf("store %+v, want %+v", got.Store, want)
	}
	if got.Process.CPU <= 0 || got.Process.RSS < 1<<20 || got.Process.Goroutines < 3 || got.Process.Uptime <= 0 {
		t.Errorf("process %+v", got.Process)
	}
	if want := map[string]Connected{"short-poll": {Users: 1, Rooms: map[string]int{"a": 1}}}; !reflect.DeepEqual(got.Connected, want) {
		t.Errorf("connected %v, want %v", got.Connected, want)
	}
	_, body := sd.do("GET", "/stats?rooms=0", "", "")
	for _, part := range []string{
		`{"store":{"appends":1,"reads":2,"empty_reads":1},"connections":1,"refused":0,"cut_off":0,`,
		`"connected":{"short-poll":{"users":1}},`, `"process":{"cpu_s":`, `"rss_bytes":`, `"goroutines":`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	if strings.Contains(body, "program") || strings.Contains(body, "in_use") {
		t.Errorf("the program or the memory in use is found out for a request that doesn't ask for it: %s", body)
	}
	if _, body := sd.do("GET", "/stats?in-use=1", "", ""); !strings.Contains(body, `"in_use_bytes":`) {
		t.Errorf("no memory in use in %s", body)
	}
	program, err := process.Program()
	if err != nil {
		t.Fatal(err)
	}
	if _, body := sd.do("GET", "/stats?program=1", "", ""); !strings.Contains(body, `"program":"`+program+`"`) {
		t.Errorf("no program %s in %s", program, body)
	}
}

func TestConnectedUsers(t *testing.T) {
	hijacked := make(chan net.Conn, 1)
	s := withFake(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		hijacked <- c // the connection counts until it is closed, although the handler returns
	})
	s.Limits = s.Limits.WithDefaults()
	maps.Copy(s.Transports, all.Endpoints(s.Limits))
	sd := onLoopback(t, s)
	users := func(transport string, n int, rooms map[string]int) {
		t.Helper()
		var got Connected
		until(t, transport+" users", func() bool {
			got = sd.stats().Connected[transport]
			return got.Users == n && reflect.DeepEqual(got.Rooms, rooms) || t.Failed()
		})
	}

	// A poller's connection also counts between two polls, as a user of its last poll's room;
	// sending to another room doesn't change that.
	sd.do("GET", "/rooms/a/short-poll", "", "")
	sd.do("POST", "/rooms/b/messages", "x", "")
	users("short-poll", 1, map[string]int{"a": 1})
	sd.do("GET", "/rooms/b/short-poll", "", "")
	users("short-poll", 1, map[string]int{"b": 1})
	sd.do("GET", "/rooms/b/long-poll", "", "")
	users("short-poll", 0, nil)
	users("long-poll", 1, map[string]int{"b": 1})
	sd.do("GET", "/rooms/bad%20room/long-poll", "", "")
	users("long-poll", 1, map[string]int{"b": 1})
	sd.client.CloseIdleConnections()
	users("long-poll", 0, nil)

	// A hijacked connection counts until it is closed.
	c, err := sd.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET /rooms/c/fake HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	server := <-hijacked
	users("fake", 1, map[string]int{"c": 1})
	server.Close()
	server.Close() // must not be subtracted twice
	users("fake", 0, nil)

	// So does a WebSocket.
	ws, err := all.Client("websocket")
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(sd.base + "/")
	if err != nil {
		t.Fatal(err)
	}
	var sessions []transports.Session
	for _, room := range []string{"d", "d", "e"} {
		session, err := ws.Join(t.Context(), transports.Target{Base: base, HTTP: sd.client.Transport}, room, "")
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, session)
	}
	users("websocket", 3, map[string]int{"d": 2, "e": 1})
	sessions[0].Close()
	sessions[2].Close()
	users("websocket", 1, map[string]int{"d": 1})
	sessions[1].Close()
	users("websocket", 0, nil)
}

func TestVisitTwiceAllocatesNothing(t *testing.T) {
	set := newConnections(10, time.Second)
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := set.add(theirs)
	c.visit(location{"t", "r"})
	if n := testing.AllocsPerRun(100, func() { c.visit(location{"t", "r"}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	c.Close()
	c.visit(location{"t", "elsewhere"}) // a handler may still run
	if got := set.connected(listing{all: true})["t"]; got.Users != 0 || len(got.Rooms) != 0 {
		t.Errorf("a closed connection counts: %+v", got)
	}
}

type brokenStore struct{ transports.Store }

func (brokenStore) After(context.Context, string, uint64, int) ([]transports.Message, error) {
	return nil, errors.New("broken")
}

func TestCountingStore(t *testing.T) {
	s := &countingStore{Store: &memory.Store{First: 1}}
	s.After(t.Context(), "r", 0, 1)
	s.Append(t.Context(), "r", []byte("x"), "")
	s.After(t.Context(), "r", 0, 1)
	s.After(t.Context(), "r", 5, 1) // a gap
	if a, r, e := s.appends.Load(), s.reads.Load(), s.emptyReads.Load(); a != 1 || r != 3 || e != 1 {
		t.Errorf("%d appends, %d reads, %d empty, want 1, 3, 1", a, r, e)
	}
	s = &countingStore{Store: brokenStore{}}
	if _, err := s.After(t.Context(), "r", 0, 1); err == nil || s.reads.Load() != 1 || s.emptyReads.Load() != 0 {
		t.Errorf("a failed read: %v, %d reads, %d empty", err, s.reads.Load(), s.emptyReads.Load())
	}
}
