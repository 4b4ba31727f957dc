package loadgen

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// A clock is the Date of a server's answers: that of each third one is a second later.
type clock struct {
	http.Handler

	mu      sync.Mutex
	answers int
}

func (c *clock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.answers++
	now := time.Date(2026, 1, 1, 0, 0, c.answers/3, 0, time.UTC)
	c.mu.Unlock()
	w.Header().Set("Date", now.Format(http.TimeFormat))
	c.Handler.ServeHTTP(w, r)
}

// compressing serves every transport over HTTP/2, and returns a window whose users would speak it.
func compressing(t *testing.T, transport string, secure bool) *window {
	t.Helper()
	log := feed.New(new(memory.Store), 0)
	t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	for name, endpoint := range all.Endpoints(transports.Limits{}) {
		mux.Handle("GET /rooms/{room}/"+name, endpoint.Handler(log))
	}
	server := httptest.NewUnstartedServer(&clock{Handler: mux})
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	}
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := all.Client(transport)
	if err != nil {
		t.Fatal(err)
	}
	w := &window{client: client, way: client.Way(), size: 100, rooms: "rooms", http2: true}
	if secure {
		w.authorities = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
	w.serve([]*url.URL{base})
	return w
}

// A reference is a wire that computes the bytes of its exchanges from RFC 9113 and RFC 7541: a HEADERS frame each way,
// and a DATA frame for each body, with a head of 9 bytes.
type reference struct {
	wire   http.RoundTripper
	record int // bytes that TLS adds to each frame

	tables [2]*hpack.Encoder // of requests and of answers
	texts  [2]bytes.Buffer
	bytes  int
	bodies int // part of bytes
}

func newReference(wire http.RoundTripper, secure bool) *reference {
	r := &reference{wire: wire}
	for i := range r.tables {
		r.tables[i] = hpack.NewEncoder(&r.texts[i])
	}
	if secure {
		r.record = 22
	}
	return r
}

// frames adds the frames of a request, in table 0, or of an answer to one.
func (r *reference) frames(table int, first [][2]string, header http.Header, length int) {
	r.texts[table].Reset()
	write := func(name, value string) {
		_ = r.tables[table].WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value}) // into memory
	}
	for _, field := range first {
		write(field[0], field[1])
	}
	for name, values := range header {
		for _, value := range values {
			write(name, value)
		}
	}
	r.bytes += 9 + r.texts[table].Len() + r.record
	if length > 0 {
		r.bytes += 9 + length + r.record
		r.bodies += length
	}
}

func (r *reference) RoundTrip(req *http.Request) (*http.Response, error) {
	header := req.Header.Clone()
	if req.ContentLength > 0 {
		header.Set("Content-Length", strconv.FormatInt(req.ContentLength, 10))
	}
	r.frames(0, [][2]string{{":authority", req.URL.Host}, {":method", req.Method}, {":path", req.URL.RequestURI()}, {":scheme", req.URL.Scheme}}, header, int(req.ContentLength))
	resp, err := r.wire.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.frames(1, [][2]string{{":status", strconv.Itoa(resp.StatusCode)}}, resp.Header, len(body))
	return resp, nil
}

