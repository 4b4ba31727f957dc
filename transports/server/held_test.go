package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A client is one connection on which a test writes requests itself.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (sd *served) connect() *client {
	sd.t.Helper()
	c, err := sd.dial()
	if err != nil {
		sd.t.Fatal(err)
	}
	return &client{sd.t, c, bufio.NewReader(c)}
}

// ask sends a GET of a path.
func (c *client) ask(path string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		c.t.Error(err)
	}
}

// answer reads one answer, which must come at once.
func (c *client) answer(status int, body string) *http.Response {
	c.t.Helper()
	begun := time.Now()
	resp := c.late(status, body)
	if took := time.Since(begun); took != 0 {
		c.t.Errorf("the answer took %v", took)
	}
	return resp
}

// late is answer for an answer that may take its time.
func (c *client) late(status int, body string) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || string(got) != body {
		c.t.Errorf("got %s %.300q, %v, want %d %.300q", resp.Status, got, err, status, body)
	}
	return resp
}

const heldFor30s = "/rooms/r/long-poll?hold=30s&after="

// say appends to the room r.
func say(t *testing.T, s *Server, body string) {
	t.Helper()
	if _, err := s.Store.Append(t.Context(), "r", []byte(body), ""); err != nil {
		t.Fatal(err)
	}
}

// A held poll keeps no goroutine but that of its connection, which has no stack to speak of, and the room's
// reader answers it.
func TestHeldPollIsAnsweredByTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		s := new(Server)
		sd := inBubble(t, s)
		var all []*client
		for range n {
			c := sd.connect()
			c.ask(heldFor30s + "0")
			all = append(all, c)
		}
		synctest.Wait()
		reads := sd.stats().Store.Reads
		say(t, s, "one")
		for _, c := range all {
			resp := c.answer(200, `[{"seq":1,"body":"one"}]`)
			if cursor := resp.Header.Get(transports.NextCursor); cursor != "1" || resp.Close {
				t.Errorf("the cursor is %q, close: %t", cursor, resp.Close)
			}
		}
		if more := sd.stats().Store.Reads - reads; more != 1 {
			t.Errorf("%d reads of the store for %d held polls, want 1", more, n)
		}
		for i, c := range all { // the connections go on
			c.ask(heldFor30s + "1")
			synctest.Wait()
			if i%2 == 0 {
				c.Close()
			}
		}
		synctest.Wait()
		if users := sd.stats().Connected["long-poll"].Users; users != n/2 {
			t.Errorf("%d users after half of %d have hung up", users, n)
		}
		time.Sleep(30 * time.Second)
		for i, c := range all {
			if i%2 == 1 {
				if cursor := c.answer(204, "").Header.Get(transports.NextCursor); cursor != "1" {
					t.Errorf("the cursor is %q", cursor)
				}
				c.Close()
			}
		}
		synctest.Wait()
		if users := sd.stats().Connected["long-poll"].Users; users != 0 {
			t.Errorf("%d users after all have hung up", users)
		}
		if err := sd.stop(); err != nil {
			t.Error("Serve:", err)
		}
	})
}

// A poll is held for as long as it asks for, to the moment, also on a connection that is used again.
func TestHoldPasses(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, new(Server))
		c := sd.connect()
		for _, hold := range []time.Duration{30 * time.Second, time.Second, time.Millisecond, time.Minute, 0} {
			begun := time.Now()
			go c.ask("/rooms/r/long-poll?hold=" + hold.String())
			c.late(204, "")
			if took := time.Since(begun); took != hold {
				t.Errorf("a poll is held for %v, want %v", took, hold)
			}
			time.Sleep(time.Minute)
		}
		c.Close()
		sd.stop()
	})
}

