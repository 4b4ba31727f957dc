// Package websocket is the transport in which nobody waits: a user opens one connection, sends on
// it, and the server writes to it as messages come.
//
// It keeps no queue for a user. The log is the queue: who reads slowly falls behind in it, and
// who takes nothing for a while is cut off and may come back with a cursor.
//
// Frames are text. A user sends {"body":"..."} and gets {"stored":7} once it is stored, or
// {"error":"..."}, in the order of the sends. Messages come as {"seq":7,"body":"..."}.
// The server closes with 1001 when it stops, 4410 and the reason {"oldest":9} when messages after
// the cursor are gone, 1009 after a message that is too large, 1007 after one that isn't text or
// isn't JSON, and 1011 when the store can't be reached.
package websocket

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nhooyr.io/websocket"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "websocket"

// StatusGap is the close code that says that messages after the cursor have left the log.
const StatusGap = 4410

// goodbye is how long a user gets to answer the server's close.
const goodbye = 2 * time.Second

// storedPrefix begins the answer to a send that is stored.
const storedPrefix = `{"stored":`

// A Transport is WebSocket. Its zero value works.
type Transport struct {
	Limits transports.Limits // the server's
}

var (
	_ transports.Transport = Transport{}
	_ transports.Duplex    = Transport{}
)

// Duplex says that users send on the connection that they read from.
func (Transport) Duplex() {}

// Handler upgrades the request and writes what follows the cursor, as it comes.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			w.Header().Set("Upgrade", "websocket")
			transports.Error(w, http.StatusUpgradeRequired, "this route speaks WebSocket: ask with Upgrade: websocket")
			return
		}
		if origin := r.Header.Get("Origin"); !allowed(origin, r.Host, limits.Origins) {
			transports.Error(w, http.StatusForbidden, "pages of %.100q may not connect: allow them with --allow-origin", origin)
			return
		}
		wire := new(wire)
		conn, err := websocket.Accept(hijacker{w, wire}, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // checked above, with the scheme
		if err != nil {
			return // Accept has answered
		}
		conn.SetReadLimit(-1) // ours says why it closes
		p := peer{conn: conn, wire: wire, log: log, room: r.PathValue("room"), limits: limits}
		p.serve(r.Context(), after)
	})
}

// allowed says whether pages of origin may connect to host.
func allowed(origin, host string, origins []string) bool {
	if origin == "" || slices.Contains(origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

// A wire is the connection below the library's, which answers the peer's answer to a close with one
// more: a browser takes that for a broken connection and keeps the code of the close to itself
// (https://github.com/coder/websocket/issues/448). So the server writes its close frame beside the
// library, as the last thing that leaves.
type wire struct {
	net.Conn
	closed atomic.Bool // nothing leaves any more
}

func (w *wire) Write(data []byte) (int, error) {
	if w.closed.Load() {
		return len(data), nil
	}
	return w.Conn.Write(data)
}

// A hijacker hands a connection over through a wire.
type hijacker struct {
	http.ResponseWriter
	wire *wire
}

// Hijack implements http.Hijacker.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.Conn = conn
	rw.Writer.Reset(h.wire)
	return h.wire, rw, nil
}

// A peer is the server's side of one user.
type peer struct {
	conn   *websocket.Conn
	wire   *wire
	log    transports.Log
	room   string
	limits transports.Limits

	writing sync.Mutex // one whole frame at a time, the last one too
}

// serve returns when the connection is closed, and everything it started has ended.
func (p *peer) serve(ctx context.Context, after uint64) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The connection outlives ctx by a goodbye, in which the user may answer our close. Its end
	// frees whoever reads or writes: a user who takes nothing doesn't keep the server from stopping.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	context.AfterFunc(ctx, func() {
		timer := time.NewTimer(goodbye)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-life.Done():
		}
	})
	received := make(chan struct{})
	go func() {
		defer close(received)
		p.receive(life, cancel)
	}()
	err := p.send(ctx, life, after)
	cancel(err)
	p.sayGoodbye(err)
	<-received            // the user has closed, too, or its time is up
	_ = p.conn.CloseNow() // whatever it returns, the connection is closed
}

