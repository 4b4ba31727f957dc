// Package websocket is the transport over WebSocket: each user opens one connection, sends on it,
// and the server writes messages to it as they come.
//
// It keeps no queue per user. The log is the queue: a slow reader falls behind in it, and a user
// that reads nothing for the write timeout is disconnected and can resume from its cursor.
//
// All frames are text. A user sends {"body":"..."}. The server acknowledges it with {"stored":7}
// once it is stored, or with {"error":"..."}, in the order of the sends. It delivers messages as
// {"seq":7,"body":"..."}. It closes the connection with code 1001 when it stops, 4410 and the reason
// {"oldest":9} when messages after the cursor are gone, 1009 after a message that is too large, 1007
// after one that is not UTF-8 or not JSON, 1003 after a binary one, 1008 after one that has not arrived
// whole within 10 s, and 1011 when the store can't be reached.
//
// The server reads at most transports.Limits.Frames frames a second from a connection, pings,
// fragments and pieces of less than 64 bytes included, over a burst of as many. It holds back a user that sends more, which TCP then
// slows down, and closes the connection with code 1008 once it has held it back for 10 s in all without
// a pause. The limit doesn't bound a flood over many connections, nor what a message costs its readers.
package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nhooyr.io/websocket"

	"pushpull/transports"
)

// Name is the transport's name in routes and on the command line.
const Name = "websocket"

// StatusGap is the close code for a cursor after which messages have left the log.
const StatusGap = 4410

// closeTimeout bounds the closing handshake: the time to read a close frame, or to answer one.
const closeTimeout = 2 * time.Second

// storedPrefix begins the acknowledgement of a stored message.
const storedPrefix = `{"stored":`

// A Transport is the WebSocket transport. Its zero value works.
type Transport struct {
	Limits transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport. Any setting is an error.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	if setting != "" {
		return nil, fmt.Errorf("%s takes no interval", Name)
	}
	return Transport{Limits: limits}, nil
}

// Way implements transports.Client and transports.Endpoint.
func (Transport) Way() transports.Way {
	return transports.Way{Title: "WebSocket", Stream: true, Duplex: true}
}

// Handler upgrades the request and writes the messages after the cursor as they come.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		if !lists(r.Header, "Upgrade", "websocket") {
			w.Header().Set("Upgrade", "websocket")
			transports.Error(w, http.StatusUpgradeRequired, "this route speaks WebSocket: connect with Upgrade: websocket")
			return
		}
		if origin := r.Header.Get("Origin"); !allowed(origin, r.Host, limits.Origins) {
			transports.Error(w, http.StatusForbidden, "pages of %.100q may not connect: allow them with --allow-origin", origin)
			return
		}
		raw := &rawConn{pace: newPace(limits.Frames)}
		conn, err := websocket.Accept(hijacker{w, raw}, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin is checked above, with its scheme
		if err != nil {
			return // Accept has answered
		}
		conn.SetReadLimit(-1) // store has a limit, and reports it when it closes
		p := peer{conn: conn, raw: raw, log: log, room: r.PathValue("room"), limits: limits}
		p.serve(r.Context(), after)
	})
}

// allowed reports whether pages of origin may connect to host.
func allowed(origin, host string, origins []string) bool {
	if origin == "" || slices.Contains(origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

// A peer is the server's side of one user's connection.
type peer struct {
	conn   *websocket.Conn
	raw    *rawConn
	log    transports.Log
	room   string
	limits transports.Limits

	writing sync.Mutex // held while a frame is written, the close frame included
}

// serve returns when the connection is closed and the goroutines it started have ended.
func (p *peer) serve(ctx context.Context, after uint64) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The connection outlives ctx by closeTimeout, so that the user can answer the close frame. The
	// end of life unblocks pending reads and writes: a user that reads nothing must not keep the
	// server from stopping.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	context.AfterFunc(ctx, func() {
		timer := time.NewTimer(closeTimeout)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-life.Done():
		}
	})
	p.raw.life = life.Done()
	p.raw.flooding = func() { cancel(flooded(p.limits.Frames)) }
	received := make(chan struct{})
	go func() {
		defer close(received)
		p.receive(life, cancel)
	}()
	err := p.deliver(ctx, life, after)
	cancel(err)
	p.sendClose(err)
	<-received            // the user has answered the close frame, or closeTimeout has passed
	_ = p.conn.CloseNow() // the connection is closed even if this fails
}

