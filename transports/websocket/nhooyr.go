package websocket

import (
	"context"
	"io"
	"net/http"

	"nhooyr.io/websocket"

	"pushpull/transports"
)

// openNhooyr is the engine on nhooyr.io/websocket. The library answers the handshake, and reads. It writes
// only its answers to pings and close frames: messages are frames that are made once for a whole room,
// which the library can't write.
func openNhooyr(w http.ResponseWriter, r *http.Request, raw *rawConn, limits transports.Limits) (reader, error) {
	conn, err := websocket.Accept(hijacker{w, raw}, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin is checked, with its scheme
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1) // read has a limit, and reports it
	return &nhooyrReader{conn: conn, limits: limits}, nil
}

// A nhooyrReader reads the messages of one connection.
type nhooyrReader struct {
	conn   *websocket.Conn
	limits transports.Limits
	rest   io.Reader // of a message that was refused; nil: none
}

// read implements reader. What ends a read is the end of the connection, hence no context.
func (n *nhooyrReader) read() ([]byte, error) {
	if n.rest != nil {
		if _, err := io.Copy(io.Discard, n.rest); err != nil {
			return nil, err
		}
		n.rest = nil
	}
	kind, data, err := n.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	n.rest = data
	if kind != websocket.MessageText {
		return nil, &refusal{errBinary}
	}
	limit := largestText(n.limits)
	text, err := io.ReadAll(io.LimitReader(data, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > limit {
		return nil, &refusal{transports.CheckText(text, n.limits.MessageBytes)}
	}
	n.rest = nil
	return text, nil
}

// close implements reader.
func (n *nhooyrReader) close() { _ = n.conn.CloseNow() } // the connection is closed even if this fails
