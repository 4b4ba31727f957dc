package websocket

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// userFrame returns a masked frame with the first byte given.
func userFrame(first byte, payload string) []byte {
	frame := appendFrame(nil, 0, []byte(payload))
	frame[0] = first
	return frame
}

// A flooder sends frames as fast as the server reads, and counts the answers.
type flooder struct {
	conn   io.ReadWriteCloser
	pongs  int
	texts  int
	closed string // the close frame's payload
	ended  time.Time
}

// flood sends frames again and again until the connection ends, which takes virtual time only.
func flood(t *testing.T, server *transporttest.Server, frames ...string) *flooder {
	f := &flooder{conn: upgrade(t, server, "")}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for _, piece := range frames {
				if _, err := f.conn.Write([]byte(piece)); err != nil {
					return
				}
			}
		}
	}()
	reader := newFrameReader(f.conn)
	for {
		got, err := reader.next()
		if err != nil {
			break
		}
		switch got.op {
		case opPong:
			f.pongs++
		case opText:
			f.texts++
		case opClose:
			f.closed, f.ended = string(got.payload), time.Now()
		}
	}
	f.conn.Close()
	<-stopped
	return f
}

// Floods of every kind are held back to the limit, and refused with the reason.
func TestFloods(t *testing.T) {
	const limit = 50
	ping, empty := string(userFrame(finBit|opPing, "")), string(userFrame(opContinuation, ""))
	message := string(userFrame(finBit|opText, `{"body":""}`))
	for name, test := range map[string]struct {
		frames   string
		bytewise bool
	}{
		"pings":           {frames: ping},
		"pongs":           {frames: string(userFrame(finBit|opPong, "x"))},
		"messages":        {frames: message},
		"many at once":    {frames: strings.Repeat(message, 500)},
		"byte by byte":    {frames: string(userFrame(finBit|opText, `{"body":"`+strings.Repeat("x", 200)+`"}`)), bytewise: true},
		"empty fragments": {frames: string(userFrame(opText, "")) + strings.Repeat(empty, 3) + string(userFrame(finBit|opContinuation, `{"body":""}`))},
		"pings between":   {frames: string(userFrame(opText, `{"body":`)) + ping + string(userFrame(finBit|opContinuation, `""}`))},
	} {
		t.Run(name, func(t *testing.T) {
			OnBoth(t, func(t *testing.T, transport Transport) {
				store := new(memory.Store)
				server := transporttest.Serve(t, transport.Limited(transports.Limits{Frames: limit}), store)
				begun := time.Now()
				pieces := []string{test.frames}
				if test.bytewise {
					pieces = strings.SplitAfter(test.frames, "")
				}
				f := flood(t, server, pieces...)
				took := f.ended.Sub(begun)
				if code := "\x03\xf0"; !strings.HasPrefix(f.closed, code+"more than 50 frames a second for 10s: send fewer") {
					t.Errorf("the connection is closed with %q", f.closed)
				}
				if took < patience || took > 2*patience {
					t.Errorf("it is closed after %v, want a little more than %v", took, patience)
				}
				// What fits into the first read comes at once.
				if most := int(took.Seconds()+1)*limit + 4096/minFrame; f.pongs+f.texts > most {
					t.Errorf("%d frames are answered in %v, want at most %d", f.pongs+f.texts, took, most)
				}
				messages, err := store.After(t.Context(), "room", 0, 10_000)
				if acknowledged := f.texts - len(messages); err != nil || acknowledged < 0 || acknowledged > len(messages) {
					t.Errorf("%d messages are stored, and the user gets %d texts, %v", len(messages), f.texts, err)
				}
			})
		})
	}
}

