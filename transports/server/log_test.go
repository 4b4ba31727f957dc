package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// A logged is what a server has logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestSparse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logged
		logger := slog.New(newSparse(out.logger().Handler()))
		with := logger.With("part", "store").WithGroup("more")
		lines := func(want int, what string) {
			t.Helper()
			got := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(got) != want || !strings.Contains(got[want-1], what) {
				t.Errorf("%d lines, want %d, the last with %s: %s", len(got), want, what, &out)
			}
		}
		for i := range 1000 {
			logger.Error("reading", "room", i, errorKey, errors.New("broken"))
			with.Error("reading", errorKey, errors.New("broken"))
		}
		lines(1, "room=0")
		logger.Error("reading", errorKey, errors.New("another"))
		lines(2, "error=another left_out=1999")
		for i := range 1000 {
			logger.Warn(fmt.Sprint("message ", i))
		}
		lines(sparseMost, "message 7")
		time.Sleep(sparseFor)
		with.Error("reading", errorKey, errors.New("broken"))
		lines(sparseMost+1, "part=store more.error=broken more.left_out=992")
		logger.Error("fine")
		lines(sparseMost+2, "msg=fine")
	})
}

// A secretive store fails with an error that names what users must not know.
type secretive struct {
	memory.Store
	append, after error
}

func (s *secretive) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if s.append != nil {
		return 0, s.append
	}
	return s.Store.Append(ctx, room, body, key)
}

func (s *secretive) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	if s.after != nil {
		return nil, s.after
	}
	return s.Store.After(ctx, room, seq, limit)
}

// The operator gets the errors of the store, once a second, and users a fixed text.
func TestStoreErrors(t *testing.T) {
	const secret = "dial tcp 10.1.2.3:5432: user=chat database=prod"
	synctest.Test(t, func(t *testing.T) {
		var out logged
		sd := inBubble(t, &Server{Store: &secretive{append: errors.New(secret), after: errors.New(secret)}, Logger: out.logger()})
		defer sd.stop()
		for range 10 {
			for _, request := range []string{"POST /rooms/a/messages", "GET /rooms/a/short-poll", "GET /rooms/b/long-poll", "GET /rooms/c/long-poll-scan"} {
				method, path, _ := strings.Cut(request, " ")
				resp, body := sd.do(method, path, "", "")
				if resp.StatusCode != http.StatusServiceUnavailable || errorIn(t, body) != "the store can't be reached, try again later" {
					t.Errorf("%s: %s %s", request, resp.Status, body)
				}
			}
		}
		if got := out.String(); strings.Count(got, "\n") != 2 || strings.Count(got, secret) != 2 || !strings.Contains(got, "room=a") {
			t.Errorf("logged: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var out logged
		sd := inBubble(t, &Server{
			Store:  &secretive{append: fmt.Errorf("%s: %w", secret, transports.ErrFull), after: &transports.GapError{Oldest: 7}},
			Logger: out.logger(),
		})
		defer sd.stop()
		if resp, body := sd.do("POST", "/rooms/a/messages", "x", ""); resp.StatusCode != http.StatusInsufficientStorage || strings.Contains(body, "10.1.2.3") {
			t.Errorf("a full store: %s %s", resp.Status, body)
		}
		if resp, _ := sd.do("GET", "/rooms/a/short-poll?after=1", "", ""); resp.StatusCode != http.StatusGone {
			t.Errorf("a gap: %s", resp.Status)
		}
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, transports.ErrFull.Error()) {
			t.Errorf("logged: %s", got)
		}
	})
}

// Requests that end early are no errors of the store.
func TestEndedRequestsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logged
		sd := inBubble(t, &Server{Logger: out.logger()})
		for _, transport := range []string{"long-poll", "long-poll-scan"} {
			sd.hold("/rooms/a/" + transport)()
		}
		if err := sd.stop(); err != nil || out.String() != "" {
			t.Errorf("%v, logged: %s", err, &out)
		}
	})
}