// TestCompressed lets a user poll and send over HTTP/2, and compares what its connection carries with the calibrated
// bytes and with the RFCs.
func TestCompressed(t *testing.T) {
	long := strings.Repeat("1s1", 40) // longer than the tables
	// A - is a poll without a message, a digit one with so many, and an s a message of the user's own, which it reads
	// then. A held poll without a message has a shorter hold here, and so a path of its own.
	for transport, conversation := range map[string]string{
		"short-poll": "--1-s2--1s3-1-1ss" + long, "long-poll": "--1s21s311ss" + long, "long-poll-scan": "--1s21s311ss" + long,
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", transport, secure), func(t *testing.T) {
				w := compressing(t, transport, secure)
				b, err := (&probe{window: w}).bytes(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p := &probe{window: w, room: "rooms-7"}
				other, err := p.talker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer other.leave()
				user, err := p.talker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer user.leave()
				ref := newReference(user.dates.wire, secure)
				// What joining has left in the tables.
				ref.frames(0, [][2]string{{":authority", user.pool.Dialer.Base().Host}}, nil, 0)
				place := user.Cursor()
				ref.frames(1, nil, http.Header{"Next-Cursor": {string(place)}, "Cache-Control": {"no-store"}, "Date": {user.dates.last}}, 0)
				ref.bytes, user.dates.wire = 0, ref
				before, changes := user.carried(), user.dates.seen()
				var sends, messages, full, empty int64
				for i, do := range conversation {
					n := 0
					switch do {
					case '-':
						empty++
					case 's':
						if err := user.say(t.Context()); err != nil {
							t.Fatal(err)
						}
						sends++
						n = 1
					default:
						n = int(do - '0')
						for range n {
							if err := other.say(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
					}
					if n > 0 {
						full++
						messages += int64(n)
					}
					if place, err = p.pollOn(t.Context(), user.probeSession, place, n); err != nil {
						t.Fatalf("%d, %c: %v", i, do, err)
					}
				}
				got, dates := user.carried()-before, user.dates.seen()-changes
				// Of bodies of 4 KiB the Go client and server take note by a WINDOW_UPDATE of the connection, 13 bytes.
				rfc := float64(ref.bytes) + float64(ref.bodies)/4096*float64(13+ref.record)
				if math.Abs(float64(got)/rfc-1) > .002 {
					t.Errorf("%d bytes, %.0f according to the RFCs", got, rfc)
				}
				l := b.Literals
				want := sends*b.Send + empty*b.Empty + full*b.Answer + messages*b.Message + l.Send + l.Answer + l.Poll + dates*l.Date
				if math.Abs(float64(got)/float64(want)-1) > .015 {
					t.Errorf("%d bytes, %d according to %+v and %+v", got, want, *b, *l)
				}
			})
		}
	}
}

// TestCompressedStream is TestCompressed for a stream, on which only messages and their acknowledgements have headers.
func TestCompressedStream(t *testing.T) {
	for _, secure := range []bool{false, true} {
		w := compressing(t, "sse", secure)
		b, err := (&probe{window: w}).bytes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		user, err := (&probe{window: w, room: "rooms-7"}).talker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer user.leave()
		if err := user.say(t.Context()); err != nil { // with the beginning of the stream
			t.Fatal(err)
		}
		const sends = 100
		before, changes := user.carried(), user.dates.seen()
		for range sends {
			if err := user.say(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got, l := user.carried()-before, b.Literals
		want := sends*(b.Send+b.Message) + (user.dates.seen()-changes)*l.Date
		tolerance := .015 * float64(want)
		if secure { // what is written at once is in one record, so an acknowledgement and a message may be
			tolerance += 22 * sends
		}
		if math.Abs(float64(got-want)) > tolerance {
			t.Errorf("TLS %t: %d bytes, %d according to %+v and %+v", secure, got, want, *b, *l)
		}
		first := int64(0)
		for _, value := range []string{"/rooms/rooms-p/messages", "text/plain; charset=utf-8", "100", "201", "application/json", "25"} {
			first += int64(hpack.HuffmanEncodeLength(value)) + 1
		}
		if l.Send < first-2 || l.Send > first+2 {
			t.Errorf("TLS %t: the headers of the first message take %d bytes, want %d", secure, l.Send, first)
		}
		if date := int64(hpack.HuffmanEncodeLength(user.dates.last)) + 1; l.Date < date-1 || l.Date > date+1 {
			t.Errorf("TLS %t: a new Date takes %d bytes, want %d", secure, l.Date, date)
		}
	}
}

// TestRepeatedDate asks a server that writes its headers in full each time, as nginx does: a new Date takes no more.
func TestRepeatedDate(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serveLiterals(conn)
	})
	base := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	w := &window{http2: true}
	w.serve([]*url.URL{base})
	p := &probe{window: w}
	s := p.connect()
	defer s.pool.Close()
	if n, err := p.newDate(t.Context(), s); n != 0 || err != nil {
		t.Errorf("%d bytes, %v, want 0", n, err)
	}
}

// serveLiterals answers each request with the same headers, none of which it adds to a table.
func serveLiterals(conn net.Conn) {
	if _, err := io.CopyN(io.Discard, conn, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	if framer.WriteSettings() != nil {
		return
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			var head bytes.Buffer
			encoder := hpack.NewEncoder(&head)
			for _, field := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "date", Value: "Thu, 01 Jan 2026 00:00:06 GMT", Sensitive: true}} {
				_ = encoder.WriteField(field) // into memory
			}
			err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true})
		}
		if err != nil {
			return
		}
	}
}
