//go:build unix

package servers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/servers"
)

// slow are the servers that take minutes to install, so that only make servers tests them.
var slow = []string{"centrifugo", "apigateway"}

// patience bounds every wait for something that a server must do.
const patience = 30 * time.Second

// TestRealServers lets users converse on the real servers. What a server promises, and so doesn't lack, is tried.
func TestRealServers(t *testing.T) {
	for _, name := range servers.Names() {
		d, err := servers.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if d.About().Untried != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if slices.Contains(slow, name) && os.Getenv("PUSHPULL_TEST_SERVERS") == "" {
				t.Skip("make servers tests it")
			}
			t.Parallel() // they wait most of the time
			base := start(t, name)
			for _, way := range d.Ways() {
				t.Run(way.Transport, func(t *testing.T) {
					client := clientOf(t, d, way)
					t.Run("Crowd", func(t *testing.T) { crowd(t, base, client) })
					t.Run("Converse", func(t *testing.T) { converse(t, base, client) })
					t.Run("History", func(t *testing.T) { history(t, base, client) })
					t.Run("Long", func(t *testing.T) { long(t, base, client) })
					t.Run("Break", func(t *testing.T) { breakAndReadOn(t, base, client) })
					if !client.Way().Lacks.Gaps {
						t.Run("Gap", func(t *testing.T) { gap(t, base, start(t, name), client) })
					}
				})
			}
		})
	}
}