// The next request may come while a poll is held, along with it or later. It is answered after it, and
// makes neither wait.
func TestNextRequestWhileHeld(t *testing.T) {
	request := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }
	held, next := request(heldFor30s+"0"), request("/rooms/r/short-poll")
	for name, parts := range map[string][]string{
		"along with it":      {held + next},
		"its first byte":     {held + next[:1], next[1:]},
		"later":              {held, next},
		"later and in parts": {held, next[:9], next[9:]},
		"a held one":         {held + held + next},
		"several later":      {held, next + held + next},
		"one of others":      {held + request("/healthz") + next},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{3, 40_000} { // one that the connection takes at once, and one that it doesn't
				synctest.Test(t, func(t *testing.T) {
					s := new(Server)
					sd := onNetwork(t, s, transporttest.Buffered(16<<10))
					c := sd.connect()
					for _, part := range parts {
						io.WriteString(c, part)
						time.Sleep(time.Second)
					}
					body := strings.Repeat("x", size)
					say(t, s, body)
					begun := time.Now()
					for range strings.Count(strings.Join(parts, ""), "/rooms/") {
						if resp, err := http.ReadResponse(c.in, nil); err != nil {
							t.Fatal(err)
						} else if got, err := io.ReadAll(resp.Body); err != nil || string(got) != `[{"seq":1,"body":"`+body+`"}]` && string(got) != "ok\n" {
							t.Errorf("got %.100q, %v", got, err)
						}
					}
					if took := time.Since(begun); took != 0 {
						t.Errorf("the answers took %v", took)
					}
					c.Close()
					sd.stop()
				})
				synctest.Test(t, func(t *testing.T) { // nothing comes: the hold passes
					sd := inBubble(t, new(Server))
					c := sd.connect()
					begun := time.Now()
					for _, part := range parts {
						io.WriteString(c, part)
						time.Sleep(time.Second)
					}
					c.late(204, "")
					if took := time.Since(begun); took != 30*time.Second {
						t.Errorf("the poll is held for %v", took)
					}
					c.Close()
					sd.stop()
				})
			}
		})
	}
}

// After the answer to a held poll that is the last request of its connection, the connection is closed at
// once.
func TestLastHeldPoll(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		s := new(Server)
		sd := begin(t, s)
		c := sd.connect()
		io.WriteString(c, "GET "+heldFor30s+"0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		synctest.Wait()
		say(t, s, "one")
		if resp := c.answer(200, `[{"seq":1,"body":"one"}]`); !resp.Close {
			t.Error("the answer doesn't say that it is the last one")
		}
		begun := time.Now()
		if _, err := c.in.ReadByte(); err != io.EOF || time.Since(begun) != 0 {
			t.Errorf("after the answer: %v after %v", err, time.Since(begun))
		}
		c.Close()
		sd.stop()
	})
}

// A head has its time as a whole, not for each of its bytes.
func TestHeadByteByByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{HeaderTimeout: 10 * time.Second})
		c := sd.connect()
		c.ask("/rooms/r/short-poll")
		c.answer(204, "")
		begun := time.Now()
		go func() {
			for _, b := range "GET /rooms/r/short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n" {
				if _, err := c.Write([]byte(string(b))); err != nil {
					return
				}
				time.Sleep(3 * time.Second)
			}
		}()
		if _, err := c.in.ReadByte(); err != io.EOF || time.Since(begun) != 10*time.Second {
			t.Errorf("a slow head: %v after %v, want the end after 10 s", err, time.Since(begun))
		}
		c.Close()
		time.Sleep(10 * time.Second)
		sd.stop()
	})
}

// A client that has hung up while its poll is held has left, whatever follows.
func TestHangingUpWhileHeld(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		s := new(Server)
		sd := begin(t, s)
		c := sd.connect()
		c.ask(heldFor30s + "0")
		synctest.Wait()
		if users := sd.stats().Connected["long-poll"].Rooms["r"]; users != 1 {
			t.Errorf("%d users while one is there", users)
		}
		c.Close()
		synctest.Wait()
		if users := sd.stats().Connected["long-poll"].Rooms["r"]; users != 0 {
			t.Errorf("%d users after it has left", users)
		}
		time.Sleep(11 * time.Second)
		if s.Store.(*memory.Store).Watched() {
			t.Error("the room is still watched, as if somebody followed it")
		}
		if err := sd.stop(); err != nil {
			t.Error("Serve:", err)
		}
	})
}

// A named user comes with its poll, and is gone some time after the answer, or after it has hung up.
func TestNamedUserOfAHeldPoll(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *Server, *client){
		"a message":       func(t *testing.T, s *Server, c *client) { say(t, s, "hello") },
		"hanging up":      func(_ *testing.T, _ *Server, c *client) { c.Close() },
		"the hold passes": func(*testing.T, *Server, *client) { time.Sleep(20 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
				s := new(Server)
				sd := begin(t, s)
				names := func() string { return strings.Join(sd.stats().Connected["long-poll"].Names["r"], " ") }
				c := sd.connect()
				go io.Copy(io.Discard, c)
				c.ask(heldFor30s + "0&user=Mary")
				time.Sleep(10 * time.Second)
				if got := names(); got != "Mary" {
					t.Errorf("while a poll of Mary is held: %q", got)
				}
				end(t, s, c)
				time.Sleep(stayBetweenPolls - time.Millisecond)
				if got := names(); got != "Mary" {
					t.Errorf("%v after the poll of Mary: %q", stayBetweenPolls-time.Millisecond, got)
				}
				time.Sleep(2 * time.Millisecond)
				if got := names(); got != "" {
					t.Errorf("later: %q", got)
				}
				c.Close()
				sd.stop()
			})
		})
	}
}

