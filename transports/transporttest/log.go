package transporttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// publish appends bodies to the log without the transport.
func publish(t *testing.T, store transports.Store, room string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := store.Append(t.Context(), room, []byte(body), ""); err != nil {
			t.Fatal(err)
		}
	}
}

func numbered(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint("message ", i))
	}
	return all
}

func same(t *testing.T, reader string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s got %d messages %.300q, want %d %.300q", reader, len(got), got, len(want), want)
	}
}

// settle waits for longer than any hold time, so that all messages under way arrive, duplicates too.
func settle() { time.Sleep(65 * time.Second) }

func oneLogForAll(t *testing.T, on stage) {
	const senders, each = 4, 15
	server := on.serve(t, new(memory.Store))
	var users []*User
	for range senders {
		users = append(users, server.Join("room", ""))
	}
	var sending sync.WaitGroup
	for s, u := range users {
		sending.Go(func() {
			for i := range each {
				time.Sleep(time.Duration(100+s) * time.Millisecond)
				if err := u.Send(fmt.Sprint(s, " ", i)); err != nil {
					t.Errorf("sending: %v", err)
				}
			}
		})
	}
	sending.Wait()
	settle()
	want := users[0].Bodies()
	if len(want) != senders*each {
		t.Fatalf("%d messages came, want %d", len(want), senders*each)
	}
	for i, u := range users {
		same(t, fmt.Sprint("user ", i), u.Bodies(), want)
		last := uint64(0)
		for _, d := range u.Got() {
			if d.Seq <= last {
				t.Errorf("user %d: seq %d follows %d", i, d.Seq, last)
			}
			last = d.Seq
		}
	}
	for s := range senders {
		var own []string
		for _, body := range want {
			if after, ok := strings.CutPrefix(body, fmt.Sprint(s, " ")); ok {
				own = append(own, after)
			}
		}
		for i := range each {
			if len(own) != each || own[i] != fmt.Sprint(i) {
				t.Fatalf("the messages of sender %d are in the log as %q", s, own)
			}
		}
	}
}

// orderOfSends sends messages without waiting for the acknowledgement of the previous one.
func orderOfSends(t *testing.T, on stage) {
	const n = 200
	server := on.serve(t, new(memory.Store))
	u := server.Join("room", "")
	var acknowledged sync.WaitGroup
	acknowledged.Add(n)
	want := numbered(0, n)
	for _, body := range want {
		buf := []byte(body)
		u.Session.Send(t.Context(), buf, func(err error) {
			if err != nil {
				t.Errorf("sending: %v", err)
			}
			acknowledged.Done() // panics if stored is called too often
		})
		copy(buf, "overwritten when Send returns")
	}
	acknowledged.Wait()
	u.Wait(n)
	settle()
	same(t, "the sender", u.Bodies(), want)
}

func rooms(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	names := []string{"a", "A", "a b", "a/b", "a%2Fb", "a+b", "a?b=c&d#e", "100%", "Grüße", "你好", "%", "..a", "'"}
	if on.plain {
		names = []string{"a", "A", "aB", "a.b", "a-b_c", "100", "..a", "a..", strings.Repeat("x", 128)}
	}
	var users []*User
	for _, room := range names {
		users = append(users, server.Join(room, ""), server.Join(room, ""))
	}
	for i, room := range names {
		if err := users[2*i].Send("to " + room); err != nil {
			t.Errorf("sending to %q: %v", room, err)
		}
	}
	settle()
	for i, u := range users {
		room := names[i/2]
		same(t, "a user of "+room, u.Bodies(), []string{"to " + room})
		messages, err := store.After(t.Context(), room, 0, 2)
		if err != nil || len(messages) != 1 {
			t.Errorf("%d messages in %q, %v", len(messages), room, err)
		}
	}
}

// history reads a log that doesn't fit into one response.
func history(t *testing.T, on stage) {
	store := new(memory.Store)
	want := numbered(0, 1000)
	publish(t, store, "room", want...)
	u := on.serve(t, store).Join("room", "")
	u.Wait(len(want))
	publish(t, store, "room", "one more")
	u.Wait(len(want) + 1)
	settle()
	same(t, "the user", u.Bodies(), append(want, "one more"))
}

// resume leaves and rejoins again and again while messages come.
func resume(t *testing.T, on stage) {
	store := new(memory.Store)
	server := on.serve(t, store)
	want := numbered(0, 300)
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, body := range want {
			publish(t, store, "room", body)
			time.Sleep(130 * time.Millisecond)
		}
	})
	var got []string
	var at transports.Cursor
	for stay := time.Duration(0); len(got) < len(want); stay += 700 * time.Millisecond {
		if stay > waitTimeout {
			t.Fatalf("%d of %d messages came", len(got), len(want))
		}
		u := server.Join("room", at)
		time.Sleep(stay)
		cursor, err := u.Leave()
		if err != nil {
			t.Fatalf("leaving: %v", err)
		}
		if got = append(got, u.Bodies()...); cursor != "" {
			at = cursor
		}
	}
	sending.Wait()
	same(t, "the user", got, want)
}

func breakAndReadOn(t *testing.T, on stage) {
	store := new(memory.Store)
	want := numbered(0, 10)
	publish(t, store, "room", want...)
	session, conns := on.serve(t, store).Enter("room", "")
	var got []string
	for m, err := range session.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, string(m.Body)); len(got) == 4 {
			break
		}
	}
	u := Read(t, context.Background(), session, conns)
	u.Wait(6)
	settle()
	same(t, "the user", append(got, u.Bodies()...), want)
}