// A failing listener has no files left at first.
type failing struct {
	*pipes
	left int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.left > 0 {
		l.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.pipes.Accept()
}

// A server that can't accept for want of files waits and goes on.
func TestAcceptWithoutFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logged
		l := &failing{&pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, 10}
		started := time.Now()
		sd := serve(t, &Server{Logger: out.logger()}, l, l.dial)
		defer sd.stop()
		if resp, _ := sd.do("GET", "/healthz", "", ""); resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
		// net/http waits for 5 ms, then twice as long each time, up to 1 s.
		if took := time.Since(started); took < time.Second || took > 10*time.Second {
			t.Errorf("accepting went on after %v", took)
		}
		if n := strings.Count(out.String(), "\n"); n == 0 || n > 10 {
			t.Errorf("%d lines logged: %s", n, &out)
		}
	})
}

func TestShare(t *testing.T) {
	for _, test := range []struct{ files, asked int }{
		{0, 20_000}, {1 << 20, 20_000}, {20_000, 20_000}, {20_000, 10}, {1024, 20_000}, {1024, 960}, {1024, 900}, {128, 100}, {128, 10}, {40, 10},
	} {
		got := share(test.files, test.asked)
		if got.refusals < fewestRefused || got.refusals > mostRefusals || got.pages < fewestPages || got.pages > mostPages || got.connections > test.asked {
			t.Errorf("%d files for %d connections: %+v", test.files, test.asked, got)
		}
		if used := got.connections + got.refusals + 2*got.pages; test.files > 0 && got.connections > 0 && used+36 > test.files {
			t.Errorf("%d files for %d connections: %+v leave too few for the store", test.files, test.asked, got)
		}
	}
}

// TestTake checks what is advised for more connections: no ulimit where it can't be raised, in the log, in errors and in
// refusals.
func TestTake(t *testing.T) {
	const raise, set = "raise the limit (ulimit -n ", "raise the limit where it is set, like LimitNOFILE of a systemd service"
	for _, test := range []struct {
		files, asked, upTo int
		warned, fails      bool
		more               string
	}{
		{0, 100, 0, false, false, "raise --max-connections"},
		{20_000, 0, 1 << 20, false, false, raise},
		{20_000, 0, 20_000, false, false, "start more servers, or " + set},
		{1024, 0, 1 << 20, true, false, raise},
		{1024, 900, 1024, false, false, "raise --max-connections"},
		{1024, 2000, 1 << 20, true, false, raise},
		{1024, 2000, 2000, true, false, "start more servers, or " + set},
		{1 << 20, 2 << 20, 1 << 20, true, false, "start more servers, or " + set},
		{40, 10, 1 << 20, false, true, raise},
		{40, 10, 40, false, true, set},
	} {
		var out logged
		sv := &service{Server: Server{Connections: test.asked, Logger: out.logger()}}
		err := sv.take(test.files, func(to int) bool { return to <= test.upTo })
		if test.fails != (err != nil) || test.fails && !strings.Contains(err.Error(), "none for connections: "+test.more) {
			t.Errorf("%+v: %v", test, err)
		}
		if lines := strings.Count(out.String(), "\n"); test.warned != (lines == 1) || lines > 1 || test.warned && !strings.Contains(out.String(), ": use as few, or "+test.more) {
			t.Errorf("%+v: logged %s", test, &out)
		}
		if !test.fails && !strings.HasPrefix(sv.more, test.more) {
			t.Errorf("%+v: refusals say %s", test, sv.more)
		}
	}
}

// Requests beyond the bound wait for their turn, and are refused if it doesn't come.
func TestFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		s := &Server{Pages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-held
			io.WriteString(w, "the page")
		})}
		s.Pages = few(2, s.Pages)
		sd := inBubble(t, s)
		defer sd.stop()
		for range 2 {
			sd.hold("/results")
		}
		started := time.Now()
		resp, body := sd.do("GET", "/results", "", "")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || time.Since(started) != turn {
			t.Errorf("beyond the bound: %s %s after %v", resp.Status, body, time.Since(started))
		}
		if resp, _ := sd.do("POST", "/rooms/a/messages", "x", ""); resp.StatusCode != http.StatusCreated {
			t.Errorf("a message meanwhile: %s", resp.Status)
		}
		var late sync.WaitGroup
		late.Go(func() {
			if resp, body := sd.do("GET", "/results", "", ""); resp.StatusCode != http.StatusOK || body != "the page" {
				t.Errorf("after its turn has come: %s %s", resp.Status, body)
			}
		})
		time.Sleep(time.Second)
		close(held)
		late.Wait()
	})
}
