package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveAlone) != "" {
		alone()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		server Server
		want   string
	}{
		"no store":   {Server{}, ""}, // it may be set later
		"bad origin": {Server{Store: &memory.Store{}, Limits: transports.Limits{Origins: []string{"chat.example"}}}, `bad origin "chat.example"`},
		"fine":       {Server{Store: &memory.Store{}, Limits: transports.Limits{Origins: []string{"https://chat.example"}}}, ""},
	} {
		err := tc.server.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	if err := new(Server).Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "needs a store") {
		t.Errorf("Serve without a store: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("Serve failed and left its listener open")
	}
}

func TestServeReportsFailedAccept(t *testing.T) {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.Close()
	err := (&Server{Store: &memory.Store{}}).Serve(t.Context(), l)
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "127.0.0.1:80") {
		t.Errorf("Serve on a closed listener: %v", err)
	}
}

func TestStopAnswersHeldPollsAndWaitsForHijacked(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		s := &Server{Store: &memory.Store{}}
		hijacked := false
		service, err := s.start() // for its real transports
		if err != nil {
			t.Fatal(err)
		}
		s.Transports = service.Transports
		s.Transports["hijacking"] = fake(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			<-r.Context().Done()
			if !errors.Is(context.Cause(r.Context()), transports.ErrStopping) {
				t.Error("the request ended with", context.Cause(r.Context()))
			}
			time.Sleep(time.Second) // of virtual time, as the closing handshake of a WebSocket takes some
			c.Close()
			time.Sleep(time.Second)
			hijacked = true
		})
		sd := begin(t, s)

		answer := make(chan *http.Response)
		go func() {
			resp, _ := sd.do("GET", "/rooms/r/long-poll?hold=50s", "", "")
			answer <- resp
		}()
		socket, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(socket, "GET /rooms/r/hijacking HTTP/1.1\r\nHost: localhost\r\n\r\n")
		silent, err := sd.dial() // connected, but has sent no request
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		started := time.Now()
		stopped := make(chan error)
		go func() { stopped <- sd.stop() }()
		resp := <-answer
		if resp.StatusCode != http.StatusNoContent || resp.Header.Get(transports.NextCursor) == "" || !resp.Close {
			t.Errorf("the held poll was answered %s, cursor %q, close %v", resp.Status, resp.Header.Get(transports.NextCursor), resp.Close)
		}
		if waited := time.Since(started); waited > 100*time.Millisecond {
			t.Errorf("the held poll was answered after %v", waited)
		}
		if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the silent connection read %v", err)
		}
		if err := <-stopped; err != nil {
			t.Error("Serve:", err)
		}
		if !hijacked {
			t.Error("Serve returned before the handler of a hijacked connection had")
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if _, err := sd.dial(); err == nil {
			t.Error("a stopped server still accepts")
		}
	})
}

func TestStopCutsOffOpenConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, withFake(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, c) // ignores its context, but ends when its connection is closed
		}))
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /rooms/r/fake HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		started := time.Now()
		err = sd.stop()
		if err == nil || !strings.Contains(err.Error(), "cut off 1 connections") {
			t.Errorf("Serve: %v, want that it cut off 1 connection", err)
		}
		if took := time.Since(started); took < stopTimeout || took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection read %v", err)
		}
	})
}

// TestTimeouts provokes each timeout and checks when the connection is closed.
func TestTimeouts(t *testing.T) {
	for name, tc := range map[string]struct {
		send   string
		answer string // the beginning of the response before the connection is closed
		after  time.Duration
	}{
		"headers that never end":   {"GET /stats HTTP/1.1\r\nHost: localhost\r\n", "", 3 * time.Second},
		"body that never ends":     {"POST /rooms/r/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 400 ", 2 * time.Second},
		"body of a GET":            {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 200 ", 2 * time.Second},
		"connection left idle":     {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 ", 5 * time.Second},
		"poll held for the limit":  {"GET /rooms/r/long-poll?hold=1h HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 204 ", 30 * time.Second},
		"poll with a shorter hold": {"GET /rooms/r/long-poll?hold=9s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 204 ", 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sd := inBubble(t, &Server{
					Limits:        transports.Limits{Hold: 30 * time.Second, WriteTimeout: time.Second},
					HeaderTimeout: 3 * time.Second, BodyTimeout: 2 * time.Second, IdleTimeout: 5 * time.Second,
				})
				defer sd.stop()
				c, err := sd.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				started := time.Now()
				io.WriteString(c, tc.send)
				answer, err := io.ReadAll(c)
				if err != nil || !strings.HasPrefix(string(answer), tc.answer) || tc.answer == "" && len(answer) > 0 {
					t.Errorf("answered %q, %v, want %q", answer, err, tc.answer)
				}
				// net/http waits half a second before it closes the connection of a request with an unread body.
				if took := time.Since(started); took < tc.after || took > tc.after+600*time.Millisecond {
					t.Errorf("closed after %v, want %v", took, tc.after)
				}
			})
		})
	}
}

func TestWriteTimeoutCutsOffClientsThatReadNothing(t *testing.T) {
	answer := make([]byte, 4*writeChunk)
	s := withFake(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer))) // else net/http writes it in small pieces
		w.Write(answer)
	})
	s.Limits.WriteTimeout = 10 * time.Second
	ask := "GET /rooms/r/fake HTTP/1.0\r\n\r\n"

	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, s)
		defer sd.stop()
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, ask)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if got := sd.stats(); got.CutOff != 0 || got.Connected["fake"].Users != 1 {
			t.Errorf("after 9 s: %+v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := sd.stats(); got.CutOff != 1 || got.Connected["fake"].Users != 0 {
			t.Errorf("after 10 s: %+v", got)
		}
	})
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, s)
		defer sd.stop()
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, ask)
		buf, got := make([]byte, writeChunk), 0
		for {
			time.Sleep(9 * time.Second) // slow, but steady
			n, err := io.ReadFull(c, buf)
			got += n
			if err != nil {
				break
			}
		}
		if got < len(answer) {
			t.Errorf("a client that reads slowly but steadily got %d of %d bytes", got, len(answer))
		}
		if n := sd.stats().CutOff; n != 0 {
			t.Errorf("%d cut off", n)
		}
	})
}

