// Package websocket is the transport over WebSocket: each user opens one connection, sends on it,
// and the server writes messages to it as they come.
//
// It has two engines that speak the same protocol on a connection: nhooyr.io/websocket, and a lean one
// made of this package's own frames. Each is a transport, so that a comparison shows which part of the
// cost is the protocol's and which is the library's.
//
// It keeps no queue per user. The log is the queue: a slow reader falls behind in it, and a user
// that reads nothing for the write timeout is disconnected and can resume from its cursor.
//
// All frames are text. A user sends {"body":"..."}, or {"key":"4.7","body":"..."} with a key by which the server
// knows the message when it is sent again, see transports.Key. The server acknowledges it with {"stored":7}
// once it is stored, or with {"error":"..."}, in the order of the sends. It delivers messages as
// {"seq":7,"body":"..."}. It closes the connection with code 1001 when it stops, 4410 and the reason
// {"oldest":9} when messages after the cursor are gone, 1009 after a message that is too large, 1007
// after one that is not UTF-8 or not JSON, 1003 after a binary one, 1002 after a frame against RFC 6455,
// 1008 after a message that has not arrived whole within 10 s, and 1011 when the store can't be reached.
//
// The server sends a ping every transports.Limits.Heartbeat, the first one after a random part of it. If
// nothing has come from the user between two pings twice in a row, the connection ends. A user does the
// same to a server that promises pings.
//
// The server reads at most transports.Limits.Frames frames a second from a connection, pings,
// fragments and pieces of less than 64 bytes included, over a burst of as many. It holds back a user that sends more, which TCP then
// slows down, and closes the connection with code 1008 once it has held it back for 10 s in all without
// a pause. The limit doesn't bound a flood over many connections, nor what a message costs its readers.
package websocket

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/transports"
)

// The names of the transports in routes and on the command line.
const (
	Name     = "websocket"      // on nhooyr.io/websocket
	NameLean = "websocket-lean" // on this package's own frames
)

// StatusGap is the close code for a cursor after which messages have left the log.
const StatusGap = 4410

// closeTimeout is how long a user takes at most to send a close frame.
const closeTimeout = 2 * time.Second

// storedPrefix begins the acknowledgement of a stored message.
const storedPrefix = `{"stored":`

// A Transport is the WebSocket transport. Its zero value works.
type Transport struct {
	Lean   bool              // the server's side uses the lean engine
	Limits transports.Limits // of the server's side
}

var _ transports.Transport = Transport{}

// New returns the transport on nhooyr.io/websocket. Any setting is an error.
func New(setting string, limits transports.Limits) (transports.Transport, error) {
	return create(Transport{Limits: limits}, setting)
}

// NewLean returns the transport on the lean engine. Any setting is an error.
func NewLean(setting string, limits transports.Limits) (transports.Transport, error) {
	return create(Transport{Lean: true, Limits: limits}, setting)
}

func create(t Transport, setting string) (transports.Transport, error) {
	if setting != "" {
		return nil, fmt.Errorf("%s takes no interval", t.name())
	}
	return t, nil
}

func (t Transport) name() string {
	if t.Lean {
		return NameLean
	}
	return Name
}

// Way implements transports.Client and transports.Endpoint.
func (t Transport) Way() transports.Way {
	way := transports.Way{
		Title: "WebSocket", Engine: "nhooyr.io/websocket",
		Stream: true, Duplex: true, Heartbeat: transports.Heartbeat,
	}
	if t.Lean {
		way.Title, way.Engine = "WebSocket (lean)", "this project's own frames"
	}
	return way
}

// An engine answers the handshake of a request and takes over its connection.
type engine func(w http.ResponseWriter, r *http.Request, raw *rawConn, limits transports.Limits) (reader, error)

// A reader reads what a user sends. It answers pings and close frames.
type reader interface {
	// read returns the next message, which is valid until the next call. A *refusal is a message that
	// can't be stored, after which further ones may be read; every other error is the last one.
	read() ([]byte, error)

	// close ends everything that the engine runs for a connection, which is closed.
	close()
}

// A refusal is the error of a message that can't be stored.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// largestText returns how many bytes a message may have as it is sent.
func largestText(limits transports.Limits) int {
	return 6*limits.MessageBytes + 64 // \u00XX is the longest spelling of a byte
}

// Handler upgrades the request and writes the messages after the cursor as they come.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	var open engine = openNhooyr
	if t.Lean {
		open = openLean
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r, log)
		if !ok {
			return
		}
		if !transports.Lists(r.Header["Upgrade"], "websocket") {
			w.Header().Set("Upgrade", "websocket")
			transports.Error(w, http.StatusUpgradeRequired, "this route speaks WebSocket: connect with Upgrade: websocket")
			return
		}
		if origin := r.Header.Get("Origin"); !allowed(origin, r.Host, limits.Origins) {
			transports.Error(w, http.StatusForbidden, "pages of %.100q may not connect: allow them with --allow-origin", origin)
			return
		}
		transports.PromiseHeartbeat(w.Header(), limits)
		p := &peer{limits: limits}
		p.stream = transports.Stream{
			Log: log, Room: strings.Clone(r.PathValue("room")), Spelling: frames, Limits: limits,
			Last: p.farewell, Answered: true,
		}
		p.raw = rawConn{pace: newPace(limits.Frames), stream: &p.stream, heartbeat: limits.Heartbeat}
		var err error
		if p.reader, err = open(w, r, &p.raw, limits); err != nil {
			return // open has answered
		}
		ctx := r.Context()
		p.stream.Conn = p.raw.Conn
		transports.Detach(w, func() {
			p.stream.Serve(ctx, after, p.receive)
			p.reader.close()
		})
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

