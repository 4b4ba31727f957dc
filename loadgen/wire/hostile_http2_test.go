package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A hostile2 is a server that speaks HTTP/2 and means no good: what it does once a request has come. Settings are sent
// before that. It ends when the user's connection does.
type hostile2 struct {
	settings []http2.Setting
	answer   func(f *http2.Framer, stream uint32) error
	goesOn   bool // the connection may go on: the time of a request ends it, and the user leaves

	connections, requests atomic.Int64
}

// serve serves connections until the listener is closed.
func (h *hostile2) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		h.connections.Add(1)
		go func() {
			defer c.Close()
			buffered := bufio.NewReader(c)
			if _, err := buffered.Discard(len(http2.ClientPreface)); err != nil {
				return
			}
			f := http2.NewFramer(c, buffered)
			if f.WriteSettings(h.settings...) != nil {
				return
			}
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					return
				}
				if head, ok := frame.(*http2.HeadersFrame); ok {
					h.requests.Add(1)
					go h.answer(http2.NewFramer(c, nil), head.StreamID) // until the user has had enough
				}
			}
		}()
	}
}

// block returns a header block.
func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

// TestHostileHTTP2 asks servers that send without end, or nothing that helps: each request ends with an
// error after a bounded number of bytes, requests and connections.
func TestHostileHTTP2(t *testing.T) {
	head := block(":status", "200")
	forever := func(write func() error) error {
		for {
			if err := write(); err != nil {
				return err
			}
		}
	}
	begin := func(f *http2.Framer, stream uint32, block []byte, end bool) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: end})
	}
	for name, h := range map[string]*hostile2{
		"a head without end": {answer: func(f *http2.Framer, stream uint32) error {
			if err := begin(f, stream, head, false); err != nil {
				return err
			}
			more := block("x-more", strings.Repeat("a", 1000))
			return forever(func() error { return f.WriteContinuation(stream, false, more) })
		}},
		"continuations of nothing": {goesOn: true, answer: func(f *http2.Framer, stream uint32) error {
			if err := begin(f, stream, head, false); err != nil {
				return err
			}
			return forever(func() error { return f.WriteContinuation(stream, false, nil) })
		}},
		"a header that HPACK makes large": {answer: func(f *http2.Framer, stream uint32) error {
			large := append(bytes.Clone(head), block("x", strings.Repeat("a", 3000))...)
			for range 15_000 { // of one byte each, which stand for 3 KB
				large = append(large, 0x80|62)
			}
			return begin(f, stream, large, true)
		}},
		"early answers without end": {answer: func(f *http2.Framer, stream uint32) error {
			early := block(":status", "103", "link", strings.Repeat("a", 1000))
			return forever(func() error { return begin(f, stream, early, true) })
		}},
		"a frame of 16 MB": {answer: func(f *http2.Framer, stream uint32) error {
			return f.WriteRawFrame(http2.FrameData, 0, stream, make([]byte, 1<<24-1))
		}},
		"resets": {answer: func(f *http2.Framer, stream uint32) error {
			return f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		}},
		"a reset after a reset": {answer: func(f *http2.Framer, stream uint32) error {
			return forever(func() error { return f.WriteRSTStream(stream, http2.ErrCodeCancel) })
		}},
		"a goodbye": {answer: func(f *http2.Framer, stream uint32) error {
			return f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, bytes.Repeat([]byte("go away "), 1000))
		}},
		"a window of 0": {goesOn: true, settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, answer: func(*http2.Framer, uint32) error { return nil }},
		"no streams":    {goesOn: true, settings: []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, answer: func(*http2.Framer, uint32) error { return nil }},
		"pings": {goesOn: true, answer: func(f *http2.Framer, _ uint32) error {
			return forever(func() error { return f.WritePing(false, [8]byte{}) })
		}},
		"settings": {goesOn: true, answer: func(f *http2.Framer, _ uint32) error {
			return forever(func() error { return f.WriteSettings() })
		}},
		"data of nothing": {goesOn: true, answer: func(f *http2.Framer, stream uint32) error {
			if err := begin(f, stream, head, true); err != nil {
				return err
			}
			return forever(func() error { return f.WriteData(stream, false, nil) })
		}},
		"a byte now and then": {goesOn: true, answer: func(f *http2.Framer, stream uint32) error {
			if err := begin(f, stream, head, true); err != nil {
				return err
			}
			return forever(func() error {
				time.Sleep(20 * time.Millisecond)
				return f.WriteData(stream, false, []byte("a"))
			})
		}},
		"a push": {answer: func(f *http2.Framer, stream uint32) error {
			return forever(func() error {
				return f.WritePushPromise(http2.PushPromiseParam{StreamID: stream, PromiseID: 2, BlockFragment: head, EndHeaders: true})
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go h.serve(l)
			d := NewDialer(&url.URL{Scheme: "http", Host: l.Addr().String()}, &Counts{})
			d.HTTP2 = true
			p := &Pool{Dialer: d}
			defer p.Close()
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				said, err := get(p, method, "/", 150*time.Millisecond, poll)
				if err == nil {
					t.Errorf("%s: %.100q, want an error", method, said)
				}
			}
			if in := d.Counts.Total().BytesIn; !h.goesOn && in > 8<<20 {
				t.Errorf("%d bytes are read", in)
			}
			if requests, connections := h.requests.Load(), d.Counts.Total().Connections; requests < 1 && name != "no streams" || requests > 4 || connections > 4 {
				t.Errorf("%d requests on %d connections", requests, connections)
			}
		})
	}
}

