package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pushpull/transports"
)

// A got is an event and the last event ID after it.
type got struct{ kind, data, id string }

// readAll returns all events of a stream, and the error that ended it.
func readAll(r io.Reader) (all []got, err error) {
	events := NewReader(r)
	for {
		e, err := events.Next()
		if err != nil {
			return all, err
		}
		all = append(all, got{e.Type, string(e.Data), string(events.lastID)})
	}
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   []got
	}{
		// The examples of the standard, section 9.2.6.
		"two lines":                {"data: YHOO\ndata: +2\ndata: 10\n\n", []got{{"", "YHOO\n+2\n10", ""}}},
		"comment, ids, and a rest": {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", []got{{"", "first event", "1"}, {"", "second event", ""}}},
		"empty data":               {"data\n\ndata\ndata\n\ndata:", []got{{"", "", ""}, {"", "\n", ""}}},
		"one space":                {"data:test\n\ndata: test\n\n", []got{{"", "test", ""}, {"", "test", ""}}},

		"CR":                   {"data: a\rdata: b\r\rdata: c\r\r", []got{{"", "a\nb", ""}, {"", "c", ""}}},
		"CR LF":                {"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []got{{"", "a\nb", ""}, {"", "c", ""}}},
		"all line ends":        {"data: a\r\ndata: b\ndata: c\r\n\rdata: d\n\r", []got{{"", "a\nb\nc", ""}, {"", "d", ""}}},
		"LF CR ends two lines": {"data: a\n\rdata: b\n\r", []got{{"", "a", ""}, {"", "b", ""}}},

		"BOM":                     {"\ufeffdata: a\n\n", []got{{"", "a", ""}}},
		"BOM before an empty end": {"\ufeff\ndata: a\n\n", []got{{"", "a", ""}}},
		"two BOMs":                {"\ufeff\ufeffdata: a\n\ndata: b\n\n", []got{{"", "b", ""}}},
		"a later BOM":             {"data: a\n\n\ufeffdata: b\n\n", []got{{"", "a", ""}}},
		"half a BOM":              {"\xef\xbbdata: a\n\ndata: b\n\n", []got{{"", "b", ""}}},

		"types":                  {"event: gap\ndata: a\n\ndata: b\n\nevent:message\ndata: c\n\nevent: \ndata: d\n\n", []got{{"gap", "a", ""}, {"", "b", ""}, {"", "c", ""}, {"", "d", ""}}},
		"the last type counts":   {"event: x\nevent: y\ndata: a\n\n", []got{{"y", "a", ""}}},
		"a type without data":    {"event: x\n\ndata: a\n\n", []got{{"", "a", ""}}},
		"an id without data":     {"id: 1\n\ndata: a\n\n", []got{{"", "a", "1"}}},
		"an id stays":            {"id: 1\ndata: a\n\ndata: b\n\n", []got{{"", "a", "1"}, {"", "b", "1"}}},
		"an id with NUL":         {"id: 1\ndata: a\n\nid: \x002\ndata: b\n\n", []got{{"", "a", "1"}, {"", "b", "1"}}},
		"an id after the data":   {"data: a\nid: 1\n\n", []got{{"", "a", "1"}}},
		"an id that has no end":  {"id: 1\ndata: a\n\nid: 2\ndata: b\n", []got{{"", "a", "1"}}},
		"comments between":       {"data: a\n:\n: x\n::\ndata: b\n\n", []got{{"", "a\nb", ""}}},
		"unknown fields":         {"Data: x\ndatum: x\n data: x\nretry: 1\nretry: soon\ndata: a\nretry\nfoo\n\n", []got{{"", "a", ""}}},
		"a colon in the value":   {"data: a: b\n\ndata::\n\n", []got{{"", "a: b", ""}, {"", ":", ""}}},
		"NUL and others in data": {"data: \x00\x0b\x0c\u2028\u0085\t\n\n", []got{{"", "\x00\x0b\x0c\u2028\u0085\t", ""}}},
		"nothing":                {"", nil},
		"only line ends":         {"\n\r\n\r\n\n", nil},
	} {
		for cut, r := range map[string]io.Reader{
			"whole":        strings.NewReader(test.stream),
			"bytes":        iotest.OneByteReader(strings.NewReader(test.stream)),
			"halves":       iotest.HalfReader(strings.NewReader(test.stream)),
			"with the end": iotest.DataErrReader(strings.NewReader(test.stream)),
		} {
			if all, err := readAll(r); err != io.EOF || !slices.Equal(all, test.want) {
				t.Errorf("%s, in %s: %q, %v, want %q", name, cut, all, err, test.want)
			}
		}
	}
}

// An event is there as soon as its last byte is: waiting for a LF after a CR would hold it back.
func TestEventsAtOnce(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		stream := "data: a" + end + end
		stream = stream[:len(stream)-len(end)+1]
		events := NewReader(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(errors.New("read on"))))
		if e, err := events.Next(); err != nil || string(e.Data) != "a" {
			t.Errorf("after %q: %q, %v", stream, e.Data, err)
		}
	}
}