func clientOf(t *testing.T, d dialect.Dialect, way dialect.Way) transports.Client {
	t.Helper()
	spec := way.Transport
	if way.Way.Every > 0 {
		spec += "@50ms"
	}
	client, err := dialect.Client(d, spec)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// crowd lets users join rooms of two at the same time. The server must not mix them up.
func crowd(t *testing.T, base *url.URL, client transports.Client) {
	const users = 40
	room := newRoom()
	roomOf := func(i int) string { return fmt.Sprint(room, "-", i/2) }
	var all [users]*user
	var joining sync.WaitGroup
	for i := range all {
		joining.Go(func() {
			var err error
			if all[i], err = tryJoin(t, base, client, roomOf(i), ""); err != nil {
				t.Errorf("joining: %v", err)
			}
		})
	}
	joining.Wait()
	if t.Failed() {
		return
	}
	for i, user := range all {
		user.send(roomOf(i))
	}
	for i, user := range all {
		if got := user.wait(2); got[0] != roomOf(i) || got[1] != roomOf(i) {
			t.Errorf("a user in %s got %q", roomOf(i), got)
		}
	}
}

// converse lets two users send to a room. Each message must reach both, once, and acknowledged; another room's must
// not.
func converse(t *testing.T, base *url.URL, client transports.Client) {
	const each = 10
	room := newRoom()
	mary, john := join(t, base, client, room, ""), join(t, base, client, room, "")
	other := join(t, base, client, room+"-2", "")
	other.send("elsewhere")
	sent := map[string][]string{}
	for i := range each {
		for name, user := range map[string]*user{"Mary": mary, "John": john} {
			// What must be quoted in JSON, in a form, or in a line of an event stream is among it, and a large message.
			body := fmt.Sprintf(`%s's "%d" \ + %% & <é> 🙂`, name, i)
			if i == each-1 {
				body += strings.Repeat("é🙂\"", 8000)
			}
			sent[name] = append(sent[name], body)
			user.send(body)
		}
	}
	check := func(name string, user *user) {
		want := 2 * each
		if client.Way().Lacks.Echo {
			want = each
		}
		got := user.wait(want)
		for sender, bodies := range sent {
			if sender == name && client.Way().Lacks.Echo {
				continue
			}
			var theirs []string
			for _, body := range got {
				if slices.Contains(bodies, body) {
					theirs = append(theirs, body)
				}
			}
			if client.Way().Lacks.Order {
				slices.Sort(theirs)
				slices.Sort(bodies)
			}
			if !slices.Equal(theirs, bodies) {
				t.Errorf("of %s, %s got %.2000q, want %.2000q", sender, name, theirs, bodies)
			}
		}
		user.nothingAfter(want)
	}
	check("Mary", mary)
	check("John", john)
}

// history lets a user join a room with messages. It gets them if the server keeps a log.
func history(t *testing.T, base *url.URL, client transports.Client) {
	room := newRoom()
	first := join(t, base, client, room, "")
	for _, body := range []string{"one", "two"} {
		first.send(body)
	}
	if !client.Way().Lacks.Echo {
		first.wait(2)
	}
	late := join(t, base, client, room, "")
	first.send("three")
	want := []string{"one", "two", "three"}
	if client.Way().Lacks.Replay {
		want = want[2:]
	}
	if got := late.wait(len(want)); !slices.Equal(got, want) {
		t.Errorf("a new user got %q, want %q", got, want)
	}
}

// long sends messages as fast as the transport takes them, and more than a server may write to one stream by default,
// like SockJS, or than fits into its buffers. They must come in the order in which they were sent.
func long(t *testing.T, base *url.URL, client transports.Client) {
	const messages = 100
	room := newRoom()
	sender, reader := join(t, base, client, room, ""), join(t, base, client, room, "")
	var want []string
	stored := make(chan error, messages)
	for i := range messages {
		want = append(want, fmt.Sprintf("%02d%s", i, strings.Repeat(" x", 1000)))
		sender.session.Send(t.Context(), []byte(want[i]), func(err error) { stored <- err })
	}
	for range messages {
		if err := <-stored; err != nil {
			t.Fatalf("sending a message: %v", err)
		}
	}
	got := reader.wait(messages)
	if client.Way().Lacks.Order {
		t.Logf("%d of %d messages came after a later one", stepsBack(got), messages)
		slices.Sort(got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d messages came, but not as they were sent: %d after a later one", len(got), stepsBack(got))
	}
}

// stepsBack counts the bodies that are smaller than one before.
func stepsBack(bodies []string) int {
	n, last := 0, ""
	for _, body := range bodies {
		if body < last {
			n++
		}
		last = max(last, body)
	}
	return n
}

// breakAndReadOn cuts a user's connections. Once it has joined again, it gets all that it has missed, if the server
// promises that; what is sent from then on in any case.
func breakAndReadOn(t *testing.T, base *url.URL, client transports.Client) {
	room := newRoom()
	sender, user := join(t, base, client, room, ""), join(t, base, client, room, "")
	sender.send("before")
	user.wait(1)
	cursor := user.cut()
	missed := []string{"missed 1", "missed 2"}
	for _, body := range missed {
		sender.send(body)
	}
	back := join(t, base, client, room, cursor)
	if lacks := client.Way().Lacks; lacks.Resume {
		// Some of it may come nevertheless, and a gap may be reported.
		sender.send("between")
		back.waitFor("between")
		if _, gap := errors.AsType[*transports.GapError](back.failed()); gap && !lacks.Gaps {
			back = join(t, base, client, room, back.cut())
		}
		sender.send("after")
		back.waitFor("after")
		got := slices.DeleteFunc(back.bodies(), func(body string) bool { return body == "between" })
		if want := append(missed, "after"); !slices.Equal(got, want[len(want)-len(got):]) {
			t.Errorf("the user that reads on got %q, want the end of %q", got, want)
		}
		return
	}
	sender.send("after")
	want := append(missed, "after")
	if got := back.wait(len(want)); !slices.Equal(got, want) {
		t.Errorf("the user that reads on got %q, want %q", got, want)
	}
	back.nothingAfter(len(want))
}

// gap lets a user read on from a place of a log that the server has lost, as by a restart. That must be reported, once;
// then the user reads on.
func gap(t *testing.T, base, restarted *url.URL, client transports.Client) {
	room := newRoom()
	user := join(t, base, client, room, "")
	user.send("lost")
	user.wait(1)
	cursor := user.cut()
	back := join(t, restarted, client, room, cursor)
	back.waitFor("")
	if _, ok := errors.AsType[*transports.GapError](back.failed()); !ok {
		t.Fatalf("the user got %q, then %v: want a gap", back.bodies(), back.failed())
	}
	back = join(t, restarted, client, room, back.cut())
	back.send("after")
	if got := back.wait(1); got[0] != "after" {
		t.Errorf("the user got %q", got)
	}
	back.nothingAfter(1)
}

// newRoom returns the name of a room that no other test uses.
func newRoom() string { return fmt.Sprint("room-", time.Now().UnixNano()) }

// A user reads a room.
type user struct {
	t       *testing.T
	session transports.Session
	http    *http.Transport
	stop    context.CancelFunc
	ended   chan struct{} // closed once Messages has ended

	mu    sync.Mutex
	conns []net.Conn
	got   []string
	more  chan struct{} // closed by the next message
	err   error
}

// join lets a user join a room and read it until the test ends.
func join(t *testing.T, base *url.URL, client transports.Client, room string, from transports.Cursor) *user {
	t.Helper()
	u, err := tryJoin(t, base, client, room, from)
	if err != nil {
		t.Fatalf("joining: %v", err)
	}
	return u
}

// tryJoin is join for any goroutine.
func tryJoin(t *testing.T, base *url.URL, client transports.Client, room string, from transports.Cursor) (*user, error) {
	u := &user{t: t, ended: make(chan struct{}), more: make(chan struct{})}
	u.http = &http.Transport{DisableCompression: true, DialContext: u.dial}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var err error
	u.session, err = client.Join(ctx, transports.Target{Base: base, HTTP: u.http}, room, from)
	if err != nil {
		return nil, err
	}
	ctx, u.stop = context.WithCancel(context.Background())
	go u.read(ctx)
	t.Cleanup(u.leave)
	return u, nil
}

// dial keeps the connections for cut.
func (u *user) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.conns = append(u.conns, conn)
	}
	return conn, err
}