// send writes what follows after until ctx ends, and returns why.
func (p *peer) send(ctx, life context.Context, after uint64) error {
	var buf []byte
	for {
		messages, err := p.log.Next(ctx, p.room, after, p.limits.Batch)
		if err != nil {
			return err
		}
		for _, m := range messages {
			buf = transports.AppendJSON(buf[:0], m)
			if err := p.write(life, buf); err != nil {
				return err
			}
			after = m.Seq
		}
		if cap(buf) > 4<<10 {
			buf = nil // one large message should not cost its size for each user from then on
		}
	}
}

// receive stores what the user sends until the connection's life ends. It ends the peer with what
// is wrong; what comes after that is let pass, as the user's close may follow.
func (p *peer) receive(life context.Context, cancel context.CancelCauseFunc) {
	for refused := false; ; {
		_, data, err := p.conn.Reader(life)
		if err == nil && !refused {
			if err := p.take(life, data); err != nil {
				cancel(err)
				refused = true
			}
		}
		if err == nil {
			_, err = io.Copy(io.Discard, data)
		}
		if err != nil {
			cancel(&goneError{err})
			return
		}
	}
}

// take stores one message and says so.
func (p *peer) take(life context.Context, data io.Reader) error {
	limit := 6*p.limits.MessageBytes + 64 // \u00XX is the longest spelling of a byte
	sent, err := io.ReadAll(io.LimitReader(data, int64(limit)+1))
	if err != nil {
		return &goneError{err}
	}
	if len(sent) > limit {
		return transports.CheckText(sent, p.limits.MessageBytes)
	}
	text, err := transports.ParseText(sent, p.limits.MessageBytes)
	if err != nil {
		return err
	}
	seq, err := p.log.Append(life, p.room, text)
	answer := strconv.AppendUint([]byte(storedPrefix), seq, 10)
	answer = append(answer, '}')
	if err != nil {
		answer, _ = json.Marshal(map[string]string{"error": err.Error()}) // a string always marshals
	}
	return p.write(life, answer)
}

// write writes one frame. How long a user may take for it is the serving process's to say, of
// every connection: a context with a time of its own would cost a fifth of the CPU of a delivery.
func (p *peer) write(life context.Context, frame []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.conn.Write(life, websocket.MessageText, frame); err != nil {
		return &goneError{err}
	}
	return nil
}

// A goneError says that the connection is broken or closed: there is nobody to say goodbye to.
type goneError struct{ error }

// sayGoodbye writes a close frame that says err. Nothing leaves after it.
func (p *peer) sayGoodbye(err error) {
	if _, gone := errors.AsType[*goneError](err); gone {
		return
	}
	code, reason := status(err)
	frame := append([]byte{finBit | opClose, byte(2 + len(reason))}, byte(code>>8), byte(code))
	frame = append(frame, reason...)
	p.writing.Lock()
	defer p.writing.Unlock()
	p.wire.closed.Store(true)
	_, _ = p.wire.Conn.Write(frame) // who can't take it sees the connection close
}

// status says err in a close frame.
func status(err error) (websocket.StatusCode, string) {
	var gap *transports.GapError
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, transports.ErrStopping):
		return websocket.StatusGoingAway, err.Error()
	case errors.As(err, &gap):
		return StatusGap, fmt.Sprintf(`{"oldest":%d}`, gap.Oldest)
	case errors.As(err, &large):
		return websocket.StatusMessageTooBig, brief(err)
	case errors.Is(err, transports.ErrText):
		return websocket.StatusInvalidFramePayloadData, brief(err)
	default:
		return websocket.StatusInternalError, brief(err)
	}
}

// brief is what fits into a close frame.
func brief(err error) string {
	s := err.Error()
	return strings.ToValidUTF8(s[:min(len(s), 123)], "")
}
