package servers_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/servers"
)

// A transcript is a conversation that a real server has had, or an example of its documentation. It is a file of
// sections, each of which begins with a line like
//
//	-- speak long-poll room-1 --   a new conversation; with "again" behind the room, from the place of the last one
//	-- ask --                      the next question must be this one
//	-- say 7 --                    a message with this number; the text is its body
//	-- request --                  must send it
//	-- begun --                    a unit with its status or close code, like
//	-- answer 200 --               its headers, an empty line, and its body; so for opened, replied and taken NUMBER STATUS
//	-- event TYPE ID --            its data, or the frame, or the reason of closed CODE
//	-- heard --                    what the last unit must have meant, a line each; left out: nothing
//
// In all texts ␞ stands for the record separator 1E, and in a wanted one * for any letters, digits, - and _.
// The header Accept is left out.
type transcript struct {
	*testing.T
	dialect dialect.Dialect

	place  transports.Cursor
	speech dialect.Speech
	want   dialect.Request // of the last say
	heard  []string        // of the last unit; nil: that was compared
	name   string          // of the last unit
}

// TestTranscripts replays all transcripts.
func TestTranscripts(t *testing.T) {
	t.Setenv("MERCURE_TOKEN", "secret")
	for _, name := range servers.Names() {
		d, err := servers.Find(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, way := range d.Ways() {
			t.Run(name+"/"+way.Transport, func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join("testdata", "transcripts", name+"-"+way.Transport+".txt"))
				if err != nil {
					t.Fatal(err)
				}
				(&transcript{T: t, dialect: d}).replay(string(data))
			})
		}
	}
}

// replay takes the sections of a transcript, one after the other.
func (s *transcript) replay(data string) {
	data = strings.ReplaceAll(data, "␞", "\x1e")
	var head, text string
	for line := range strings.Lines(data + "-- end --\n") {
		if next, ok := strings.CutPrefix(strings.TrimSuffix(line, " --\n"), "-- "); ok && strings.HasSuffix(line, " --\n") {
			if head != "" {
				s.section(strings.Fields(head), strings.TrimSuffix(text, "\n"))
			}
			head, text = next, ""
			continue
		}
		text += line
	}
	s.silent()
}

func (s *transcript) section(head []string, text string) {
	kind, args := head[0], append(head[1:], "", "", "")
	if kind == "heard" || kind == "ask" || kind == "request" {
		text = strings.TrimRight(text, "\n")
	}
	if kind == "heard" {
		if got := strings.Join(s.heard, "\n"); s.name == "" || !like(got, text) {
			s.Fatalf("%s was heard as\n%s\nwant\n%s", s.name, got, text)
		}
		s.heard, s.name = nil, ""
		return
	}
	s.silent()
	u := dialect.Unit{}
	switch kind {
	case "speak":
		if args[2] != "again" {
			s.place = ""
		}
		way := slices.IndexFunc(s.dialect.Ways(), func(w dialect.Way) bool { return w.Transport == args[0] })
		if way < 0 {
			s.Fatalf("there is no way %q", args[0])
		}
		var err error
		if s.speech, err = s.dialect.Speak(s.dialect.Ways()[way], args[1], s.place); err != nil {
			s.Fatalf("Speak: %v", err)
		}
		return
	case "ask":
		if got := spell(s.speech.Ask()); !like(got, text) {
			s.Fatalf("asked\n%s\nwant\n%s", got, text)
		}
		return
	case "say":
		s.want = s.speech.Say(number(s.T, args[0]), []byte(text))
		return
	case "request":
		if got := spell(s.want); !like(got, text) {
			s.Fatalf("said\n%s\nwant\n%s", got, text)
		}
		return
	case "begun":
		u.Kind = dialect.Begun
	case "answer", "replied", "opened", "taken":
		u.Kind = map[string]dialect.Kind{"answer": dialect.Answered, "replied": dialect.Replied, "opened": dialect.Opened, "taken": dialect.Taken}[kind]
		if kind == "taken" {
			u.Number, args = number(s.T, args[0]), args[1:]
		}
		u.Status, u.Header = int(number(s.T, args[0])), http.Header{}
		before, body, _ := strings.Cut("\n"+text, "\n\n")
		for line := range strings.SplitSeq(before, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				u.Header.Add(name, value)
			}
		}
		u.Body = []byte(body)
	case "event":
		u.Kind, u.Event, u.ID, u.Body = dialect.Event, strings.TrimPrefix(args[0], "message"), args[1], []byte(text)
	case "frame":
		u.Kind, u.Body = dialect.Frame, []byte(text)
	case "closed":
		u.Kind, u.Body = dialect.Closed, []byte(text)
		if args[0] != "" {
			u.Code = int(number(s.T, args[0]))
		}
	default:
		s.Fatalf("unknown section %q", head)
	}
	s.name = strings.Join(head, " ")
	var h dialect.Heard
	err := s.speech.Hear(u, &h)
	s.heard = tell(&h, err)
	s.place = s.speech.Cursor()
}

// silent fails the test if the last unit meant something, and the transcript doesn't say so.
func (s *transcript) silent() {
	if len(s.heard) > 0 {
		s.Fatalf("%s was heard as\n%s\nwant nothing", s.name, strings.Join(s.heard, "\n"))
	}
	s.heard, s.name = nil, ""
}

// tell returns what h and err say, a line each.
func tell(h *dialect.Heard, err error) []string {
	var lines []string
	line := func(is bool, format string, args ...any) {
		if is {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	for _, m := range h.Messages {
		line(true, "message: %s", m)
	}
	for _, n := range h.Stored {
		line(true, "stored: %d", n)
	}
	for _, r := range h.Refused {
		line(true, "refused: %d: %v", r.Number, r.Why)
	}
	for _, r := range h.Replies {
		line(true, "reply: %s", strings.ReplaceAll(spell(r), "\n", "\n  "))
	}
	line(h.Oldest > 0, "oldest: %d", h.Oldest)
	line(h.Kept, "kept")
	line(h.Ready, "ready")
	line(h.More, "more")
	line(h.Gap, "gap")
	if err != nil {
		step := "stop"
		if e, ok := err.(interface {
			Step(transports.Request) transports.Step
		}); ok && e.Step(transports.Poll) == transports.Rejoin {
			step = "rejoin"
		} else if ok && e.Step(transports.Poll) == transports.Repeat {
			step = "repeat"
		}
		line(true, "error: %s: %v", step, err)
	}
	return lines
}

// spell returns a request as a transcript has it.
func spell(r dialect.Request) string {
	if r.Method == "" {
		return string(r.Body)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	var names []string
	for name := range r.Header {
		if name != "Accept" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "\n%s: %s", name, strings.Join(r.Header[name], ", "))
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&b, "\n\n%s", r.Body)
	}
	return b.String()
}

// like reports whether got is want, in which * stands for any letters, digits, - and _.
// The header Accept is left out.
func like(got, want string) bool {
	for {
		before, after, more := strings.Cut(want, "*")
		if !more {
			return got == want
		}
		rest, ok := strings.CutPrefix(got, before)
		if !ok {
			return false
		}
		got = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
		want = after
	}
}

func number(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("bad number in a transcript: %v", err)
	}
	return n
}