// The write timeout counts for a whole answer to a poll, however steadily the client reads, but neither
// for the time that a poll is held nor for the next answer on the connection.
func TestWriteTimeoutCountsForTheWholeAnswer(t *testing.T) {
	bodies := strings.Repeat("x", 64<<10)
	for name, tc := range map[string]struct {
		pause  time.Duration // before each 64 KiB of the first answer
		cutOff uint64
		after  time.Duration // until the second answer, of a poll held for 30 s, has come
	}{
		"slowly but steadily": {pause: 2 * time.Second, cutOff: 1},
		"in time":             {pause: 500 * time.Millisecond, after: 16*500*time.Millisecond + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Store: &memory.Store{First: 1}, Limits: transports.Limits{WriteTimeout: 10 * time.Second}}
				for range 16 {
					s.Store.Append(t.Context(), "r", []byte(bodies), "")
				}
				sd := inBubble(t, s)
				defer sd.stop()
				c, err := sd.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				started := time.Now()
				in := bufio.NewReader(c)
				io.WriteString(c, "GET /rooms/r/long-poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				buf, read := make([]byte, 64<<10), int64(0)
				for err == nil && read < resp.ContentLength {
					time.Sleep(tc.pause)
					n := 0
					n, err = io.ReadFull(resp.Body, buf[:min(64<<10, resp.ContentLength-read)])
					read += int64(n)
				}
				if tc.cutOff > 0 {
					if took := time.Since(started); err == nil || took < 10*time.Second || took > 12*time.Second {
						t.Errorf("%v after %v and %d bytes, want that the connection is closed after 10 s", err, took, read)
					}
				} else {
					io.WriteString(c, "GET /rooms/r/long-poll?after=16&hold=30s HTTP/1.1\r\nHost: localhost\r\n\r\n")
					held, err := http.ReadResponse(in, nil)
					if err != nil || held.StatusCode != http.StatusNoContent {
						t.Errorf("the next poll was answered %v, %v", held, err)
					}
					if took := time.Since(started); took < tc.after || took > tc.after+time.Second {
						t.Errorf("the second answer came after %v, want %v", took, tc.after)
					}
				}
				synctest.Wait()
				if got := sd.stats().CutOff; got != tc.cutOff {
					t.Errorf("%d cut off, want %d", got, tc.cutOff)
				}
			})
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	var logged strings.Builder
	s := &Server{Connections: 1, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	sd := onLoopback(t, s)
	first, err := sd.dial()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(c net.Conn) (int, string) {
		t.Helper()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := ask(first); status != http.StatusOK {
		t.Fatalf("the first connection got %d %s", status, body)
	}
	for range 3 { // refused connections that send nothing don't delay the next one
		silent, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	second, err := sd.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if status, body := ask(second); status != http.StatusServiceUnavailable || !strings.Contains(errorIn(t, body), "--max-connections") {
		t.Errorf("the connection beyond the limit got %d %s", status, body)
	}
	if _, err := second.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the refused connection is not closed: %v", err)
	}

	first.Close()
	until(t, "a connection after one has left", func() bool {
		resp, err := sd.client.Get(sd.base + "/healthz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body) // an unread body would close the connection
		return err == nil && resp.StatusCode == http.StatusOK
	})
	if got := sd.stats(); got.Refused < 4 || got.Connections != 1 {
		t.Errorf("stats say %d refused and %d open", got.Refused, got.Connections)
	}
	if err := sd.stop(); err != nil {
		t.Error("Serve:", err)
	}
	if n := strings.Count(logged.String(), "refusing connections"); n != 1 {
		t.Errorf("refusing was logged %d times in %s", n, &logged)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		sd := begin(t, &Server{Connections: 1})
		defer sd.stop()
		started := time.Now()
		closed := func(c net.Conn) time.Duration {
			defer c.Close()
			if data, err := io.ReadAll(c); err != nil || len(data) > 0 {
				t.Errorf("read %q, %v", data, err)
			}
			return time.Since(started)
		}
		var silent []net.Conn
		for range 1 + mostRefusals + 1 {
			c, err := sd.dial()
			if err != nil {
				t.Fatal(err)
			}
			silent = append(silent, c)
		}
		if after := closed(silent[1+mostRefusals]); after != 0 {
			t.Errorf("a connection beyond the limit of refusals was closed after %v", after)
		}
		if after := closed(silent[1]); after != refuseTimeout {
			t.Errorf("a refused connection that sent nothing was closed after %v", after)
		}
		for _, c := range silent {
			c.Close()
		}
	})
}

// A handler that panics once it goes on with its connection by itself costs that connection, and is logged.
func TestPanicOfADetachedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logged
		s := withFake(func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
				t.Error(err)
			}
			transports.Detach(w, func() { panic("out of luck") })
		})
		s.Logger = out.logger()
		sd := inBubble(t, s)
		c, err := sd.dial()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /rooms/r/fake?user=Mary HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection read %v", err)
		}
		time.Sleep(stayBetweenPolls)
		sd.wantUsers("fake", 0)
		if err := sd.stop(); err != nil || !strings.Contains(out.String(), "out of luck") {
			t.Errorf("%v, logged: %s", err, &out)
		}
	})
}
