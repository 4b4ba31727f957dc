package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// fragmented returns a text of a server in fragments, each with its first byte set as RFC 6455,
// section 5.4, says.
func fragmented(parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		first := byte(opContinuation)
		if i == 0 {
			first = opText
		}
		if i == len(parts)-1 {
			first |= finBit
		}
		b.WriteString(serverFrame(first, part))
	}
	return b.String()
}

// Proxies may cut a message anywhere, and put control frames between the parts.
func TestMessagesInFragments(t *testing.T) {
	const whole = `{"seq":1,"body":"caf\u00e9 é"}`
	ping := serverFrame(finBit|opPing, "p")
	for name, stream := range map[string]string{
		"two":                 fragmented(whole[:9], whole[9:]),
		"one for each byte":   fragmented(strings.Split(whole, "")...),
		"within a letter":     fragmented(whole[:len(whole)-3], whole[len(whole)-3:]),
		"empty ones":          fragmented("", "", whole, "", ""),
		"one, and empty":      fragmented(whole, ""),
		"a ping between":      serverFrame(opText, whole[:9]) + ping + serverFrame(opContinuation, "") + ping + serverFrame(finBit|opContinuation, whole[9:]),
		"a pong between":      serverFrame(opText, whole[:9]) + serverFrame(finBit|opPong, "") + serverFrame(finBit|opContinuation, whole[9:]),
		"a ping of 125 bytes": serverFrame(opText, "") + serverFrame(finBit|opPing, strings.Repeat("x", 125)) + serverFrame(finBit|opContinuation, whole),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := connect(t)
				pings, pongs := strings.Count(stream, "\x89"), 0
				go io.WriteString(server, stream+text(`{"seq":2,"body":"next"}`)+fragmented(`{"seq":3,`, `"body":"last"}`)+serverFrame(finBit|opClose, "\x03\xe9bye"))
				go func() {
					for f, err := unmask(server); err == nil; f, err = unmask(server) {
						if f.op == opPong {
							pongs++
						}
					}
				}()
				var got []string
				for m, err := range s.Messages(background) {
					if err != nil {
						if !strings.Contains(err.Error(), "1001 bye") {
							t.Errorf("Messages: %v", err)
						}
						continue
					}
					got = append(got, fmt.Sprint(m.Seq, string(m.Body)))
				}
				if want := []string{"1café é", "2next", "3last"}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				s.Close()
				synctest.Wait()
				if pongs != pings {
					t.Errorf("%d pongs for %d pings", pongs, pings)
				}
			})
		})
	}
}

// An acknowledgement may come in fragments, too.
func TestAcknowledgementInFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := connect(t)
		go io.Copy(io.Discard, server)
		var calls []error
		for range 2 {
			s.Send(background, []byte("hello"), func(err error) { calls = append(calls, err) })
		}
		go io.WriteString(server, fragmented(`{"sto`, ``, `red":7}`)+fragmented(`{"error"`, `:"the disk is full"}`)+serverFrame(finBit|opClose, ""))
		for range s.Messages(background) {
		}
		if len(calls) != 2 || calls[0] != nil || calls[1] == nil || calls[1].Error() != "the disk is full" {
			t.Errorf("sends are called back with %v", calls)
		}
	})
}

// Neither endless fragments nor a frame that is only announced may use up the memory of the generator.
func TestFragmentsAreBounded(t *testing.T) {
	for name, part := range map[string]string{
		"large": serverFrame(opContinuation, strings.Repeat("x", 1<<16)),
		"small": strings.Repeat(serverFrame(opContinuation, "x"), 1000),
		"empty": strings.Repeat(serverFrame(opContinuation, ""), 1000),
	} {
		reader := newFrameReader(&endless{part: part})
		reader.parts = &fragments{op: opText}
		if name != "large" {
			reader.parts.size = maxMessage - 100_000 // else it takes seconds
		}
		_, err := reader.next()
		if v, ok := errors.AsType[*violation](err); !ok || v.code != codeTooLarge || !strings.Contains(v.text, "fragments have more than 16777216 bytes") {
			t.Errorf("endless %s fragments: %v", name, err)
		}
		if n := cap(reader.parts.payload); n > 2*maxMessage {
			t.Errorf("endless %s fragments take %d bytes", name, n)
		}
	}
	reader := newFrameReader(strings.NewReader("\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x00" + strings.Repeat("x", 1000)))
	if _, err := reader.next(); err != io.ErrUnexpectedEOF || len(reader.buf) > 2*readAhead {
		t.Errorf("1,000 bytes of a frame of 16 MiB take a buffer of %d bytes, %v", len(reader.buf), err)
	}
	for _, size := range []int{maxMessage - 1, maxMessage} {
		payload := strings.Repeat("x", size)
		reader := newFrameReader(strings.NewReader(text(payload) + text("next")))
		if f, err := reader.next(); err != nil || string(f.payload) != payload {
			t.Errorf("a message of %d bytes: %d bytes, %v", size, len(f.payload), err)
		}
		if f, err := reader.next(); err != nil || string(f.payload) != "next" || len(reader.buf) != readBuffer {
			t.Errorf("after a message of %d bytes: %q in a buffer of %d bytes, %v", size, f.payload, len(reader.buf), err)
		}
	}
}

// endless repeats part.
type endless struct {
	part string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.part[e.at:])
	e.at = (e.at + n) % len(e.part)
	return n, nil
}

// FuzzFragments cuts messages in a random way, with control frames in between: they must be read as
// they were written.
func FuzzFragments(f *testing.F) {
	f.Add([]byte("hello, world"), uint64(1))
	f.Add([]byte(strings.Repeat("é", 300)), uint64(2))
	f.Add(bytes.Repeat([]byte("x"), 2000), uint64(3))
	f.Add([]byte{}, uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		cut := func(data []byte) []byte { return data[:random.IntN(len(data)+1)] }
		var stream bytes.Buffer
		var want []frame
		control := func() {
			if random.IntN(3) == 0 {
				f := frame{op: []byte{opPing, opPong}[random.IntN(2)], fin: true, payload: cut(data[:min(len(data), maxControl)])}
				stream.WriteString(serverFrame(finBit|f.op, string(f.payload)))
				want = append(want, f)
			}
		}
		for range 1 + random.IntN(5) {
			message := frame{op: []byte{opText, opBinary}[random.IntN(2)], fin: true, payload: cut(data)}
			rest, first := message.payload, message.op
			for range random.IntN(5) {
				part := cut(rest)
				rest = rest[len(part):]
				stream.WriteString(serverFrame(first, string(part)))
				first = opContinuation
				control()
			}
			stream.WriteString(serverFrame(finBit|first, string(rest)))
			want = append(want, message)
			control()
		}
		var source io.Reader = bytes.NewReader(stream.Bytes())
		switch random.IntN(3) {
		case 0:
			source = iotest.OneByteReader(source)
		case 1:
			source = iotest.HalfReader(source)
		}
		reader := newFrameReader(source)
		for i, w := range want {
			got, err := reader.next()
			if err != nil || got.op != w.op || !got.fin || !bytes.Equal(got.payload, w.payload) {
				t.Fatalf("number %d of %d is read as kind %d with %.100q, %v, want kind %d with %.100q", i, len(want), got.op, got.payload, err, w.op, w.payload)
			}
		}
		if _, err := reader.next(); err != io.EOF {
			t.Errorf("the stream ends with %v", err)
		}
	})
}