// What was read before an error is taken first, and the error stays.
func TestEventsBreak(t *testing.T) {
	broken := errors.New("the cable is cut")
	for _, reader := range []io.Reader{
		io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)),
		&once{[]byte("data: a\n\ndata: b"), broken},
	} {
		events := NewReader(reader)
		if e, err := events.Next(); err != nil || string(e.Data) != "a" {
			t.Errorf("before the error: %q, %v", e.Data, err)
		}
		for range 2 {
			if _, err := events.Next(); err != broken {
				t.Errorf("the error is %v", err)
			}
		}
	}
}

// once gives its data together with an error, and then io.EOF.
type once struct {
	data []byte
	err  error
}

func (o *once) Read(p []byte) (int, error) {
	n, err := copy(p, o.data), o.err
	o.data, o.err = nil, io.EOF
	return n, err
}

// A line or an event that never ends costs no more memory than the limit, and comments no more than the buffer.
func TestEndless(t *testing.T) {
	for name, test := range map[string]struct {
		first, again string
		least        int // bytes read before the error
		says         string
	}{
		"a line":                   {"data: ", "x", maxEvent, "a line has not ended after 16 MiB"},
		"a comment":                {":", "x", maxEvent, "a line has not ended after 16 MiB"},
		"an event":                 {"", "data: " + strings.Repeat("x", 1000) + "\n", maxEvent, "an event has not ended after 16 MiB"},
		"a line after long data":   {"data: " + strings.Repeat("x", maxEvent/2) + "\n", "x", maxEvent, "a line has not ended after 16 MiB"},
		"comments":                 {"", ":\n", 32 << 20, "enough"},
		"comments within an event": {"data: a\n", ": " + strings.Repeat("x", 100) + "\n", 32 << 20, "enough"},
		"types":                    {"data: a\n", "event: " + strings.Repeat("x", 100) + "\n", 32 << 20, "enough"},
	} {
		t.Run(name, func(t *testing.T) {
			endless := &endless{rest: []byte(test.first), again: bytes.Repeat([]byte(test.again), 1000)}
			events := NewReader(endless)
			_, err := events.Next()
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %v, want %q", err, test.says)
			}
			if endless.read < test.least {
				t.Errorf("%d bytes were read, want %d at least", endless.read, test.least)
			}
			held := len(events.buf) + cap(events.data)
			if most := 3 * maxEvent; held > most {
				t.Errorf("the reader holds %d bytes, want %d at most", held, most)
			}
			if test.says == "enough" && held > 4*readBuffer {
				t.Errorf("the reader holds %d bytes of comments", held)
			}
		})
	}
}

// endless repeats its data up to 32 MiB.
type endless struct {
	rest, again []byte
	read        int
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.read > 32<<20 {
			return 0, errors.New("enough")
		}
		e.rest = e.again
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.read += n
	return n, nil
}

// The buffer grows with what has come, and shrinks after a long event.
func TestBuffer(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	stream := io.MultiReader(
		strings.NewReader("data: "+long+"\n\n"), strings.NewReader("data: "+long+"\ndata: "+long+"\n\n"),
		strings.NewReader("data: short\n\n"), strings.NewReader("data: short\n\n"),
	)
	events := NewReader(stream)
	for i, want := range []string{long, long + "\n" + long, "short", "short"} {
		e, err := events.Next()
		if err != nil || string(e.Data) != want {
			t.Fatalf("event %d: %d bytes, %v, want %d", i, len(e.Data), err, len(want))
		}
	}
	if len(events.buf) != readBuffer || cap(events.data) > 0 {
		t.Errorf("after long events the reader holds %d and %d bytes", len(events.buf), cap(events.data))
	}
}

// pieces reads data in pieces whose sizes are the bytes of cuts, again and again.
type pieces struct {
	data, cuts []byte
	i          int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := len(p.data)
	if len(p.cuts) > 0 {
		n = min(n, 1+int(p.cuts[p.i%len(p.cuts)]))
		p.i++
	}
	n = copy(b, p.data[:n])
	p.data = p.data[n:]
	return n, nil
}