// A user whose handler fails has left, too.
func TestNamedUserOfAFailingHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, withFake(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		c := sd.connect()
		c.ask("/rooms/r/fake?user=Mary")
		if _, err := c.in.ReadByte(); err != io.EOF {
			t.Errorf("a handler that fails: %v", err)
		}
		time.Sleep(time.Minute)
		if users := sd.stats().Connected["fake"].Users; users != 0 {
			t.Errorf("%d users a minute later", users)
		}
		c.Close()
		sd.stop()
	})
}

// A server that stops answers the polls that it holds, and those whose room has lost its reader.
func TestStoppingWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Server)
		sd := inBubble(t, s)
		all := []*client{sd.connect(), sd.connect(), sd.connect()}
		for i, c := range all {
			c.ask(heldFor30s + "0")
			if i > 0 { // the first bytes of another one make no difference
				synctest.Wait()
				io.WriteString(c, "GET /rooms/")
			}
		}
		time.Sleep(time.Second)
		begun := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- sd.stop() }()
		for _, c := range all {
			if resp := c.late(204, ""); !resp.Close || resp.Header.Get(transports.NextCursor) != "0" {
				t.Errorf("close: %t, cursor %q", resp.Close, resp.Header.Get(transports.NextCursor))
			}
			if _, err := c.in.ReadByte(); err != io.EOF {
				t.Errorf("after the answer: %v", err)
			}
		}
		if err := <-stopped; err != nil {
			t.Error("Serve:", err)
		}
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("stopping took %v", took)
		}
	})
}

// A breaking store fails once it has an error.
type breaking struct {
	transports.Store
	err error
}

func (f *breaking) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.After(ctx, room, seq, limit)
}