// A user at the limit is never held back, and a burst of one loses nothing.
func TestPaceOfHonestUsers(t *testing.T) {
	const limit = 20
	limits := transports.Limits{Frames: limit}
	OnBoth(t, func(t *testing.T, transport Transport) {
		server := transporttest.Serve(t, transport.Limited(limits), new(memory.Store))
		u := server.Join("room", "")
		for range 60 * limit {
			time.Sleep(time.Second / limit)
			begun := time.Now()
			if err := u.Send("hello"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took != 0 {
				t.Fatalf("a message at the limit takes %v", took)
			}
		}
	})
	OnBoth(t, func(t *testing.T, transport Transport) {
		server := transporttest.Serve(t, transport.Limited(limits), new(memory.Store))
		session, conns := server.Enter("room", "")
		u := transporttest.Read(t, background, session, conns)
		const n = 8 * limit // that takes 7 s, which is less than patience
		for range 5 {
			acknowledged := make(chan error, n)
			for range n {
				session.Send(background, []byte("a message of a burst"), func(err error) { acknowledged <- err })
			}
			for range n {
				if err := <-acknowledged; err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(burst)
		}
		u.Wait(5 * n)
	})
}

// A new user has saved up a burst: its first message, too, is read at once.
func TestFirstRead(t *testing.T) {
	pace := newPace(100)
	if got := pace.allows(4096); pace.wait() != 0 || got != 4096 {
		t.Errorf("the first read may take %d bytes, want all", got)
	}
}

// A server whose user floods it stops in time.
func TestStoppingUnderFlood(t *testing.T) {
	OnBoth(t, func(t *testing.T, transport Transport) {
		server := transporttest.Serve(t, transport.Limited(transports.Limits{Frames: 1}), new(memory.Store))
		done := make(chan *flooder)
		go func() { done <- flood(t, server, strings.Repeat(string(userFrame(finBit|opPing, "")), 1000)) }()
		time.Sleep(time.Second)
		begun := time.Now()
		server.Stop()
		if took := time.Since(begun); took > closeTimeout {
			t.Errorf("stopping took %v", took)
		}
		if f := <-done; !strings.HasPrefix(f.closed, "\x03\xe9") {
			t.Errorf("the connection is closed with %q", f.closed)
		}
	})
}

// A message that never ends must not hold its memory for ever, whatever comes in between.
func TestMessageThatNeverEnds(t *testing.T) {
	ping := string(userFrame(finBit|opPing, ""))
	for name, start := range map[string]string{
		"half a header":   "\x81",
		"half a length":   "\x81\xfe\x01",
		"half a mask":     "\x81\x85ab",
		"half a payload":  string(userFrame(finBit|opText, `{"body":"hello"}`)[:12]),
		"half a message":  string(userFrame(opText, `{"body":"hello"`)),
		"an empty start":  string(userFrame(opText, "")) + ping,
		"after a message": string(userFrame(finBit|opText, `{"body":"hello"}`)) + "\x81",
	} {
		t.Run(name, func(t *testing.T) {
			OnBoth(t, func(t *testing.T, transport Transport) {
				server := transporttest.Serve(t, transport, new(memory.Store))
				conn := upgrade(t, server, "")
				idle := time.Now().Add(time.Hour) // an idle user that answers pings is not cut off
				var begun time.Time
				var closed string
				reader := newFrameReader(conn)
				for f, err := reader.next(); err == nil; f, err = reader.next() {
					switch {
					case f.op == opClose:
						closed = string(f.payload)
					case f.op == opPing && time.Now().Before(idle):
						conn.Write(appendFrame(nil, opPong, f.payload))
					case f.op == opPing && begun.IsZero():
						begun = time.Now()
						go io.WriteString(conn, start)
					}
				}
				if !strings.HasPrefix(closed, "\x03\xf0a message did not arrive whole within 10s") {
					t.Errorf("the connection is closed with %q", closed)
				}
				if took := time.Since(begun); took != messageTime {
					t.Errorf("it is closed after %v, want %v", took, messageTime)
				}
			})
		})
	}
	t.Run("a slow one", func(t *testing.T) {
		OnBoth(t, func(t *testing.T, transport Transport) {
			server := transporttest.Serve(t, transport, new(memory.Store))
			conn := upgrade(t, server, "")
			texts := make(chan byte, 2)
			go func() {
				defer close(texts)
				reader := newFrameReader(conn)
				for f, err := reader.next(); err == nil; f, err = reader.next() {
					if f.op != opPing { // what comes of a message is a sign of life, too
						texts <- f.op
					}
				}
			}()
			for range 100 { // each within its time
				for _, b := range userFrame(finBit|opText, `{"body":""}`) {
					time.Sleep(messageTime / 20)
					conn.Write([]byte{b})
				}
				for range 2 { // the message and its acknowledgement
					if f := <-texts; f != opText {
						t.Fatalf("got kind %d", f)
					}
				}
			}
		})
	})
}

// The server puts a user's fragments together, with pings in between, and bounds the whole message.
func TestFragmentsOfAUser(t *testing.T) {
	OnBoth(t, func(t *testing.T, transport Transport) {
		store := &memory.Store{First: 1}
		conn := upgrade(t, transporttest.Serve(t, transport, store), "")
		send := func(first byte, payload string) { conn.Write(userFrame(first, payload)) }
		go func() {
			send(opText, `{"body":"caf`+"\xc3")
			send(finBit|opPing, "are you there")
			send(opContinuation, "")
			send(finBit|opContinuation, "\xa9"+`"}`)
			time.Sleep(time.Second) // the message comes back before the connection ends
			send(opText, `{"body":"`)
			for range 12 {
				send(opContinuation, strings.Repeat("x", 6000))
			}
			send(finBit|opContinuation, `"}`)
		}()
		var got []string
		reader := newFrameReader(conn)
		for f, err := reader.next(); err == nil; f, err = reader.next() {
			if f.op == opClose {
				got = append(got, string(f.payload[2:50]))
				break
			}
			if f.op != opPing { // the first one comes after a random time
				got = append(got, string(f.payload))
			}
		}
		slices.Sort(got)
		want := []string{"are you there", "the message is larger than 65536 bytes: send less", `{"seq":1,"body":"café"}`, `{"stored":1}`}
		for i := range want {
			if len(got) != len(want) || !strings.HasPrefix(want[i], got[i]) {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

// FuzzFraming follows frames in any bytes, however they are cut, as the reader of whole frames does.
func FuzzFraming(f *testing.F) {
	f.Add(slices.Concat(userFrame(opText, "hello"), userFrame(finBit|opPing, ""), userFrame(finBit|opContinuation, strings.Repeat("x", 126))), uint64(1))
	f.Add(userFrame(finBit|opText, strings.Repeat("x", 70_000)), uint64(2))
	f.Add([]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), uint64(3))
	f.Add([]byte("\x81\x05hello\x88\x00"), uint64(4))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		want, within := 0, false
		for rest, open := stream, false; len(rest) > 0; {
			want++
			if rest[0]&0x0f < opClose {
				open = rest[0]&finBit == 0
			}
			end, whole := frameEnd(rest)
			within = open || !whole
			rest = rest[end:]
		}
		random := rand.New(rand.NewPCG(seed, 0))
		var framing framing
		got := 0
		for rest := stream; len(rest) > 0; {
			part := rest[:1+random.IntN(len(rest))]
			rest = rest[len(part):]
			got += framing.read(part)
		}
		if got != want || framing.within() != within {
			t.Errorf("%d frames begin, want %d; within one: %t, want %t", got, want, framing.within(), within)
		}
	})
}

// frameEnd returns where the first frame in data ends, or all of data if it isn't whole.
func frameEnd(data []byte) (end int, whole bool) {
	if len(data) < 2 {
		return len(data), false
	}
	length := 0
	switch data[1] &^ maskBit {
	case 126:
		length = 2
	case 127:
		length = 8
	}
	if len(data) < 2+length {
		return len(data), false
	}
	size := uint64(data[1] &^ maskBit)
	if length > 0 {
		var eight [8]byte
		copy(eight[8-length:], data[2:2+length])
		size = binary.BigEndian.Uint64(eight[:])
	}
	if data[1]&maskBit != 0 {
		size += 4
	}
	if left := uint64(len(data) - 2 - length); left < size {
		return len(data), false
	}
	return 2 + length + int(size), true
}