// TestHostileTLS opens connections to servers whose TLS handshakes have no end: each ends with an error after a bounded
// number of bytes, over HTTP/1.1 and HTTP/2.
func TestHostileTLS(t *testing.T) {
	for name, c := range map[string]struct {
		first, more string // records
	}{
		"no TLS":                        {"HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("a", 1<<14)},
		"a message of 16 MB":            {"\x16\x03\x03\x40\x00\x02\xff\xff\xff" + strings.Repeat("a", 1<<14-4), "\x16\x03\x03\x40\x00" + strings.Repeat("a", 1<<14)},
		"warnings":                      {"", "\x15\x03\x03\x00\x02\x01\x5a"},
		"messages of one byte":          {"\x16\x03\x03\x00\x01\x02", "\x16\x03\x03\x00\x01\xff"},
		"records of nothing":            {"", "\x16\x03\x03\x00\x00"},
		"a record longer than may be":   {"\x16\x03\x03\xff\xff", strings.Repeat("a", 1<<14)},
		"changes of cipher without end": {"", "\x14\x03\x03\x00\x01\x01"},
	} {
		for _, over2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", name, over2), func(t *testing.T) {
				t.Parallel()
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						go func() {
							defer conn.Close()
							_, err := io.WriteString(conn, c.first)
							for err == nil {
								_, err = io.WriteString(conn, c.more)
							}
						}()
					}
				}()
				d := NewDialer(&url.URL{Scheme: "https", Host: l.Addr().String()}, &Counts{})
				d.HTTP2 = over2
				p := &Pool{Dialer: d, Sessions: &Sessions{}}
				defer p.Close()
				if said, err := get(p, http.MethodGet, "/", time.Minute, poll); err == nil {
					t.Errorf("%.100q, want an error", said)
				}
				if total := d.Counts.Total(); total.BytesIn > 1<<20 || total.Connections > 2 {
					t.Errorf("%d bytes on %d connections", total.BytesIn, total.Connections)
				}
			})
		}
	}
}

// TestTickets gets far more session tickets than a user can use: it keeps the last one.
func TestTickets(t *testing.T) {
	s := &Sessions{}
	for i := range 10 {
		s.Put("server", &tls.ClientSessionState{})
		if _, found := s.Get("server"); !found {
			t.Errorf("no session after %d tickets", i)
		}
	}
	if _, found := s.Get("another"); found {
		t.Error("a session of another server")
	}
	s.Put("server", nil) // as crypto/tls does with one that the server no longer takes
	if _, found := s.Get("server"); found {
		t.Error("a session that was dropped")
	}
}
