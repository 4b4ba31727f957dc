package dialect_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pushpull/transports"
	"pushpull/transports/dialect"
)

var errHeard = errors.New("heard")

// parrot is a dialect of which each method returns something of its own.
type parrot struct{ dialect.Speech }

func (parrot) About() dialect.About      { return dialect.About{Name: "parrot"} }
func (parrot) Ways() []dialect.Way       { return []dialect.Way{{Transport: "sse"}} }
func (parrot) Cursor() transports.Cursor { return "7" }
func (parrot) Took() string              { return "hear[1]" }
func (parrot) Ask() dialect.Request      { return dialect.Request{Method: "GET", Path: "/"} }

func (p parrot) Speak(_ dialect.Way, _ string, from transports.Cursor) (dialect.Speech, error) {
	if from == "bad" {
		return nil, errHeard
	}
	return p, nil
}

func (parrot) Say(_ uint64, body []byte) dialect.Request { return dialect.Request{Body: body} }

func (parrot) Hear(u dialect.Unit, h *dialect.Heard) error {
	if u.Kind == dialect.Closed {
		return errHeard
	}
	h.Messages = append(h.Messages, u.Body)
	h.Replies = append(h.Replies, dialect.Request{Body: []byte("pong")})
	return nil
}

func TestObserved(t *testing.T) {
	var seen []string
	d := dialect.Observed(parrot{}, func(s dialect.Step) {
		if s.Sends() {
			seen = append(seen, fmt.Sprintf("sent %s%s%s %d", s.Sent.Method, s.Sent.Path, s.Sent.Body, s.Number))
			return
		}
		seen = append(seen, fmt.Sprintf("%v %s %d messages by %s: %v", s.Unit.Kind, s.Unit.Body, len(s.Heard.Messages), s.Took, s.Err))
	})
	if d.About().Name != "parrot" || len(d.Ways()) != 1 {
		t.Error("an observed dialect isn't the dialect")
	}
	if _, err := d.Speak(d.Ways()[0], "room", "bad"); !errors.Is(err, errHeard) {
		t.Errorf("a bad cursor: %v", err)
	}
	s, err := d.Speak(d.Ways()[0], "room", "")
	if err != nil {
		t.Fatal(err)
	}
	var h dialect.Heard
	s.Ask()
	s.Say(3, []byte("hello"))
	if err := s.Hear(dialect.Unit{Kind: dialect.Frame, Body: []byte("ping")}, &h); err != nil {
		t.Error(err)
	}
	h.Reset()
	if err := s.Hear(dialect.Unit{Kind: dialect.Closed}, &h); !errors.Is(err, errHeard) {
		t.Errorf("an observed error is %v", err)
	}
	if s.Cursor() != "7" {
		t.Error("an observed cursor is another one")
	}
	want := []string{"sent GET/ 0", "sent hello 3", "frame ping 1 messages by hear[1]: <nil>", "sent pong 0", "closed  0 messages by hear[1]: heard"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
}
