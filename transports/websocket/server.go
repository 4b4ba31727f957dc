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
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // checked above, with the scheme
		if err != nil {
			return // Accept has answered
		}
		conn.SetReadLimit(6*int64(limits.MessageBytes) + 64) // \u00XX is the longest spelling of a byte
		peer{conn, log, r.PathValue("room"), limits}.serve(r.Context(), after)
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

// A peer is the server's side of one user.
type peer struct {
	conn   *websocket.Conn
	log    transports.Log
	room   string
	limits transports.Limits
}

// serve returns when the connection is closed, and everything it started has ended.
func (p peer) serve(ctx context.Context, after uint64) {
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
		cancel(p.receive(life))
	}()
	err := p.send(ctx, life, after)
	cancel(err)
	code, reason := status(err)
	_ = p.conn.Close(code, reason) // whatever it returns, the connection is closed
	end()
	<-received
}

// send writes what follows after until ctx ends, and returns why.
func (p peer) send(ctx, life context.Context, after uint64) error {
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

// receive stores what the user sends, until the connection's life ends, and returns why.
func (p peer) receive(life context.Context) error {
	for {
		_, data, err := p.conn.Read(life)
		if err != nil {
			return err
		}
		text, err := transports.ParseText(data, p.limits.MessageBytes)
		if err != nil {
			return err
		}
		seq, err := p.log.Append(life, p.room, text)
		answer := strconv.AppendUint([]byte(storedPrefix), seq, 10)
		answer = append(answer, '}')
		if err != nil {
			answer, _ = json.Marshal(map[string]string{"error": err.Error()}) // a string always marshals
		}
		if err := p.write(life, answer); err != nil {
			return err
		}
	}
}

// write writes one frame. How long a user may take for it is the serving process's to say, of
// every connection: a context with a time of its own would cost a fifth of the CPU of a delivery.
func (p peer) write(life context.Context, frame []byte) error {
	return p.conn.Write(life, websocket.MessageText, frame)
}

// status says err in a close frame.
func status(err error) (websocket.StatusCode, string) {
	var gap *transports.GapError
	var large *http.MaxBytesError
	switch closed := websocket.CloseStatus(err); {
	case errors.Is(err, transports.ErrStopping):
		return websocket.StatusGoingAway, err.Error()
	case errors.As(err, &gap):
		return StatusGap, fmt.Sprintf(`{"oldest":%d}`, gap.Oldest)
	case errors.As(err, &large):
		return websocket.StatusMessageTooBig, brief(err)
	case errors.Is(err, transports.ErrText):
		return websocket.StatusInvalidFramePayloadData, brief(err)
	case closed != -1:
		return websocket.StatusNormalClosure, ""
	default:
		return websocket.StatusInternalError, brief(err)
	}
}

// brief is what fits into a close frame.
func brief(err error) string {
	s := err.Error()
	return strings.ToValidUTF8(s[:min(len(s), 123)], "")
}