// deliver writes the messages after seq after, until ctx ends or writing fails, and returns the reason.
// A slow reader holds one batch of messages, whose bodies it shares with the store's answer, and one
// encoded frame, for at most twice the write timeout: it has that time for the whole batch and, set by
// the serving process, for the frame being written.
func (p *peer) deliver(ctx, life context.Context, after uint64) error {
	var buf []byte
	for {
		messages, err := p.log.Next(ctx, p.room, after, p.limits.Batch)
		if err != nil {
			return err
		}
		// One deadline covers the whole batch, which stays in memory until it is written. A single short
		// message is one write, which has the same deadline by default.
		long := len(messages) > 1 || len(messages[0].Body) > 4<<10
		if long {
			_ = p.raw.SetWriteDeadline(time.Now().Add(p.limits.WriteTimeout))
		}
		for _, m := range messages {
			buf = transports.AppendJSON(buf[:0], m)
			if err := p.write(life, buf); err != nil {
				return err
			}
			after = m.Seq
		}
		if long {
			_ = p.raw.SetWriteDeadline(time.Time{})
		}
		if cap(buf) > 4<<10 {
			buf = nil // else one large message would cost every user its size from then on
		}
	}
}

// receive stores the user's messages until life ends or the connection breaks. After an invalid
// message it cancels the peer with the error and discards further messages, but reads on, as the
// user's close frame may follow.
func (p *peer) receive(life context.Context, cancel context.CancelCauseFunc) {
	for refused := false; ; {
		kind, data, err := p.conn.Reader(life)
		if err == nil && !refused && !p.raw.closed.Load() { // else it can't be acknowledged
			if err := p.store(life, kind, data); err != nil {
				cancel(err)
				refused = true
			}
		}
		if err == nil {
			_, err = io.Copy(io.Discard, data)
		}
		if err != nil {
			cancel(unreadable(err))
			return
		}
	}
}

// unreadable returns the reason for which a peer ends after a read has failed with err.
func unreadable(err error) error {
	if errors.Is(err, errLate) {
		return errLate
	}
	return &goneError{err}
}

// store stores one message and acknowledges it.
func (p *peer) store(life context.Context, kind websocket.MessageType, data io.Reader) error {
	if kind != websocket.MessageText {
		return errBinary
	}
	limit := 6*p.limits.MessageBytes + 64 // \u00XX is the longest spelling of a byte
	sent, err := io.ReadAll(io.LimitReader(data, int64(limit)+1))
	if err != nil {
		return unreadable(err)
	}
	if len(sent) > limit {
		return transports.CheckText(sent, p.limits.MessageBytes)
	}
	text, err := transports.ParseText(sent, p.limits.MessageBytes)
	if err != nil {
		return err
	}
	seq, err := p.log.Append(life, p.room, text)
	reply := strconv.AppendUint([]byte(storedPrefix), seq, 10)
	reply = append(reply, '}')
	if err != nil {
		reply, _ = json.Marshal(map[string]string{"error": transports.StoreText(err)}) // a string always marshals
	}
	return p.write(life, reply)
}

// write writes one frame. The write timeout is set by the serving process, on the connection: a
// context with a timeout for each frame would cost a fifth of the CPU time of a delivery.
func (p *peer) write(life context.Context, frame []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.conn.Write(life, websocket.MessageText, frame); err != nil {
		return &goneError{err}
	}
	return nil
}

// A goneError means that the connection is broken or closed, so no close frame can be sent.
type goneError struct{ error }

// sendClose writes a close frame with the code and reason of err. Later writes are dropped.
func (p *peer) sendClose(err error) {
	if _, gone := errors.AsType[*goneError](err); gone {
		return
	}
	code, reason := status(err)
	frame := append([]byte{finBit | opClose, byte(2 + len(reason))}, byte(code>>8), byte(code))
	frame = append(frame, reason...)
	p.writing.Lock()
	defer p.writing.Unlock()
	p.raw.closed.Store(true)
	_, _ = p.raw.Conn.Write(frame) // if this fails, the user still sees the connection close
}

// A policyError means that the user breaks a rule of this server.
type policyError string

func (e policyError) Error() string { return string(e) }

// flooded returns the error of a user that sends too many frames.
func flooded(limit int) error {
	return policyError(fmt.Sprintf("more than %d frames a second for %v: send fewer, or raise --max-frames", limit, patience))
}

var errBinary = errors.New(`binary message: send {"body":"the text"} as a text`)

// status returns the close code and reason of err.
func status(err error) (websocket.StatusCode, string) {
	var gap *transports.GapError
	var large *http.MaxBytesError
	var policy policyError
	switch {
	case errors.Is(err, transports.ErrStopping):
		return websocket.StatusGoingAway, transports.ErrStopping.Error()
	case errors.As(err, &gap):
		return StatusGap, fmt.Sprintf(`{"oldest":%d}`, gap.Oldest)
	case errors.As(err, &large):
		return websocket.StatusMessageTooBig, brief(err)
	case errors.Is(err, transports.ErrText):
		return websocket.StatusInvalidFramePayloadData, brief(err)
	case errors.Is(err, errBinary):
		return websocket.StatusUnsupportedData, errBinary.Error()
	case errors.As(err, &policy):
		return websocket.StatusPolicyViolation, policy.Error()
	default:
		return websocket.StatusInternalError, transports.StoreText(err)
	}
}

// brief returns the part of err's text that fits into a close frame.
func brief(err error) string {
	s := err.Error()
	return strings.ToValidUTF8(s[:min(len(s), 123)], "")
}
