package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// What ends a connection beside a close code.
const (
	nothing  = -iota - 1 // the user closes it with 1000, which is answered
	noCode               // the server closes it without a close frame
	noStatus             // the server's close frame is empty
)

// A talk is what a user sends, and what a server that keeps to RFC 6455 makes of it. The kinds of cases are
// those of the Autobahn test suite.
type talk struct {
	sent   string
	code   int      // of the server's close frame
	pongs  []string // payloads
	stored []string // bodies

	nhooyr  int  // the code of nhooyr.io/websocket, where it differs; 0: it doesn't
	lenient bool // nhooyr.io/websocket takes it
}

func masked(first byte, payload string) string { return string(userFrame(first, payload)) }

// body returns a message of a user.
func body(text string) string { return `{"body":"` + text + `"}` }

func talks() map[string]talk {
	const text, ping, pong, last = finBit | opText, finBit | opPing, finBit | opPong, finBit | opContinuation
	hello := masked(text, body("hello"))
	said := []string{"hello"}
	closing := func(payload string) string { return masked(finBit|opClose, payload) }
	all := map[string]talk{
		"nothing":      {code: nothing},
		"a text":       {sent: hello, code: nothing, stored: said},
		"many texts":   {sent: strings.Repeat(hello, 20), code: nothing, stored: slices.Repeat(said, 20)},
		"a mask of 0s": {sent: "\x81\x8b\x00\x00\x00\x00" + `{"body":""}`, code: nothing, stored: []string{""}},

		"a ping":                    {sent: masked(ping, ""), code: nothing, pongs: []string{""}},
		"a ping with a payload":     {sent: masked(ping, "\x00\xff\xfe"), code: nothing, pongs: []string{"\x00\xff\xfe"}},
		"a ping of 125 bytes":       {sent: masked(ping, strings.Repeat("x", 125)), code: nothing, pongs: []string{strings.Repeat("x", 125)}},
		"a ping of 126 bytes":       {sent: masked(ping, strings.Repeat("x", 126)), code: codeProtocol},
		"ten pings":                 {sent: strings.Repeat(masked(ping, "p"), 10), code: nothing, pongs: slices.Repeat([]string{"p"}, 10)},
		"an unsolicited pong":       {sent: masked(pong, "") + masked(pong, "x") + hello, code: nothing, stored: said},
		"a pong of 126 bytes":       {sent: masked(pong, strings.Repeat("x", 126)), code: codeProtocol},
		"a ping, then a text":       {sent: masked(ping, "p") + hello, code: nothing, pongs: []string{"p"}, stored: said},
		"a ping in fragments":       {sent: masked(opPing, "p") + masked(last, "q"), code: codeProtocol},
		"a pong in fragments":       {sent: masked(opPong, "p") + masked(last, "q"), code: codeProtocol},
		"a close frame in two":      {sent: masked(opClose, "\x03\xe8") + masked(last, "q"), code: codeProtocol},
		"a ping with a longer size": {sent: "\x89\xfe\x00\x05\x00\x00\x00\x00hello", code: codeProtocol, lenient: true},

		"two fragments":         {sent: masked(opText, body("hello")[:5]) + masked(last, body("hello")[5:]), code: nothing, stored: said},
		"empty fragments":       {sent: masked(opText, "") + masked(opContinuation, "") + masked(last, body("hello")), code: nothing, stored: said},
		"a ping between":        {sent: masked(opText, body("hello")[:5]) + masked(ping, "p") + masked(last, body("hello")[5:]), code: nothing, pongs: []string{"p"}, stored: said},
		"pings between":         {sent: masked(opText, body("hello")[:5]) + strings.Repeat(masked(ping, "p")+masked(opContinuation, "")+masked(pong, "q"), 5) + masked(last, body("hello")[5:]), code: nothing, pongs: slices.Repeat([]string{"p"}, 5), stored: said},
		"a close between":       {sent: masked(opText, body("hello")[:5]) + closing("\x03\xe8") + masked(last, body("hello")[5:]), code: 1000},
		"a lone continuation":   {sent: masked(last, body("hello")), code: codeProtocol},
		"a lone first one":      {sent: masked(opContinuation, body("hello")), code: codeProtocol},
		"one after a whole one": {sent: hello + masked(last, "x"), code: codeProtocol, stored: said},
		"a text within a text":  {sent: masked(opText, "{") + hello, code: codeProtocol},
		"binary within a text":  {sent: masked(opText, "{") + masked(finBit|opBinary, "x"), code: codeProtocol},
		"binary":                {sent: masked(finBit|opBinary, body("hello")), code: codeBinary},
		"empty binary":          {sent: masked(finBit|opBinary, ""), code: codeBinary},
		"binary in fragments":   {sent: masked(opBinary, "{") + masked(last, "}"), code: codeBinary},

		"UTF-8":                        {sent: masked(text, body("κόσμε 🦆 \ufeff\ufffe")), code: nothing, stored: []string{"κόσμε 🦆 \ufeff\ufffe"}},
		"UTF-8, cut within letters":    {sent: masked(opText, body("\xce\xba🦆")[:10]) + masked(opContinuation, body("\xce\xba🦆")[10:12]) + masked(last, body("\xce\xba🦆")[12:]), code: nothing, stored: []string{"κ🦆"}},
		"UTF-8, cut after each byte":   {sent: masked(opText, "") + each(opContinuation, body("κ🦆")) + masked(last, ""), code: nothing, stored: []string{"κ🦆"}},
		"not UTF-8":                    {sent: masked(text, body("\xce\xba\xed\xa0\x80edited")), code: codeNotUTF8},
		"not UTF-8, in fragments":      {sent: masked(opText, body("\xce")[:10]) + masked(last, body("\xcex")[10:]), code: codeNotUTF8},
		"half a letter":                {sent: masked(text, "{\"body\":\"\xf0\x9f\xa6"), code: codeNotUTF8},
		"an overlong form":             {sent: masked(text, body("\xc0\xaf")), code: codeNotUTF8},
		"beyond U+10FFFF":              {sent: masked(text, body("\xf4\x90\x80\x80")), code: codeNotUTF8},
		"a text that is not JSON":      {sent: masked(text, "hello"), code: codeNotUTF8},
		"an empty text":                {sent: masked(text, ""), code: codeNotUTF8},
		"nothing is stored after that": {sent: masked(text, "") + hello, code: codeNotUTF8},

		"a close without a code":     {sent: closing(""), code: noStatus},
		"a close with one byte":      {sent: closing("\x03"), code: codeProtocol},
		"a close with a reason":      {sent: closing("\x03\xe8bye, κόσμε"), code: 1000},
		"a close with 125 bytes":     {sent: closing("\x03\xe8" + strings.Repeat("x", 123)), code: 1000},
		"a close with 126 bytes":     {sent: closing("\x03\xe8" + strings.Repeat("x", 124)), code: codeProtocol},
		"a reason that is not UTF-8": {sent: closing("\x03\xe8caf\xe9"), code: codeNotUTF8, nhooyr: 1000},
		"a text after a close":       {sent: closing("\x03\xe8") + hello, code: 1000},
		"a ping after a close":       {sent: closing("\x03\xe8") + masked(ping, "late"), code: 1000},
		"two closes":                 {sent: closing("\x03\xe9") + closing("\x03\xe8"), code: 1001},

		"not masked":                   {sent: unmasked(`{"body":"hello"}`), code: codeProtocol, nhooyr: noCode},
		"a ping that is not masked":    {sent: "\x89\x00", code: codeProtocol, nhooyr: noCode},
		"a close that is not masked":   {sent: "\x88\x02\x03\xe8", code: codeProtocol, nhooyr: noCode},
		"a message at the limit":       {sent: masked(text, body(strings.Repeat("x", 1000))), code: nothing, stored: []string{strings.Repeat("x", 1000)}},
		"a message beyond the limit":   {sent: masked(text, body(strings.Repeat("x", 1001))), code: codeTooLarge},
		"a frame beyond the limit":     {sent: masked(text, strings.Repeat("x", 7000)), code: codeTooLarge},
		"fragments beyond the limit":   {sent: masked(opText, "") + strings.Repeat(masked(opContinuation, strings.Repeat("x", 500)), 14) + masked(last, ""), code: codeTooLarge},
		"half of a frame of 2^62":      {sent: "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00abcd" + strings.Repeat("x", 500), code: codeTooLarge, nhooyr: codePolicy},
		"a frame of 2^63":              {sent: "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00abcdx", code: codeTooLarge, nhooyr: noCode},
		"a frame of 2^64 - 1":          {sent: "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffabcdx", code: codeTooLarge, nhooyr: noCode},
		"a fragment of 2^62":           {sent: masked(opText, "x") + "\x80\xff\x40\x00\x00\x00\x00\x00\x00\x00abcdx", code: codeTooLarge, nhooyr: codePolicy},
		"a size longer than necessary": {sent: "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x0b\x00\x00\x00\x00" + body(""), code: nothing, stored: []string{""}},
	}
	for _, bit := range []byte{0x10, 0x20, 0x40, 0x70} {
		for name, first := range map[string]byte{"a text": text, "a fragment": opText, "a ping": ping, "a close": finBit | opClose} {
			all[fmt.Sprintf("reserved bits %#x in %s", bit, name)] = talk{sent: hello + masked(first|bit, ""), code: codeProtocol, stored: said}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all[fmt.Sprint("an opcode of ", op)] = talk{sent: masked(finBit|op, "x"), code: codeProtocol}
		all[fmt.Sprint("an opcode of ", op, " after a text")] = talk{sent: hello + masked(finBit|op, "") + masked(ping, "late"), code: codeProtocol, stored: said}
	}
	code := func(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }
	for _, n := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4410, 4999} {
		all[fmt.Sprint("a close with ", n)] = talk{sent: closing(code(n) + "bye"), code: n}
	}
	for _, n := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all[fmt.Sprint("a close with ", n)] = talk{sent: closing(code(n) + "bye"), code: codeProtocol}
	}
	for _, size := range []int{125, 126, 127, 128, 1011} { // of the payload
		text := strings.Repeat("x", size-len(body("")))
		all[fmt.Sprint("a text of ", size, " bytes")] = talk{sent: masked(finBit|opText, body(text)), code: nothing, stored: []string{text}}
	}
	return all
}