var lineEnd = regexp.MustCompile("\r\n|\r|\n")

// standard reads a whole stream, as the standard puts it.
func standard(stream string) (all []got) {
	lines := lineEnd.Split(strings.TrimPrefix(stream, "\ufeff"), -1)
	var kind, id, last string
	var data strings.Builder
	for _, line := range lines[:len(lines)-1] { // what follows the last line end is no line
		if line == "" {
			last = id
			if s := data.String(); s != "" {
				if kind == "message" {
					kind = ""
				}
				all = append(all, got{kind, strings.TrimSuffix(s, "\n"), last})
			}
			kind = ""
			data.Reset()
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			kind = value
		case name == "data":
			data.WriteString(value + "\n")
		case name == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return all
}

// FuzzEvents cuts streams anywhere: the events are those of the standard.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\ufeffid: 7\ndata: {}\n\n:\r\n\r\nevent: gap\rdata: 1\rdata: 2\r\rdata"), []byte{0})
	f.Add([]byte("data: a\r\n\r\ndata\n\nid\x00\nid: \x00\n\n"), []byte{6, 0, 1})
	f.Add([]byte("data: "+strings.Repeat("x", 2000)+"\n: "+strings.Repeat("y", 600)+"\nid: 1\ndata: z\n\n\n\ndata: a\n\n"), []byte{255, 100})
	f.Add(bytes.Repeat([]byte("id: 1234567890123456\ndata: {\"seq\":1234567890123456,\"body\":\"hello\"}\n\n"), 40), []byte{})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		all, err := readAll(&pieces{data: stream, cuts: cuts})
		if want := standard(string(stream)); err != io.EOF || !slices.Equal(all, want) {
			t.Errorf("%q, %v, want %q", all, err, want)
		}
	})
}

// FuzzWritten reads back what the server writes.
func FuzzWritten(f *testing.F) {
	f.Add(uint64(1), uint64(1790000000000000), "hello", "line\nline\r\n\rid: 1\n\n", uint64(7))
	f.Add(uint64(1<<64-1), uint64(0), strings.Repeat("<", 5000), "\u2028\ufeff\x00", uint64(1))
	f.Fuzz(func(t *testing.T, a, b uint64, first, second string, oldest uint64) {
		if !utf8.ValidString(first) || !utf8.ValidString(second) || a == 0 || b == 0 {
			t.Skip()
		}
		sent := []transports.Message{{Seq: a, Body: []byte(first)}, {Seq: b, Body: []byte(second)}}
		stream := []byte(beginning)
		for _, m := range sent {
			stream = append(appendEvent(stream, m), comment...)
		}
		stream = appendEnd(stream, &transports.GapError{Oldest: oldest})
		stream = appendEnd(stream, errors.New("secret"))
		events := NewReader(&pieces{data: stream, cuts: []byte{byte(a), byte(b)}})
		for _, want := range sent {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			m, err := parse(e.Data)
			if err != nil || e.Type != "" || m.Seq != want.Seq || !bytes.Equal(m.Body, want.Body) || string(events.lastID) != fmt.Sprint(want.Seq) {
				t.Errorf("%+v, %v with the id %q, want %+v", m, err, events.lastID, want)
			}
		}
		for _, want := range []got{
			{kindGap, fmt.Sprintf(`{"oldest":%d}`, oldest), fmt.Sprint(b)},
			{kindError, `{"error":"the store can't be reached, try again later"}`, fmt.Sprint(b)},
		} {
			e, err := events.Next()
			if now := (got{e.Type, string(e.Data), string(events.lastID)}); err != nil || now != want {
				t.Errorf("%q, %v, want %q", now, err, want)
			}
		}
		if _, err := events.Next(); err != io.EOF {
			t.Error(err)
		}
	})
}

// BenchmarkEvents reads events of 100-byte messages, as they come from a socket.
func BenchmarkEvents(b *testing.B) {
	var stream []byte
	for i := range uint64(1000) {
		stream = appendEvent(stream, transports.Message{Seq: 1790000000000000 + i, Body: bytes.Repeat([]byte("x"), 100)})
	}
	cuts := []byte{199} // about one event
	b.ReportAllocs()
	for b.Loop() {
		events := NewReader(&pieces{data: stream, cuts: cuts})
		for {
			e, err := events.Next()
			if err != nil {
				break
			}
			if _, _, ok := transports.ParseMessage(e.Data); !ok {
				b.Fatalf("%q", e.Data)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