// A held poll whose room loses its reader is answered with the error of the store.
func TestStoreFailsWhileHeld(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"an error": {io.ErrUnexpectedEOF, 503, `{"error":"the store can't be reached, try again later"}` + "\n"},
		"a gap":    {&transports.GapError{Oldest: 9}, 410, `{"error":"the log can't be read from that cursor: its oldest message is 9, read on with after=8","oldest":9}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
				store := &breaking{Store: &memory.Store{First: 1}}
				s := &Server{Store: store}
				sd := begin(t, s)
				c := sd.connect()
				c.ask(heldFor30s + "0")
				synctest.Wait()
				store.err = test.err
				say(t, s, "hello")
				c.answer(test.status, test.body)
				synctest.Wait()
				store.err = nil
				go c.ask(heldFor30s + "0")
				c.late(200, `[{"seq":1,"body":"hello"}]`)
				c.Close()
				sd.stop()
			})
		})
	}
}

// A slowly reader takes its time for each piece.
type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return s.Reader.Read(p)
}

// An answer that the connection doesn't take at once is written by the connection's own goroutine. A client
// that reads some of it all the time gets it whole, one that reads nothing is cut off, and neither makes
// the others wait.
func TestSlowReadersOfAHeldPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Limits: transports.Limits{WriteTimeout: 10 * time.Second}}
		sd := onNetwork(t, s, transporttest.Buffered(4<<10))
		body := strings.Repeat("<", 60_000) // six times as much in JSON
		want := `[{"seq":1,"body":"` + strings.Repeat(`\u003c`, len(body)) + `"}]`
		fast, slow, stuck := sd.connect(), sd.connect(), sd.connect()
		for _, c := range []*client{fast, slow, stuck} {
			c.ask(heldFor30s + "0")
		}
		synctest.Wait()
		say(t, s, body)
		fast.answer(200, want)
		begun := time.Now()
		whole := make(chan error, 1)
		slow.in = bufio.NewReader(slowly{slow.Conn})
		go func() {
			resp, err := http.ReadResponse(slow.in, nil)
			if err != nil {
				whole <- err
				return
			}
			got, err := io.ReadAll(resp.Body)
			if err == nil && string(got) != want {
				err = fmt.Errorf("got %d bytes, want %d", len(got), len(want))
			}
			whole <- err
		}()
		if err := <-whole; err != nil {
			t.Errorf("the slow client: %v", err)
		}
		if took := time.Since(begun); took < 4*time.Second {
			t.Errorf("the slow client took %v, want some seconds", took)
		}
		if cut := sd.stats().CutOff; cut != 0 {
			t.Errorf("%d clients are cut off %v after the message", cut, time.Since(begun))
		}
		time.Sleep(time.Until(begun.Add(10*time.Second + time.Millisecond)))
		if cut := sd.stats().CutOff; cut != 1 {
			t.Errorf("%d clients are cut off %v after the message, want the one that reads nothing", cut, time.Since(begun))
		}
		if _, err := io.Copy(io.Discard, stuck); err != nil {
			t.Errorf("the connection of the client that reads nothing: %v", err)
		}
		for _, c := range []*client{fast, slow} { // they go on
			c.ask("/rooms/r/short-poll")
			c.late(200, want)
			c.Close()
		}
		stuck.Close()
		sd.stop()
	})
}

// Clients that never send their head, and clients that never read, cost little, and end in time.
func TestManyUselessClients(t *testing.T) {
	const n = 2000
	for name, test := range map[string]struct {
		sends    string
		says     string        // then, in the room
		ends     time.Duration // after which all must have ended
		answered bool          // and get something before
		most     int64         // bytes that each may cost, with those of the test's own network
	}{
		"nothing sent":       {"", "", 10 * time.Second, false, 16 << 10},
		"half a head":        {"GET /rooms/r/long-poll HTTP/1.1\r\nHost: local", "", 10 * time.Second, false, 16 << 10},
		"a head without end": {"GET /rooms/r/long-poll HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 300), "", 10 * time.Second, false, 16 << 10},
		"half a body":        {"POST /rooms/r/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nhello", "", 11 * time.Second, true, 16 << 10},
		"nothing read":       {"GET /rooms/long/short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 10 * time.Second, true, 64 << 10},
		"held, nothing read": {"GET " + heldFor30s + "0 HTTP/1.1\r\nHost: localhost\r\n\r\n", strings.Repeat("x", 60_000), 10 * time.Second, true, 16 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Limits: transports.Limits{WriteTimeout: 10 * time.Second}}
				sd := onNetwork(t, s, transporttest.Buffered(2<<10))
				if _, err := s.Store.Append(t.Context(), "long", []byte(strings.Repeat("<", 60_000)), ""); err != nil {
					t.Fatal(err)
				}
				sd.stats()
				used := func() int64 { // after a collection
					runtime.GC()
					runtime.GC() // what a sync.Pool holds is garbage only to the second one
					return int64(inUse())
				}
				before := used()
				var all []net.Conn
				for range n {
					c, err := sd.dial()
					if err != nil {
						t.Fatal(err)
					}
					go io.WriteString(c, test.sends)
					all = append(all, c)
				}
				synctest.Wait()
				if test.says != "" {
					say(t, s, test.says)
					synctest.Wait()
				}
				each := (used() - before) / n
				t.Logf("%d bytes each", each)
				if each > test.most {
					t.Errorf("each of %d clients costs %d bytes, want at most %d", n, each, test.most)
				}
				if open := sd.stats().Connections; open < n {
					t.Errorf("%d connections are open, want %d", open, n)
				}
				time.Sleep(test.ends + time.Millisecond)
				if open := sd.stats().Connections; open > 1 {
					t.Errorf("%d connections are open after %v", open-1, test.ends)
				}
				for _, c := range all {
					if got, err := io.ReadAll(c); err != nil || (len(got) > 0) != test.answered {
						t.Fatalf("got %.100q, %v", got, err)
					}
					c.Close()
				}
				if err := sd.stop(); err != nil {
					t.Error("Serve:", err)
				}
			})
		})
	}
}

// A user whose connection says nothing any more, as when its network is gone, is noticed by its pings.
func TestSilentUsersLeave(t *testing.T) {
	for name, endpoint := range all.Endpoints(transports.Limits{}) {
		if !endpoint.Way().Duplex {
			continue
		}
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
				const beat = 10 * time.Second
				sd := begin(t, &Server{Limits: transports.Limits{Heartbeat: beat}})
				c := sd.connect()
				go fmt.Fprintf(c, "GET /rooms/r/%s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cHVzaHB1bGwtdXNlci0xNg==\r\n\r\n", name)
				resp, err := http.ReadResponse(c.in, nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get(transports.HeartbeatHeader) != "10" {
					t.Fatalf("%v, %v", resp, err)
				}
				go io.Copy(io.Discard, c.in)
				time.Sleep(2*beat - time.Millisecond)
				if users := sd.stats().Connected[name].Users; users != 1 {
					t.Errorf("%d users before two pings are missed", users)
				}
				time.Sleep(beat + 3*time.Millisecond)
				if users := sd.stats().Connected[name].Users; users != 0 {
					t.Errorf("%d users after two pings are missed", users)
				}
				c.Close()
				sd.stop()
			})
		})
	}
}