// each returns a frame for each byte of a payload.
func each(first byte, payload string) string {
	var all strings.Builder
	for i := range len(payload) {
		all.WriteString(masked(first, payload[i:i+1]))
	}
	return all.String()
}

// unmasked returns a frame that is not masked, as only servers may send it.
func unmasked(payload string) string { return serverFrame(finBit|opText, payload) }

// Both engines keep to RFC 6455, however the user's bytes are cut. Where nhooyr.io/websocket doesn't, the
// table says so: it takes a close reason that is not UTF-8, drops connections with unmasked frames and with
// sizes of 2^63 or more without a close code, takes a
// control frame whose size is spelled longer than necessary, and waits for a frame that is too large, so that the time for a
// message ends it.
func TestProtocol(t *testing.T) {
	for name, test := range talks() {
		cuts := map[string]int{"whole": len(test.sent), "in two": len(test.sent)/2 + 1}
		if len(test.sent) < 300 {
			cuts["byte by byte"] = 1
		}
		for cut, size := range cuts {
			t.Run(name+"/"+cut, func(t *testing.T) {
				OnBoth(t, func(t *testing.T, transport Transport) {
					if test.lenient && !transport.Lean {
						return
					}
					want := test.code
					if !transport.Lean && test.nhooyr != 0 {
						want = test.nhooyr
					}
					store := &memory.Store{First: 1}
					limits := transports.Limits{MessageBytes: 1000, Frames: 100_000}
					conn := upgrade(t, transporttest.Serve(t, transport.Limited(limits), store), "")
					sent := make(chan struct{})
					go func() {
						defer close(sent)
						for rest := test.sent; len(rest) > 0; rest = rest[min(size, len(rest)):] {
							if _, err := io.WriteString(conn, rest[:min(size, len(rest))]); err != nil {
								return
							}
						}
						if want == nothing {
							time.Sleep(time.Second)
							io.WriteString(conn, masked(finBit|opClose, "\x03\xe8"))
						}
					}()
					var pongs []string
					got, closes := noCode, 0
					reader := newFrameReader(conn)
					f, err := reader.next()
					for ; err == nil; f, err = reader.next() {
						switch {
						case f.op == opPong:
							pongs = append(pongs, string(f.payload))
						case f.op == opClose:
							closes++
							if got = noStatus; len(f.payload) >= 2 {
								got = int(f.payload[0])<<8 | int(f.payload[1])
							}
							go io.WriteString(conn, masked(finBit|opClose, string(f.payload)))
						}
					}
					if err != io.EOF || closes > 1 {
						t.Errorf("the connection ends with %v after %d close frames", err, closes)
					}
					conn.Close()
					<-sent
					if want == nothing {
						want = 1000
					}
					if got != want {
						t.Errorf("the server closes with %d, want %d", got, want)
					}
					if !slices.Equal(pongs, test.pongs) {
						t.Errorf("pongs %.200q, want %.200q", pongs, test.pongs)
					}
					messages, err := store.After(t.Context(), "room", 0, 100)
					var stored []string
					for _, m := range messages {
						stored = append(stored, string(m.Body))
					}
					if err != nil || !slices.Equal(stored, test.stored) {
						t.Errorf("stored are %.200q, %v, want %.200q", stored, err, test.stored)
					}
				})
			})
		}
	}
}