// A peer is the server's side of one user's connection. One goroutine reads from it.
type peer struct {
	stream transports.Stream
	raw    rawConn
	reader reader
	limits transports.Limits
}

// receive stores the user's messages until the connection ends. After an invalid message it ends the
// stream with the error and drops further messages, but reads on, as the user's close frame may follow.
func (p *peer) receive(life context.Context, end func(error)) {
	p.raw.life = life
	p.raw.flooding = func() { end(flooded(p.limits.Frames)) }
	for refused := false; ; {
		text, err := p.reader.read()
		if r, ok := errors.AsType[*refusal](err); ok {
			end(r.error)
			refused = true
			continue
		}
		if err != nil {
			end(unreadable(err))
			return
		}
		if !refused && !p.raw.closed.Load() { // else it can't be acknowledged
			if err := p.store(life, text); err != nil {
				end(err)
				refused = true
			}
		}
	}
}

// unreadable returns the reason for which a peer ends after a read has failed with err.
func unreadable(err error) error {
	if errors.Is(err, errLate) {
		return errLate
	}
	if v, ok := errors.AsType[*violation](err); ok {
		return v
	}
	return unwritable(err)
}

// unwritable returns the error of a connection that is broken or closed, so no close frame can be sent.
func unwritable(err error) error { return fmt.Errorf("%w: %w", transports.ErrUnwritable, err) }

// store stores one message and acknowledges it.
func (p *peer) store(life context.Context, sent []byte) error {
	text, key, err := transports.ParseText(sent, p.limits.MessageBytes)
	if err != nil {
		return err
	}
	seq, err := p.stream.Log.Append(life, p.stream.Room, text, key)
	var small [64]byte
	reply := strconv.AppendUint(append(small[:0], storedPrefix...), seq, 10)
	reply = append(reply, '}')
	if err != nil {
		reply, _ = json.Marshal(map[string]string{"error": transports.StoreText(err)}) // a string always marshals
	}
	if _, err := p.stream.Write(frameOf(opText, reply)); err != nil {
		return unwritable(err)
	}
	return nil
}

// frames is how messages are written: each as a frame of text with its JSON.
var frames = &transports.Spelling{Append: func(buf []byte, messages []transports.Message) []byte {
	const room = 4 // for the head of most frames
	for _, m := range messages {
		start := len(buf)
		buf = append(buf, make([]byte, room)...)
		buf = transports.AppendJSON(buf, m)
		payload := buf[start+room:]
		switch n := len(payload); {
		case n <= maxControl:
			copy(buf[start+2:], payload)
			buf = buf[:len(buf)-2]
			buf[start], buf[start+1] = finBit|opText, byte(n)
		case n <= 0xffff:
			buf[start], buf[start+1] = finBit|opText, 126
			binary.BigEndian.PutUint16(buf[start+2:], uint16(n))
		default:
			buf = append(buf, make([]byte, 10-room)...)
			copy(buf[start+10:], payload)
			buf[start], buf[start+1] = finBit|opText, 127
			binary.BigEndian.PutUint64(buf[start+2:], uint64(n))
		}
	}
	return buf
}}

// farewell returns the close frame with the code and reason of err. Later writes of the engine are dropped.
func (p *peer) farewell(err error) []byte {
	p.raw.closed.Store(true)
	code, reason := status(err)
	return frameOf(opClose, append([]byte{byte(code >> 8), byte(code)}, reason...))
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
func status(err error) (uint16, string) {
	var gap *transports.GapError
	var large *http.MaxBytesError
	var policy policyError
	var broken *violation
	switch {
	case errors.Is(err, transports.ErrStopping):
		return codeGoingAway, transports.ErrStopping.Error()
	case errors.As(err, &gap):
		return StatusGap, fmt.Sprintf(`{"oldest":%d}`, gap.Oldest)
	case errors.As(err, &large):
		return codeTooLarge, brief(err)
	case errors.Is(err, transports.ErrText):
		return codeNotUTF8, brief(err)
	case errors.Is(err, errBinary):
		return codeBinary, errBinary.Error()
	case errors.As(err, &broken):
		return broken.code, brief(err)
	case errors.As(err, &policy):
		return codePolicy, policy.Error()
	default:
		return codeInternal, transports.StoreText(err)
	}
}

// brief returns the part of err's text that fits into a close frame.
func brief(err error) string {
	s := err.Error()
	return strings.ToValidUTF8(s[:min(len(s), 123)], "")
}