func bodies(t *testing.T, on stage) {
	server := on.serve(t, new(memory.Store))
	sender, other := server.Join("room", ""), server.Join("room", "")
	all := []string{
		"hello",
		"",
		" ",
		"Grüße, 你好, مرحبا, 🦆, \u2028, \ufeff, \ufffd",
		"null \x00, bell \a, escape \x1b[31m, delete \x7f",
		"line\nline\r\nline\ttab",
		"<script>alert('1' && \"2\")</script>",
		`"quoted", \escaped\, \u0041, {"seq":1,"body":"no"}, [1]`,
		"null", "0", "}", "",
		strings.Repeat("x", 64<<10),
		strings.Repeat("<", 64<<10), // six times as long in JSON
		strings.Repeat("\x00", 64<<10),
		strings.Repeat("ü", 32<<10),
		"small again",
	}
	for _, body := range all {
		if err := sender.Send(body); err != nil {
			t.Errorf("sending %.20q, %d bytes: %v", body, len(body), err)
		}
	}
	settle()
	same(t, "the sender", sender.Bodies(), all)
	same(t, "the other", other.Bodies(), all)
}

func tooLarge(t *testing.T, on stage) {
	for _, size := range []int{64<<10 + 1, 1 << 20} {
		refused(t, on, strings.Repeat("x", size))
	}
}

func notUTF8(t *testing.T, on stage) {
	refused(t, on, "caf\xe9")
}

// refused sends a body that must not be stored. The sender may lose its session, but other users
// must not be affected.
func refused(t *testing.T, on stage, body string) {
	server := on.serve(t, new(memory.Store))
	sender, other := server.Join("room", ""), server.Join("room", "")
	if err := sender.Send("before"); err != nil {
		t.Fatal(err)
	}
	if err := sender.Send(body); err == nil {
		t.Errorf("%d bytes %.20q are stored", len(body), body)
	}
	other.Wait(1)
	if err := server.Join("room", other.Cursor()).Send("after"); err != nil {
		t.Errorf("sending after a message that was refused: %v", err)
	}
	settle()
	same(t, "another user", other.Bodies(), []string{"before", "after"})
}

// outcome joins and returns the error of Join or of Messages, and the bodies that came before it.
func outcome(t *testing.T, server *Server, from transports.Cursor) ([]string, error) {
	t.Helper()
	target, conns := server.Target()
	session, err := server.transport.Join(t.Context(), target, "room", from)
	if err != nil {
		return nil, err
	}
	u := Read(t, context.Background(), session, conns)
	err = u.End()
	return u.Bodies(), err
}

func badCursor(t *testing.T, on stage) {
	store := new(memory.Store)
	publish(t, store, "room", "hello")
	server := on.serve(t, store)
	for _, cursor := range []transports.Cursor{"x", "-1", "1.0", "18446744073709551616"} {
		got, err := outcome(t, server, cursor)
		if _, gap := errors.AsType[*transports.GapError](err); err == nil || gap || len(got) > 0 {
			t.Errorf("reading on from %q: %q, %v", cursor, got, err)
		}
	}
}

func gap(t *testing.T, on stage) {
	store := &memory.Store{Retention: 5}
	all := numbered(0, 20)
	publish(t, store, "room", all...)
	reportsGap(t, on.serve(t, store), "3", all[15:])
}

func gapBeyondTheEnd(t *testing.T, on stage) {
	store := new(memory.Store)
	publish(t, store, "room", "hello")
	reportsGap(t, on.serve(t, store), "18446744073709551615", []string{"hello"})
}

// reportsGap checks that reading from a cursor is a gap, and reads on from the gap's cursor.
func reportsGap(t *testing.T, server *Server, from transports.Cursor, want []string) {
	t.Helper()
	u := server.Join("room", from)
	err := u.End()
	gap, ok := errors.AsType[*transports.GapError](err)
	if got := u.Bodies(); !ok || len(got) > 0 {
		t.Fatalf("reading on from %s, which is not in the log: %q, %v", from, got, err)
	}
	if at := u.Cursor(); gap.Oldest > 0 && at != gap.Cursor() {
		t.Errorf("after a gap the session's cursor is %q, want %q", at, gap.Cursor())
	}
	u = server.Join("room", u.Cursor())
	u.Wait(len(want))
	settle()
	same(t, "the user that reads on from the oldest message", u.Bodies(), want)
	if _, err := u.Leave(); err != nil {
		t.Errorf("leaving: %v", err)
	}
}

// gapWhileAway leaves and rejoins after so many messages that those it missed have left the log.
func gapWhileAway(t *testing.T, on stage) {
	store := &memory.Store{Retention: 5}
	server := on.serve(t, store)
	u := server.Join("room", "")
	publish(t, store, "room", numbered(0, 3)...)
	u.Wait(3)
	at, err := u.Leave()
	if err != nil {
		t.Fatal(err)
	}
	// The log still holds exactly the missed messages: no gap.
	publish(t, store, "room", numbered(3, 8)...)
	back := server.Join("room", at)
	back.Wait(5)
	same(t, "the user that rejoins in time", back.Bodies(), numbered(3, 8))
	if _, err := back.Leave(); err != nil {
		t.Error(err)
	}
	// So many messages that the feed no longer has them in memory either, once it has read on.
	publish(t, store, "room", numbered(8, 500)...)
	synctest.Wait()
	reportsGap(t, server, at, numbered(495, 500))
	if n := back.Conns.Answers(http.MethodGet, http.StatusGone); n != 0 {
		t.Errorf("%d responses with 410 to the user that rejoined in time", n)
	}
}