func (u *user) read(ctx context.Context) {
	defer close(u.ended)
	for m, err := range u.session.Messages(ctx) {
		u.mu.Lock()
		if u.err = err; err == nil {
			u.got = append(u.got, string(m.Body))
		}
		close(u.more)
		u.more = make(chan struct{})
		u.mu.Unlock()
	}
}

// send sends body and waits for its acknowledgement.
func (u *user) send(body string) {
	u.t.Helper()
	stored := make(chan error, 1)
	u.session.Send(u.t.Context(), []byte(body), func(err error) { stored <- err })
	select {
	case err := <-stored:
		if err != nil {
			u.t.Fatalf("sending %q: %v", body, err)
		}
	case <-time.After(patience):
		u.t.Fatalf("%q is not acknowledged after %v", body, patience)
	}
}

// wait returns the first n messages once they have come.
func (u *user) wait(n int) []string {
	u.t.Helper()
	late := time.After(patience)
	for {
		u.mu.Lock()
		got, more, err := slices.Clone(u.got), u.more, u.err
		u.mu.Unlock()
		if len(got) >= n {
			return got[:n]
		}
		if err != nil {
			u.t.Fatalf("%d of %d messages came, %q, then %v", len(got), n, got, err)
		}
		select {
		case <-more:
		case <-late:
			u.t.Fatalf("%d of %d messages came within %v: %q", len(got), n, patience, got)
		}
	}
}

// waitFor waits until a message has come, or the session has failed.
func (u *user) waitFor(body string) {
	u.t.Helper()
	late := time.After(patience)
	for {
		u.mu.Lock()
		over, more := slices.Contains(u.got, body) || u.err != nil, u.more
		u.mu.Unlock()
		if over {
			return
		}
		select {
		case <-more:
		case <-late:
			u.t.Fatalf("%q has not come within %v: %q", body, patience, u.bodies())
		}
	}
}

// bodies returns the messages that have come.
func (u *user) bodies() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// failed returns the error of the session.
func (u *user) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// nothingAfter fails the test if more than n messages have come. A message sent twice most often comes soon.
func (u *user) nothingAfter(n int) {
	u.t.Helper()
	select {
	case <-u.ended:
	case <-time.After(200 * time.Millisecond):
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.got) > n || u.err != nil {
		u.t.Errorf("%d messages came, %q, then %v: want %d", len(u.got), u.got, u.err, n)
	}
}

// cut breaks all connections of the user and returns the place to read on from.
func (u *user) cut() transports.Cursor {
	u.mu.Lock()
	for _, conn := range u.conns {
		conn.(*net.TCPConn).SetLinger(0) // the server sees a reset, as of a client that has crashed
		conn.Close()
	}
	u.mu.Unlock()
	cursor := u.session.Cursor()
	u.leave()
	return cursor
}

func (u *user) leave() {
	u.stop()
	u.session.Close()
	<-u.ended
	u.http.CloseIdleConnections()
}
