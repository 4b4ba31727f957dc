package loadgen

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/store/memory"
)

// oneWay is a transport that streams messages as lines of JSON in one response. Its users send by POST
// requests.
type oneWay struct{}

var _ transports.Transport = oneWay{}

func (oneWay) Way() transports.Way { return transports.Way{Title: "one way", Stream: true} }

func (oneWay) Handler(log transports.Log) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r, log)
		if !ok {
			return
		}
		out := http.NewResponseController(w)
		for out.Flush() == nil {
			messages, err := log.Next(r.Context(), r.PathValue("room"), after, 100)
			if err != nil {
				return
			}
			for _, m := range messages {
				w.Write(append(transports.AppendJSON(nil, m), '\n'))
				after = m.Seq
			}
		}
	})
}

func (oneWay) Join(ctx context.Context, t transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	s := &oneWaySession{Sender: transports.Sender{Target: t, Room: room}, cursor: from}
	living, end := s.Reading(context.WithoutCancel(ctx)) // the stream outlives ctx
	joining := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	u := t.RoomURL(room, "one-way")
	u.RawQuery = "after=" + string(from)
	resp, err := t.HTTP.RoundTrip(transports.NewRequest(living, http.MethodGet, u, http.Header{}, nil))
	if err != nil {
		return nil, err
	}
	if !joining() || resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("joining: %s, %w", resp.Status, context.Cause(ctx))
	}
	s.resp = resp
	return s, nil
}

type oneWaySession struct {
	transports.Sender

	resp   *http.Response
	cursor transports.Cursor
}

func (s *oneWaySession) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		defer s.resp.Body.Close()
		defer context.AfterFunc(ctx, func() { s.Close() })()
		lines := bufio.NewScanner(s.resp.Body)
		for lines.Scan() {
			m, _, ok := transports.ParseMessage(lines.Bytes())
			if !ok {
				yield(m, fmt.Errorf("reading a stream: bad line %q", lines.Text()))
				return
			}
			s.cursor = transports.CursorAt(m.Seq)
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (s *oneWaySession) Cursor() transports.Cursor { return s.cursor }

// TestOneWayStream measures a stream that is not a WebSocket. Opening it counts as a handshake, too;
// the requests that send messages count as posts.
func TestOneWayStream(t *testing.T) {
	log := feed.New(&memory.Store{}, 0)
	t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	mux.Handle("GET /rooms/{room}/one-way", oneWay{}.Handler(log))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}

	s := small
	s.Warmup, s.Senders = 0, 1 // so that every send is counted, and half of the users only read
	plan := NewPlan(s, 1)
	w, err := aWindow(s, "websocket", plan)
	if err != nil {
		t.Fatal(err)
	}
	w.client, w.way, w.name = oneWay{}, oneWay{}.Way(), "one-way"
	out, err := w.measure(t.Context(), []*url.URL{base})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, *out)

	users, senders := int64(s.Users), int64(s.Users/s.RoomSize)
	got := out.Traffic
	if got.Connections != users+senders || got.Requests != users || got.Handshakes != users || got.EmptyResponses != 0 {
		t.Errorf("%+v, want %d requests that are handshakes, and one more connection for each of %d senders", got, users, senders)
	}
	if got.Posts < int64(out.Sent)-senders || got.Posts > int64(out.Sent) { // the last ones may be sent after the end
		t.Errorf("%d posts for %d messages", got.Posts, out.Sent)
	}
	if want := users * handshakeBytes(t, base, w.rooms+"-0"); got.HandshakeBytes != want {
		t.Errorf("handshakes of %d bytes, want %d", got.HandshakeBytes, want)
	}
	if least := int64(s.Size) * got.Posts; got.BytesIn < least || got.BytesOut < least {
		t.Errorf("%d bytes in and %d out for %d messages of %d bytes", got.BytesIn, got.BytesOut, got.Posts, s.Size)
	}
}

// handshakeBytes opens one stream and returns the bytes of that exchange, as counted by a Dialer that
// counts no handshakes.
func handshakeBytes(t *testing.T, base *url.URL, room string) int64 {
	t.Helper()
	counts := &wire.Counts{}
	pool := &wire.Pool{Dialer: wire.NewDialer(base, counts)}
	session, err := oneWay{}.Join(t.Context(), transports.Target{Base: base, HTTP: pool}, room+"-new", "")
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
	session.(*oneWaySession).resp.Body.Close() // as nothing reads it
	pool.Close()
	total := counts.Total()
	return total.BytesIn + total.BytesOut - int64(len("-new"))
}

// TestStreamUsersRejoin ends the users' streams early: the users open new ones, and lose no message.
func TestStreamUsersRejoin(t *testing.T) {
	log := feed.New(&memory.Store{}, 0)
	t.Cleanup(log.Close)
	mux := http.NewServeMux()
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, transports.Limits{}))
	short := oneWay{}.Handler(log)
	mux.HandleFunc("GET /rooms/{room}/one-way", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 300*time.Millisecond)
		defer cancel()
		short.ServeHTTP(w, r.WithContext(ctx))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := small
	s.Warmup = 0
	w, err := aWindow(s, "websocket", NewPlan(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	w.client, w.way, w.name = oneWay{}, oneWay{}.Way(), "one-way"
	out, err := w.measure(t.Context(), []*url.URL{base})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, *out)
	if out.Rejoins < s.Users || out.Traffic.Handshakes < int64(s.Users) || out.Traffic.Handshakes != out.Traffic.Requests {
		t.Errorf("%d rejoins, %+v", out.Rejoins, out.Traffic)
	}
}