// A user that announces a large frame, or sends it slowly, doesn't cost its size.
func TestAnnouncedFramesCostNothing(t *testing.T) {
	const n = 200
	OnBoth(t, func(t *testing.T, transport Transport) {
		limits := transports.Limits{MessageBytes: 16 << 20}
		server := transporttest.Serve(t, transport.Limited(limits), new(memory.Store))
		used := func() int64 {
			runtime.GC()
			runtime.GC() // what a sync.Pool holds is garbage only to the second one
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc + m.StackInuse)
		}
		var all []io.ReadWriteCloser
		for range n {
			all = append(all, upgrade(t, server, ""))
		}
		before := used()
		for _, conn := range all {
			io.WriteString(conn, "\x81\xff\x00\x00\x00\x00\x01\x00\x00\x00abcd"+strings.Repeat("x", 100))
		}
		time.Sleep(time.Second)
		if each := (used() - before) / n; each > readAhead+16<<10 {
			t.Errorf("100 bytes of a frame of 16 MiB cost %d bytes", each)
		}
		for _, conn := range all {
			conn.Close()
		}
	})
}

// FuzzServerFrameReader reads any stream of a user at once and byte by byte, which must make no difference,
// and what it reads must be what was sent.
func FuzzServerFrameReader(f *testing.F) {
	for _, test := range talks() {
		f.Add([]byte(test.sent))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 1000
		whole, bytewise := newServerFrameReader(bytes.NewReader(stream), most), newServerFrameReader(iotest.OneByteReader(bytes.NewReader(stream)), most)
		var framing framing
		framing.read(stream)
		for read := 0; ; {
			a, errA := whole.next()
			b, errB := bytewise.next()
			if (errA == nil) != (errB == nil) || errA != nil && errA.Error() != errB.Error() {
				t.Fatalf("the same stream, read at once and byte by byte: %v and %v", errA, errB)
			}
			if errA != nil {
				if v, ok := errors.AsType[*violation](errA); !ok && errA != io.EOF && errA != io.ErrUnexpectedEOF || ok && v.code != codeProtocol && v.code != codeTooLarge {
					t.Errorf("the stream ends with %v", errA)
				}
				if errA == io.EOF && framing.within() {
					t.Error("the stream ends between two messages, but a pace takes it for within one")
				}
				return
			}
			if a.op != b.op || !a.fin || !bytes.Equal(a.payload, b.payload) {
				t.Fatalf("the same stream, read at once and byte by byte: %v and %v", a, b)
			}
			if len(a.payload) > most || a.op >= opClose && len(a.payload) > maxControl {
				t.Fatalf("a frame of kind %d with %d bytes", a.op, len(a.payload))
			}
			if read += minFrame + len(a.payload); read > len(stream) {
				t.Fatalf("%d bytes of frames in a stream of %d", read, len(stream))
			}
		}
	})
}
